/*
 * A Socket.IO server from npm for the tests of the client: node socketio_server.cjs PORT [recovery]
 *
 * What the cases of test_shim.py expect from whatever server they are run against:
 *
 * - GET / is a page of the same origin that loads /socket.io/socket.io.js, the client under test.
 * - The namespaces / and /custom let everybody in; /refused answers CONNECT_ERROR
 *   {message: "Room is full.", data: {code: "full"}}; any other: {message: "Invalid namespace"}.
 * - On connecting, a socket gets the event "auth" with the data of its CONNECT ({} when there are none).
 * - "message" comes back as "message-back" with the same arguments, "message-with-ack" as the ack's arguments.
 * - "send chat" {msg} goes to all sockets of the namespace as "new chat" {msg: "7: " + msg}.
 * - "write" TEXT goes to all sockets of the namespace as "entry" TEXT.
 * - "ask" makes the server emit "question" with an ack; the answer's arguments come back as "answered".
 * - "silence" is never acknowledged.
 * - "kick" gets a DISCONNECT packet, "drop" has its transport closed, without one.
 * - "query" is acknowledged with the connection's query string, as an object.
 *
 * With the word "recovery" it has connection state recovery, which changes what is on the wire.
 */
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { Server } = require('socket.io');

const SCRIPT = path.join(__dirname, '../../static/socket.io/socket.io.js');
const PAGE = '<!doctype html><title>Test</title><script src="/socket.io/socket.io.js"></script>';

function serve(request, response) {
  const script = request.url === '/socket.io/socket.io.js';
  response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8');
  response.setHeader('Content-Security-Policy', "default-src 'self'");
  response.end(script ? fs.readFileSync(SCRIPT) : PAGE);
}

function welcome(socket) {
  socket.emit('auth', socket.handshake.auth);
  socket.on('message', (...args) => socket.emit('message-back', ...args));
  socket.on('message-with-ack', (...args) => args.pop()(...args));
  socket.on('send chat', (data) => socket.nsp.emit('new chat', { msg: `7: ${data.msg}` }));
  socket.on('write', (text) => socket.nsp.emit('entry', text));
  socket.on('ask', () => socket.emit('question', 'why?', (...answer) => socket.emit('answered', ...answer)));
  socket.on('silence', () => {});
  socket.on('kick', () => socket.disconnect());
  socket.on('drop', () => socket.conn.close());
  socket.on('query', (acknowledge) => acknowledge(socket.handshake.query));
}

const server = http.createServer();
const recovery = process.argv[3] === 'recovery' ? { connectionStateRecovery: {} } : {};
const io = new Server(server, { serveClient: false, ...recovery });
const [engine] = server.listeners('request');
server.removeAllListeners('request');
server.on('request', (request, response) => {
  if (request.url.startsWith('/socket.io/?')) engine(request, response);
  else serve(request, response);
});
io.on('connection', welcome);
io.of('/custom').on('connection', welcome);
io.of('/refused').use((socket, next) => next(Object.assign(new Error('Room is full.'), { data: { code: 'full' } })));

process.on('SIGTERM', () => process.exit(0));
server.listen(Number(process.argv[2]), '127.0.0.1');
