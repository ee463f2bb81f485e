/*
 * Visitors who talk while the network fails: node visitors.cjs
 *
 * The first line of the input is JSON: {rooms: [slug], seconds, visitors: [{client, transports, port, cookie, messages}]}.
 * `client` is "official" (Socket.IO's own) or "shim" (the project's); a message is {room, id, msg, again}. Everybody is in all rooms and
 * says all messages within about so many seconds, each until it has an answer; with `again`, once more after that.
 * Prints {"settled": true} when all are answered. The second line is {ends: {room: number}, seconds}: when all have got
 * all rooms up to there, or so many seconds later, prints a line with the account of each visitor and ends.
 *
 * A visitor does what docs/delivery.md says a client must, and nothing more; what is not as promised is a complaint.
 */
'use strict';

const fs = require('node:fs');
const path = require('node:path');
const readline = require('node:readline');
const { createRequire } = require('node:module');
const { setTimeout: sleep } = require('node:timers/promises');

const APP = path.join(__dirname, '../../../channels_socketio');
const SHIM = fs.readFileSync(path.join(APP, 'static/socket.io/socket.io.js'), 'utf8');
const fetched = createRequire(path.join(APP, 'tests/node/package.json'));
const official = fetched('socket.io-client').io;
const { WebSocket } = fetched('ws');

const ACK_MS = 1000;
const REQUEST_MS = 2000;
const AT_ONCE = 4; // messages of one visitor
const PAGE = 100; // messages in one answer by HTTP

/** The shim as a page of `origin` has it: a browser sends the cookie and the origin with a WebSocket. */
function shimOf(origin, cookie) {
  class PageWebSocket extends WebSocket {
    constructor(url) {
      super(url, { headers: { Cookie: cookie, Origin: origin } });
      this.on('error', () => {}); // in a page, an error that nobody listens to is none
    }
  }
  const page = { WebSocket: PageWebSocket, location: { origin }, addEventListener() {} };
  return new Function(...Object.keys(page), `${SHIM}; return io;`)(...Object.values(page));
}

/** What one visitor has got of one room. */
class Room {
  entries = new Map();
  newest = 0; // the highest number that is here or being fetched
  next = null; // the number that must come next; null: whatever the server begins with
  fetches = 0;

  constructor(visitor, slug, socket) {
    Object.assign(this, { visitor, slug, socket });
    socket.on('welcome', () => this.welcome());
    socket.on('new chat', (message) => this.receive(message));
    socket.on('history gap', ({ from, to }) => this.miss(from, to));
  }

  welcome() {
    const { counts } = this.visitor;
    counts[this.socket.recovered ? 'recovered' : 'new']++;
    if (!this.socket.recovered) this.next = null;
  }

  receive(message) {
    const { seq } = message;
    if (this.next === null && seq > this.newest + 1) this.fetch(this.newest + 1, seq - 1);
    else if (this.next !== null && seq !== this.next) this.complain(`expected message ${this.next}, got ${seq}`);
    this.next = seq + 1;
    this.keep(message);
  }

  miss(from, to) {
    this.visitor.counts.gaps++;
    if (this.next !== null && from !== this.next) this.complain(`expected a gap from ${this.next}, got ${from}`);
    if (to > this.newest) this.fetch(this.newest + 1, to);
    this.next = to + 1;
  }

  keep({ seq, id, name, text }) {
    const entry = JSON.stringify([seq, id, name, text]);
    const known = this.entries.get(seq) ?? entry;
    if (known !== entry) this.complain(`expected ${known} again, got ${entry}`);
    this.entries.set(seq, entry);
    this.newest = Math.max(this.newest, seq);
  }

  /** Get the messages with these numbers by HTTP. */
  async fetch(from, to) {
    this.newest = to;
    this.fetches++;
    while (to >= from) {
      const messages = await this.visitor.read(this.slug, to + 1, Math.min(PAGE, to - from + 1));
      for (const message of messages) this.keep(message);
      if (messages.length) to = messages[0].seq - 1;
      this.visitor.counts.fetched += messages.length;
    }
    this.fetches--;
  }

  hasAll(end) {
    return !this.fetches && this.newest >= end;
  }

  complain(what) {
    this.visitor.complaints.push(`${this.slug}: ${what}`);
  }
}

class Visitor {
  answers = [];
  complaints = [];
  counts = { new: 0, recovered: 0, gaps: 0, fetched: 0, retries: 0, unavailable: 0 };

  constructor({ client, transports, port, cookie, messages }, slugs) {
    this.origin = `http://127.0.0.1:${port}`;
    this.cookie = cookie;
    this.messages = messages;
    const io = client === 'shim' ? shimOf(this.origin, cookie) : official;
    const options = { transports, timeout: 2000, reconnectionDelay: 50, reconnectionDelayMax: 300 };
    if (client === 'official') options.extraHeaders = { Cookie: cookie };
    const open = (slug) => new Room(this, slug, io(`${this.origin}/rooms/${slug}`, options));
    this.rooms = new Map(slugs.map((slug) => [slug, open(slug)]));
  }

  /** Say everything, evenly spread over the time. */
  async talk(seconds) {
    const begun = Date.now();
    const queue = this.messages.entries();
    const work = async () => {
      for (const [index, message] of queue) {
        await sleep(Math.max(0, begun + (index * seconds * 1000) / this.messages.length - Date.now()));
        await this.say(message);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async say(message) {
    const answer = await this.ask(message);
    this.answers.push({ room: message.room, sent: message.id, answer });
    if (!message.again) return;
    const second = JSON.stringify(await this.ask(message));
    if (second !== JSON.stringify(answer)) {
      this.complaints.push(`expected ${JSON.stringify(answer)} again, got ${second}`);
    }
  }

  /** Return the final answer; until there is one, the message is sent again with the same id. */
  async ask({ room, id, msg }) {
    const { socket } = this.rooms.get(room);
    for (;;) {
      const answer = await socket.timeout(ACK_MS).emitWithAck('send chat', { msg, id }).catch(() => null);
      if (answer && (answer.ok || answer.code !== 'unavailable')) return answer;
      this.counts[answer ? 'unavailable' : 'retries']++;
      await sleep(50);
    }
  }

  /** Return messages before a number, oldest first; none when there was no answer. */
  async read(slug, before, limit) {
    const url = `${this.origin}/rooms/${slug}/messages?before=${before}&limit=${limit}`;
    try {
      const response = await fetch(url, { headers: { Cookie: this.cookie }, signal: AbortSignal.timeout(REQUEST_MS) });
      if (response.ok) return (await response.json()).messages;
      this.complaints.push(`${url}: got the status ${response.status}`);
    } catch {
      await sleep(50); // the network; it is asked again
    }
    return [];
  }

  account() {
    const lists = [...this.rooms].map(([slug, { entries }]) => {
      return [slug, [...entries.values()].map((entry) => JSON.parse(entry)).sort(([one], [other]) => one - other)];
    });
    const { answers, complaints, counts } = this;
    return { rooms: Object.fromEntries(lists), answers, complaints, counts };
  }
}

async function main() {
  const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  const told = async () => JSON.parse((await lines.next()).value);
  const plan = await told();
  const visitors = plan.visitors.map((visitor) => new Visitor(visitor, plan.rooms));
  await Promise.all(visitors.map((visitor) => visitor.talk(plan.seconds)));
  console.log('{"settled": true}');
  const { ends, seconds } = await told();
  const deadline = Date.now() + seconds * 1000;
  const done = (visitor) => [...visitor.rooms].every(([slug, room]) => room.hasAll(ends[slug]));
  while (!visitors.every(done) && Date.now() < deadline) await sleep(20);
  for (const visitor of visitors) process.stdout.write(`${JSON.stringify(visitor.account())}\n`);
  process.stdout.write('', () => process.exit());
}

main();
