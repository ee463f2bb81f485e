// The application of 2015 on today's versions: the page gives a session with a random number as name, and the
// page's socket is accepted because of that session. The session is all in a signed cookie. Rooms are namespaces.
import { createServer, ServerResponse } from "node:http";
import Koa from "koa";
import session from "koa-session";
import { Server } from "socket.io";

const app = new Koa();
app.keys = ["a key for benchmarks only"];
app.use(session(app));
app.use((ctx) => {
  ctx.session.name ??= Math.floor(Math.random() * 10000);
  ctx.body = `<!doctype html><title>Chat</title><p>You are ${ctx.session.name}.`;
});

const server = createServer(app.callback());
const io = new Server(server, {
  pingInterval: Number(process.env.BENCH_HEARTBEAT) * 1000,
  allowRequest(request, answer) {
    request.name = app.createContext(request, new ServerResponse(request)).session.name;
    answer("no session", request.name !== undefined);
  },
});
for (const room of ["/", /^\/rooms\/[a-z0-9-]{1,50}$/]) {
  io.of(room).on("connection", (socket) => {
    const name = socket.request.name;
    socket.on("send chat", ({ msg }) => socket.nsp.emit("new chat", { msg: `${name}: ${msg}` }));
  });
}
server.listen({ host: "127.0.0.1", port: Number(process.argv[2]), backlog: 4096 });
