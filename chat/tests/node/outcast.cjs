'use strict';

// An official client that says what becomes of it: node outcast.cjs URL COOKIE TRANSPORT

const { createRequire } = require('node:module');

const fetched = createRequire(require.resolve('../../../channels_socketio/tests/node/package.json'));
const { io } = fetched('socket.io-client');

const [url, cookie, transport] = process.argv.slice(2);
const say = (...what) => process.stdout.write(`${JSON.stringify(what)}\n`);
const socket = io(url, { extraHeaders: { Cookie: cookie }, transports: [transport], reconnectionDelay: 50 });

socket.on('connect', () => say('connect'));
socket.on('connect_error', (error) => say('connect_error', error.message));
socket.on('welcome', ({ name }) => say('welcome', name));
socket.on('session ended', (data) => say('session ended', data));
socket.on('disconnect', (reason) => say('disconnect', reason, socket.active));
