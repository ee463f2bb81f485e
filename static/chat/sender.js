'use strict';

/* Brings the outbox to the server: the oldest first, and the next one only when the server has answered, so that their
   order holds whatever happens to one of them.

   A message keeps its id however often it is sent, and the server stores an id once. So what was not answered is simply
   sent again, and two tabs that send the same do no harm. */

const ANSWER_MS = 10_000; // that the server has for an answer
const RETRY_MS = 1000;
const MAX_RETRY_MS = 30_000;
const RETRIED = new Set(['unavailable', 'too fast']); // refusals that time may cure

class Sender {
  /** `settled(id, answer)` gets the server's answer to a message: it has it, or will not have it. */
  constructor(socket, outbox, settled) {
    this.socket = socket;
    this.outbox = outbox;
    this.settled = settled;
    this.started = false;
    this.running = false;
  }

  /** The server is there, and knows who this is. */
  start() {
    this.started = true;
    this.failures = 0;
    this.outbox.elsewhere.clear(); // the other tab may be gone
    this.run();
  }

  stop() {
    this.started = false;
    clearTimeout(this.timer);
  }

  /** Another tab has a message to send: if nothing comes of it, this one does. */
  stepInFor(id) {
    setTimeout(() => {
      this.outbox.elsewhere.delete(id);
      this.run();
    }, 1.5 * ANSWER_MS);
  }

  async run() {
    if (this.running) return;
    this.running = true;
    clearTimeout(this.timer);
    for (let entry; this.started && (entry = this.outbox.next()); ) {
      if (!(await this.send(entry))) break;
    }
    this.running = false;
  }

  /** Returns whether the message is settled; if not, the line waits behind it. */
  async send({ id, text }) {
    const answer = await this.ask({ msg: text, id });
    if (answer && !RETRIED.has(answer.code)) {
      this.failures = 0;
      this.settled(id, answer);
      return true;
    }
    if (!this.outbox.entries.has(id)) return true; // came as an event, or was thrown away
    if (this.started) this.retry();
    return false;
  }

  retry() {
    const wait = Math.min(RETRY_MS * 2 ** this.failures++, MAX_RETRY_MS);
    this.timer = setTimeout(() => this.run(), wait * (0.5 + Math.random() / 2));
  }

  /** Returns nothing when no answer comes. */
  async ask(message) {
    try {
      return await this.socket.timeout(ANSWER_MS).emitWithAck('send chat', message);
    } catch {
      return undefined;
    }
  }
}
