/*
 * A WebSocket server that says what it is told to, to see how a client takes it: node wire_server.cjs PORT
 *
 * The query string of a connection tells: `first` is the first frame, if not a usual handshake ("none": there is
 * none), `answers` the JSON of {received: [sent, ...]}: what to send, and when. {"hex": ...} stands for a binary frame.
 * GET /seen is the JSON of all connections so far: each a list of its path, the frames that came in, and "closed" at
 * the end. Other paths are an empty page and the client.
 */
'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { WebSocketServer } = require('ws');

const SCRIPT = path.join(__dirname, '../../static/socket.io/socket.io.js');
const PAGE = '<!doctype html><title>Test</title><script src="/socket.io/socket.io.js"></script>';
const OPEN = '0{"sid":"engine","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}';

const seen = [];

function connected(socket, request) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const answers = JSON.parse(searchParams.get('answers') ?? '{}');
  const first = searchParams.get('first') ?? OPEN;
  const frames = [pathname];
  seen.push(frames);
  socket.on('close', () => frames.push('closed'));
  socket.on('message', (data, isBinary) => {
    const received = isBinary ? { hex: data.toString('hex') } : data.toString();
    frames.push(received);
    for (const frame of answers[received] ?? []) socket.send(frame.hex ? Buffer.from(frame.hex, 'hex') : frame);
  });
  if (first !== 'none') socket.send(first);
}

const server = http.createServer((request, response) => {
  const script = request.url === '/socket.io/socket.io.js';
  response.setHeader('Content-Type', script ? 'text/javascript' : 'text/html; charset=utf-8');
  response.end(request.url === '/seen' ? JSON.stringify(seen) : script ? fs.readFileSync(SCRIPT) : PAGE);
});
new WebSocketServer({ server }).on('connection', connected);

process.on('SIGTERM', () => process.exit(0));
server.listen(Number(process.argv[2]), '127.0.0.1');
