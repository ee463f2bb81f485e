'use strict';

/* Which messages the page has got, and which it must fetch.

   `seq` counts a room's messages without holes. Live ones come in order, after every `welcome` that is no recovery the
   newest ones first. So a number that is skipped is a hole, and so is whatever was shown before such a welcome: lines
   may have gone, or been missed. A hole is filled by pages of older messages, from its newest end; what the server
   does not have there any more leaves the page. */

const HISTORY_PAGE = 100; // messages, the most that the server gives at once
const HOLE_PAGES = 5; // beyond that the page goes on with the newest, as if it had just been opened
const DELETED_KEPT = 1000; // numbers, because a page asked for before may still bring the message
const NEWS = 10; // missed while away, read out as if they were live
const REPLAY_MS = 1000; // after which the newest messages have come, even if the very newest is deleted
const FETCH_MS = 20_000; // that the server has for a page
const REFETCH_MS = 1000;
const MAX_REFETCH_MS = 30_000;

class MessageHistory {
  /** `url` is that of older messages; `claim(message)` returns whether it is one's own, which then waits no more. */
  constructor(log, edge, url, claim) {
    this.log = log;
    this.edge = edge;
    this.url = url;
    this.claim = claim;
    this.last = null; // the newest message that the page knows of
    this.quiet = 0; // the newest that is not read out
    this.deleted = new Set();
    this.holes = [];
    this.failures = 0;
    this.begin = undefined; // the first message of all, once that is known; null when all are deleted
    this.older = 'more'; // or `loading`, or `failed`
    edge.watch(() => this.loadOlder());
  }

  /** The first event on a connection: `head` is the newest message, and `recovered` says that what was missed follows. */
  welcome(head, recovered) {
    if (head < this.last) this.restart();
    const away = head - (this.last ?? 0);
    this.quiet = recovered && away <= NEWS ? 0 : head;
    if (!recovered) this.log.hush();
    if (!recovered || this.last === null) {
      if (this.log.first !== null) this.miss(this.log.first, head);
      this.last = head;
    }
    if (this.older === 'failed') this.older = 'more';
    this.awaitReplay(head);
    this.fillHoles();
    this.showEdge();
  }

  /** The server wants no more of this page. */
  stop() {
    clearTimeout(this.timer);
    this.holes = [];
  }

  /** Until the messages have come that follow a `welcome`, nobody knows whether older ones are near the view. */
  awaitReplay(head) {
    this.head = head;
    this.replaying = true;
    clearTimeout(this.replay);
    this.replay = setTimeout(() => {
      this.replaying = false;
      this.showEdge();
    }, REPLAY_MS);
  }

  receive(message) {
    const { seq } = message;
    if (seq > this.last + 1) this.miss(this.last + 1, seq - 1);
    this.last = Math.max(this.last, seq);
    if (seq >= this.head) this.replaying = false;
    this.show(message, seq <= this.quiet);
    this.showEdge();
  }

  /** There are messages that do not come by themselves. */
  miss(from, to) {
    this.holes.push({ from, to, pages: 0 });
    this.last = Math.max(this.last, to);
    this.fillHoles();
  }

  remove(seq) {
    this.deleted.add(seq);
    if (this.deleted.size > DELETED_KEPT) this.deleted.delete(this.deleted.values().next().value);
    this.log.remove(seq);
    this.showEdge();
  }

  /** The server has this message of one's own. One from before all that is shown comes back with its page. */
  settle(id, { seq, at }) {
    if (this.deleted.has(seq) || seq < this.log.first) this.log.forget(id);
    else this.log.settle(id, { seq, at });
  }

  show(message, quiet) {
    const own = this.claim(message);
    if (this.deleted.has(message.seq)) this.log.forget(message.id);
    else this.log.receive(message, own, quiet);
  }

  /** The server counts anew: it has lost what it had. */
  restart() {
    this.holes = [];
    this.deleted.clear();
    this.log.clear();
    this.last = null;
    this.begin = undefined;
  }

  async fillHoles() {
    clearTimeout(this.timer);
    if (this.filling) return;
    this.filling = true;
    try {
      while (this.holes.length) await this.fillSome(this.holes.at(-1));
      this.failures = 0;
    } catch {
      const wait = Math.min(REFETCH_MS * 2 ** this.failures++, MAX_REFETCH_MS);
      this.timer = setTimeout(() => this.fillHoles(), wait);
    }
    this.filling = false;
    this.showEdge();
  }

  async fillSome(hole) {
    const { messages, before } = await this.fetch(hole.to + 1);
    if (!this.holes.includes(hole)) return; // the server counts anew
    const from = Math.max(hole.from, before ?? 1);
    this.put(from, hole.to, messages);
    hole.to = from - 1;
    const far = ++hole.pages === HOLE_PAGES;
    if (far) this.log.dropBefore(from);
    this.holes = this.holes.filter(({ from: first, to }) => to >= first && (!far || to >= from));
  }

  /** Messages before all that are shown. */
  async loadOlder() {
    if (this.older === 'loading') return;
    const { first } = this.log;
    const before = first ?? this.last + 1;
    this.older = 'loading';
    this.showEdge();
    try {
      const page = await this.fetch(before);
      // When the oldest lines have left the page meanwhile, these no longer join on.
      if (this.log.first === first) this.put(page.before ?? 1, before - 1, page.messages);
      if (page.before === null && !this.log.full) this.begin = this.log.first;
      this.older = 'more';
    } catch {
      this.older = 'failed';
    }
    this.showEdge();
  }

  /** From number to number these are all that there are. */
  put(from, to, messages) {
    const found = new Set(messages.map(({ seq }) => seq));
    const gone = this.log.numbers().filter((seq) => seq >= from && seq <= to && !found.has(seq));
    this.log.steady(() => {
      for (const seq of gone) this.log.remove(seq);
      for (const message of messages.reverse()) if (message.seq >= from) this.show(message, true);
    });
  }

  async fetch(before) {
    const signal = AbortSignal.timeout(FETCH_MS);
    const response = await fetch(`${this.url}?before=${before}&limit=${HISTORY_PAGE}`, { signal });
    if (!response.ok) throw new Error(`expected older messages, got status ${response.status}`);
    return response.json();
  }

  showEdge() {
    const { first, full } = this.log;
    if (!this.last || this.replaying) this.edge.show('empty');
    else if (first === 1 || first === this.begin) this.edge.show('beginning');
    else this.edge.show(full ? 'full' : this.older);
  }
}

/** The place above the oldest message: what is there, or how to get it. */
class Edge {
  constructor(root) {
    this.element = root.querySelector('#edge');
    this.text = this.element.querySelector('p');
    this.button = this.element.querySelector('button');
    this.scroller = root.querySelector('.scroller');
    this.show('empty');
  }

  /** `near()` is called whenever a reader comes near, or asks. */
  watch(near) {
    const options = { root: this.scroller, rootMargin: '400px 0px 0px' };
    this.observer = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && near(), options);
    this.button.addEventListener('click', () => {
      this.scroller.focus({ preventScroll: true }); // for the button goes
      near();
    });
  }

  show(state) {
    if (state === this.state) return;
    this.state = this.element.dataset.state = state;
    this.text.textContent = this.element.dataset[state] ?? '';
    this.button.hidden = state !== 'more' && state !== 'failed';
    // Observed anew, it says so if the reader is near already.
    this.observer?.unobserve(this.element);
    if (state === 'more') this.observer?.observe(this.element);
  }
}
