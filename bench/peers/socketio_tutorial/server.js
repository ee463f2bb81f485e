// The chat to which Socket.IO's tutorial leads step by step: messages in SQLite by the package sqlite3, one INSERT each;
// an id of the client's choice under a unique constraint, so that a message sent twice is stored once; an ack after that;
// what was missed after reconnecting. The events and the ack are named as this project's are. Added: the
// PRAGMA lines, so that both write with the same care, and the name in front of the text.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { open } from "sqlite";
import sqlite3 from "sqlite3";

const [, , port, file] = process.argv;
const CONSTRAINT = 19; // SQLite's error code

const db = await open({ filename: file, driver: sqlite3.Database });
await db.exec(`
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client_offset TEXT UNIQUE,
    content TEXT
  );
`);

const server = createServer((request, response) => response.end("<!doctype html><title>Chat</title>"));
const io = new Server(server, {
  connectionStateRecovery: {},
  pingInterval: Number(process.env.BENCH_HEARTBEAT) * 1000,
});

io.on("connection", async (socket) => {
  socket.on("send chat", async ({ msg, id }, acknowledge) => {
    const content = `guest: ${msg}`;
    let result;
    try {
      result = await db.run("INSERT INTO messages (content, client_offset) VALUES (?, ?)", content, id);
    } catch (error) {
      if (error.errno === CONSTRAINT) acknowledge({ ok: true });
      return; // otherwise the client sends it again
    }
    io.emit("new chat", { msg: content }, result.lastID);
    acknowledge({ ok: true });
  });

  if (!socket.recovered) {
    await db.each(
      "SELECT id, content FROM messages WHERE id > ?",
      [socket.handshake.auth.serverOffset || 0],
      (error, row) => socket.emit("new chat", { msg: row.content }, row.id),
    );
  }
});
server.listen({ host: "127.0.0.1", port: Number(port), backlog: 4096 });
