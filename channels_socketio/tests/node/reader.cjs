/*
 * An official client that comes back whenever its link dies: node reader.cjs URL TRANSPORT[+TRANSPORT] [COOKIE]
 *
 * Prints a line of JSON for all that happens: ["connect", id, recovered], ["disconnect", reason] and events as they come.
 * Takes commands by lines: "drop" gives the link up, without the server's hearing of it if that is dead; an event is sent.
 */
'use strict';

const readline = require('node:readline');
const { io } = require('socket.io-client');

const [url, transport, cookie] = process.argv.slice(2);
const tell = (...happened) => console.log(JSON.stringify(happened));

const extraHeaders = cookie ? { Cookie: cookie } : {};
const socket = io(url, { extraHeaders, transports: transport.split('+'), reconnectionDelay: 50, reconnectionDelayMax: 200 });
socket.on('connect', () => tell('connect', socket.id, socket.recovered));
socket.on('disconnect', (reason) => tell('disconnect', reason));
socket.onAny(tell);

readline.createInterface({ input: process.stdin }).on('line', (command) => {
  if (command === 'drop') socket.io.engine._onClose('transport error');
  else socket.emit(...JSON.parse(command));
});
