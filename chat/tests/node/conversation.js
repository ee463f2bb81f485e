/*
 * What every official JavaScript client goes through, 1.7 to 4.8, in Node and in browsers: see client.cjs.
 *
 * `perform(scenario, io, url, options, tell, modes)` does it three times at once, in each mode. It calls `tell` with
 * {mode, scenario, result} or {mode, scenario, error} for every part, and with {scenario: 'end'} at the end. Binary
 * data is shown as {hex}.
 */
'use strict';

const MODES = { default: {}, polling: { transports: ['polling'] }, websocket: { transports: ['websocket'] } };
const BATCH = 10;
const LAST_WORDS = 40;
const PART_SECONDS = 20;
const RETURN_SECONDS = 60;

const GREETING = 'Grüß Gott 😀 '; // of the host, who says it to those who say hello

const isLegacy = (io) => io.protocol < 5; // Socket.IO 1 and 2

function next(target, event, matches = () => true) {
  return new Promise((resolve) => {
    target.on(event, function listener(...args) {
      if (!matches(...args)) return;
      target.off(event, listener);
      resolve(args);
    });
  });
}

function ask(socket, ...args) {
  return new Promise((resolve) => socket.emit(...args, (...answer) => resolve(answer)));
}

function within(seconds, promise) {
  const late = new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`waited ${seconds} s in vain`)), seconds * 1000);
  });
  return Promise.race([promise, late]);
}

// Bytes as what the platform has for them. (1.7 does not know typed arrays.)
function binary(...bytes) {
  return typeof Buffer === 'undefined' ? Uint8Array.from(bytes).buffer : Buffer.from(bytes);
}

// A copy of `value` that JSON can show.
function shown(value) {
  if (value instanceof ArrayBuffer || ArrayBuffer.isView(value)) {
    const bytes = value instanceof ArrayBuffer ? new Uint8Array(value) : value;
    return { hex: Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('') };
  }
  if (Array.isArray(value)) return value.map(shown);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(item)]));
}

const transportOf = (socket) => socket.io.engine.transport.name;

async function upgraded(socket, mode) {
  if (mode === 'default' && transportOf(socket) !== 'websocket') await next(socket.io.engine, 'upgrade');
  return transportOf(socket);
}

// What an error says about a request that was refused; a browser knows nothing about a WebSocket's.
function facts(error) {
  const { description, context } = error;
  return { status: typeof description === 'number' ? description : null, body: context?.responseText };
}

// Why `socket` may not enter its namespace.
async function refusalOf(io, socket) {
  const [error] = await next(socket, isLegacy(io) ? 'error' : 'connect_error');
  return isLegacy(io) ? { message: error } : { message: error.message, data: error.data };
}

class Conversation {
  constructor(io, socket, mode) {
    this.io = io;
    this.socket = socket;
    this.mode = mode;
    this.parts = ['connect', 'burst', 'transport', 'chat', 'refusedEvent', 'binary', 'question', 'namespaces'];
    this.parts.push('kick', 'heartbeat', 'drop');
  }

  async connect() {
    const first = transportOf(this.socket);
    const [{ name, room }] = await next(this.socket, 'welcome');
    return { first, name, room };
  }

  // Talks while the client upgrades, and a bit longer.
  async burst() {
    this.lounge = this.socket.io.socket('/lounge');
    const echoed = [];
    const acked = [];
    const note = (number) => echoed.push(number);
    this.lounge.on('echoed', note);
    let sent = 0;
    for (let more = 3; more > 0; more -= transportOf(this.socket) === 'polling' && this.mode === 'default' ? 0 : 1) {
      const answers = [];
      for (let i = 0; i < BATCH; i += 1, sent += 1) answers.push(ask(this.lounge, 'echo', sent));
      for (const answer of answers) acked.push((await answer)[0]);
    }
    this.lounge.off('echoed', note);
    return { sent, echoed, acked };
  }

  async transport() {
    return transportOf(this.socket);
  }

  async chat() {
    const text = `Hello host ${Math.random()}, ünï 😀`;
    const own = next(this.socket, 'new chat', (message) => message.text === text);
    const reply = next(this.socket, 'new chat', (message) => message.text === GREETING + text);
    const [receipt] = await ask(this.socket, 'send chat', { msg: text });
    return { text, receipt, own: (await own)[0], reply: (await reply)[0] };
  }

  async refusedEvent() {
    const error = next(this.socket, 'chat error');
    const [answer] = await ask(this.socket, 'send chat', { msg: '' });
    this.socket.emit('send chat');
    return { answer, event: (await error)[0] };
  }

  async binary() {
    const deep = { list: [binary(255, 254), { deep: binary(0) }], text: 'ünï 😀', none: null };
    const sent = [binary(0, 1, 127, 128, 255, 10, 13, 30), deep, binary(), 7];
    const event = next(this.lounge, 'echoed');
    const ack = await ask(this.lounge, 'echo', ...sent);
    const large = binary(...Array.from({ length: 20000 }, (_, i) => i % 251));
    const [big] = await ask(this.lounge, 'echo', large);
    return {
      sent: shown(sent),
      ack: shown(ack),
      event: shown(await event),
      big: shown(big).hex === shown(large).hex,
    };
  }

  async question() {
    this.lounge.on('question', (data, answer) => answer(data, { again: [data] }, 'ünï 😀'));
    return shown(await ask(this.lounge, 'ask me', binary(1, 2, 3)));
  }

  async namespaces() {
    const manager = this.socket.io;
    const room = manager.socket('/rooms/tea');
    const [welcome] = await next(room, 'welcome');
    const outside = [];
    const note = (message) => outside.push(message.text);
    this.socket.on('new chat', note);
    const heard = next(room, 'new chat', (message) => message.text === `Tea, ${this.mode}`);
    const [receipt] = await ask(room, 'send chat', { msg: `Tea, ${this.mode}` });
    const [{ room: heardIn }] = await heard;
    const unknown = await refusalOf(this.io, manager.socket('/nowhere'));
    const locked = await refusalOf(this.io, manager.socket('/locked'));
    room.disconnect();
    await ask(this.socket, 'send chat', { msg: '' });
    this.socket.off('new chat', note);
    const leaked = outside.filter((text) => text.startsWith('Tea'));
    return { room: welcome.room, ok: receipt.ok, heardIn, unknown, locked, leaked };
  }

  async kick() {
    const end = next(this.lounge, 'disconnect');
    this.lounge.emit('kick me');
    const [reason] = await end;
    const [answer] = await ask(this.socket, 'send chat', { msg: '' });
    const stayedOut = !this.lounge.connected;
    const connected = next(this.lounge, 'connect');
    this.lounge.connect();
    await connected;
    const [again] = await ask(this.lounge, 'echo', 'again');
    return { reason, others: answer.code, stayedOut, again };
  }

  // The second beat comes only if the first was answered.
  async heartbeat() {
    const beat = isLegacy(this.io) ? 'pong' : 'ping';
    await next(this.socket.io.engine, 'packet', (packet) => packet.type === beat);
    await next(this.socket.io.engine, 'packet', (packet) => packet.type === beat);
    return this.socket.connected;
  }

  async drop() {
    const words = [];
    this.lounge.on('last words', (number) => words.push(number));
    const end = next(this.socket, 'disconnect');
    const welcome = next(this.socket, 'welcome');
    this.lounge.emit('drop me', LAST_WORDS);
    const [reason] = await end;
    const [{ name }] = await welcome;
    return { said: LAST_WORDS, words, reason, name };
  }
}

async function converse(io, connect, mode, report) {
  const socket = connect();
  const conversation = new Conversation(io, socket, mode);
  for (const part of conversation.parts) await report(part, PART_SECONDS, () => conversation[part]());
  socket.io.engine.close();
}

// Tries until it has been refused twice.
async function beRefused(io, connect, mode, report) {
  const socket = connect();
  await report('refusal', PART_SECONDS, async () => {
    const errors = [];
    let connected = false;
    socket.on('connect', () => {
      connected = true;
    });
    // At once: some clients abort the request, and so lose its body, right after.
    socket.on('connect_error', (error) => errors.push(facts(error)));
    await next(socket, 'connect_error');
    await next(socket, 'connect_error');
    return { connected, errors };
  });
  socket.close();
}

// Waits for the server to be restarted.
async function comeBack(io, connect, mode, report) {
  const socket = connect();
  await report('here', PART_SECONDS, async () => {
    const [{ name }] = await next(socket, 'welcome');
    return { name, transport: await upgraded(socket, mode) };
  });
  await report('back', RETURN_SECONDS, async () => {
    const [reason] = await next(socket, 'disconnect');
    const said = ask(socket, 'send chat', { msg: `Said while away, ${mode}` });
    const [{ name }] = await next(socket, 'welcome');
    const [receipt] = await said;
    return { reason, name, ok: receipt.ok, transport: await upgraded(socket, mode) };
  });
  socket.close();
}

const SCENARIOS = { converse, beRefused, comeBack };

async function perform(scenario, io, url, options, tell, modes = Object.keys(MODES)) {
  const runs = modes.map((mode) => {
    const connect = () => io(url, { forceNew: true, ...options, ...MODES[mode] });
    const report = async (part, seconds, work) => {
      try {
        tell({ mode, scenario: part, result: await within(seconds, work()) });
      } catch (error) {
        tell({ mode, scenario: part, error: String(error.stack || error) });
      }
    };
    return SCENARIOS[scenario](io, connect, mode, report);
  });
  await Promise.all(runs);
  tell({ scenario: 'end' });
}

if (typeof module === 'object') module.exports = { perform };
