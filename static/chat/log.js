'use strict';

/* The list of messages: order, scrolling, and what a screen reader says. It knows nothing of the socket.

   Sent messages stand in the server's order, by `seq`; the others below them, as they were written, because nobody
   knows their place yet. */

const KEPT = 500; // older messages leave the page, so that a tab left open for weeks stays quick
const KEPT_READING = 2000; // who reads older ones has more of them
const NEAR_END = 40; // px
const QUIET_MS = 500; // that a screen reader has to look past what was put in

class MessageLog {
  constructor(root, actions) {
    this.scroller = root.querySelector('.scroller');
    this.list = root.querySelector('#messages');
    this.jump = root.querySelector('#jump');
    this.lines = new Lines(root, this.list.dataset, actions);
    this.sent = new Map(); // lines by number
    this.unsent = new Map(); // lines by id
    this.following = true;
    this.top = 0;
    this.scroller.addEventListener('scroll', () => this.handleScroll(), { passive: true });
    this.jump.addEventListener('click', () => this.goToEnd());
    new ResizeObserver(() => this.follow()).observe(this.scroller);
  }

  /** The number of the oldest message shown, null when there is none. */
  get first() {
    const seq = this.list.firstElementChild?.dataset.seq;
    return seq === undefined ? null : Number(seq);
  }

  get full() {
    return this.list.childElementCount >= KEPT_READING;
  }

  numbers() {
    return [...this.sent.keys()];
  }

  /** Show a message that the server sent; one that is there already is not shown twice. `quiet`: it is not news. */
  receive({ name, text, seq, at, id }, own, quiet) {
    if (quiet) this.hush();
    if (this.sent.has(seq)) {
      this.forget(id);
      return;
    }
    const line = this.unsent.get(id) ?? this.lines.create(name, text, own);
    if (own) line.dataset.id = id;
    else if (!quiet) line.classList.add('fresh');
    this.markSent(line, { seq, at });
    if (!own && !quiet && !this.following) this.jump.hidden = false;
  }

  /** Show a message of one's own that waits for the server; `refusal` says why it will not have it. */
  hold({ id, text, at, refusal }) {
    let line = this.unsent.get(id);
    if (!line) {
      line = this.lines.create('', text, true);
      line.dataset.id = id;
      line.classList.add('fresh');
      this.lines.setTime(line, new Date(at));
      this.unsent.set(id, line);
      this.place(line);
    }
    this.lines.setState(line, refusal === undefined ? 'pending' : 'failed');
    if (refusal !== undefined) this.lines.explain(line, refusal);
    this.follow();
  }

  /** The server has the message `id`. */
  settle(id, { seq, at }) {
    const line = this.unsent.get(id);
    if (!line) return;
    if (this.sent.has(seq)) this.forget(id);
    else this.markSent(line, { seq, at });
  }

  /** The message `id`, which has no number, is no longer to be shown. */
  forget(id) {
    const line = this.unsent.get(id);
    this.unsent.delete(id);
    this.take(line);
  }

  remove(seq) {
    const line = this.sent.get(seq);
    this.sent.delete(seq);
    this.take(line);
  }

  dropBefore(seq) {
    this.steady(() => this.numbers().forEach((number) => number < seq && this.remove(number)));
  }

  clear() {
    this.dropBefore(Infinity);
  }

  markSent(line, { seq, at }) {
    this.unsent.delete(line.dataset.id);
    this.sent.set(seq, line);
    line.dataset.seq = seq;
    this.lines.setTime(line, new Date(at));
    this.lines.setState(line, 'sent');
    this.place(line);
    this.drop();
    this.follow();
  }

  /** Take a line away; whoever reads, or has the focus in it, stays where they are. */
  take(line) {
    if (!line) return;
    const below = line.nextElementSibling;
    if (line.contains(document.activeElement)) this.scroller.focus({ preventScroll: true });
    this.steady(() => line.remove());
    group(below);
  }

  place(line) {
    const next = this.successor(line);
    const below = line.nextElementSibling;
    // Moving what is in place already would make a screen reader say it again.
    if (next !== line) this.list.insertBefore(line, next);
    for (const changed of [line, line.nextElementSibling, below]) group(changed);
  }

  /** The line before which this one belongs; itself when it is there. */
  successor(line) {
    const seq = Number(line.dataset.seq ?? Infinity);
    if (seq < this.first) return this.list.firstElementChild;
    let previous = this.list.lastElementChild;
    while (previous && (previous === line || Number(previous.dataset.seq ?? Infinity) > seq)) {
      previous = previous.previousElementSibling;
    }
    return previous ? previous.nextElementSibling : this.list.firstElementChild;
  }

  drop() {
    const most = this.following ? KEPT : KEPT_READING;
    while (this.list.childElementCount > most && this.first !== null) this.remove(this.first);
  }

  /** Change what is shown under the eyes of who reads: the line on top stays where it is. */
  steady(change) {
    if (this.following || this.steadied) return change();
    const { top } = this.scroller.getBoundingClientRect();
    const anchor = [...this.list.children].find((line) => line.getBoundingClientRect().bottom > top);
    const before = anchor?.getBoundingClientRect().top;
    this.steadied = true;
    change();
    this.steadied = false;
    if (anchor?.isConnected) this.scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    this.top = this.scroller.scrollTop;
  }

  /** What is put in now is history, not news. */
  hush() {
    clearTimeout(this.hushed);
    this.scroller.setAttribute('aria-live', 'off');
    this.scroller.setAttribute('aria-busy', 'true');
    this.hushed = setTimeout(() => {
      this.scroller.setAttribute('aria-live', 'polite');
      this.scroller.setAttribute('aria-busy', 'false');
    }, QUIET_MS);
  }

  follow() {
    if (!this.following || this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      if (this.following) this.goToEnd();
    });
  }

  goToEnd() {
    this.following = true;
    this.drop();
    this.scroller.scrollTop = this.scroller.scrollHeight;
    this.top = this.scroller.scrollTop;
    if (document.activeElement === this.jump) this.scroller.focus();
    this.jump.hidden = true;
  }

  // Only a scroll upwards is a person's wish to read: messages that arrive between goToEnd and its scroll event
  // leave the end below the view as well.
  handleScroll() {
    const { scrollTop, scrollHeight, clientHeight } = this.scroller;
    const atEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (atEnd || scrollTop < this.top) this.following = atEnd;
    if (atEnd) this.jump.hidden = true;
    this.top = scrollTop;
  }
}
