'use strict';

/*
 * An official client that keeps cookies as a browser does: node browser.cjs URL COOKIE TRANSPORT
 *
 * Prints a line of JSON for all that happens: ["connect", id, recovered], ["connect_error", message], ["disconnect", reason,
 * active] and events as they come. Each line that it reads is the cookie header from then on.
 */

const readline = require('node:readline');
const { io } = require('socket.io-client');

const [url, cookie, transport] = process.argv.slice(2);
const tell = (...happened) => console.log(JSON.stringify(happened));
const extraHeaders = { Cookie: cookie };

const socket = io(url, { transports: [transport], extraHeaders });
socket.on('connect', () => tell('connect', socket.id, socket.recovered));
socket.on('connect_error', ({ message }) => tell('connect_error', message));
socket.on('disconnect', (reason) => tell('disconnect', reason, socket.active));
socket.onAny(tell);

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  socket.io.opts.extraHeaders.Cookie = line;
});
