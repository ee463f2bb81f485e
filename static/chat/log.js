'use strict';

/* The list of messages: order, grouping, scrolling. It knows nothing of the socket.

   A message is `pending` (no answer yet), `failed` (refused or lost) or `sent` (the server has it). Sent ones
   stand in the server's order, by `seq` or, without it, as they came; the others stand below them, because nobody
   knows their place yet. Text reaches the page through textContent only. */

const KEPT = 500; // older messages leave the page, so that a tab left open for weeks stays quick
const SAME_BREATH = 5 * 60_000; // ms between messages of one person that are shown as one group
const NEAR_END = 40; // px
const HUES = 8; // the stylesheet has as many

class MessageLog {
  /** `actions.again(id, text)` and `actions.edit(text)` are what a person may do about a failed message. */
  constructor(root, actions) {
    this.actions = actions;
    this.scroller = root.querySelector('.scroller');
    this.list = root.querySelector('#messages');
    this.jump = root.querySelector('#jump');
    this.messageTemplate = root.querySelector('#message').content;
    this.failureTemplate = root.querySelector('#failure').content;
    this.following = true;
    this.top = 0;
    this.scroller.addEventListener('scroll', () => this.handleScroll(), { passive: true });
    this.jump.addEventListener('click', () => this.goToEnd());
    new ResizeObserver(() => this.follow()).observe(this.scroller);
  }

  /** Show a message that the server sent; one that is there already is not shown twice. */
  receive({ name, text, seq, at, id }, own) {
    const known = (own && this.find('id', id)) || this.find('seq', seq);
    if (known) {
      this.markSent(known, { seq, at });
      return;
    }
    const item = this.create(name, text, own);
    if (own && id) item.dataset.id = id;
    this.markSent(item, { seq, at });
    if (!own && !this.following) this.jump.hidden = false;
  }

  /** Show a message of one's own that is on its way to the server. */
  hold(id, text) {
    const item = this.create('', text, true);
    item.dataset.id = id;
    this.setTime(item, new Date());
    this.setState(item, 'pending');
    this.place(item);
    this.goToEnd();
  }

  /** The server has the message `id`. */
  settle(id, facts) {
    const item = this.find('id', id);
    if (item) this.markSent(item, facts);
  }

  /** The message `id` was refused, or its fate is unknown. */
  fail(id, why) {
    const item = this.find('id', id);
    if (item?.dataset.state !== 'pending') return;
    this.setState(item, 'failed');
    item.querySelector('.bubble').append(this.createFailure(item, why));
    this.follow();
  }

  markSent(item, { seq, at }) {
    if (seq !== undefined) item.dataset.seq = seq;
    if (at) this.setTime(item, new Date(at));
    this.setState(item, 'sent');
    this.place(item);
    this.drop();
    this.follow();
  }

  create(name, text, own) {
    const item = this.messageTemplate.cloneNode(true).firstElementChild;
    item.classList.toggle('own', own);
    item.dataset.name = own ? '' : name;
    item.dataset.hue = hueOf(name);
    item.querySelector('.by').textContent = own ? this.list.dataset.you : name;
    item.querySelector('.text').textContent = text;
    return item;
  }

  createFailure(item, why) {
    const failure = this.failureTemplate.cloneNode(true).firstElementChild;
    const text = item.querySelector('.text').textContent;
    failure.querySelector('.why').textContent = why;
    failure.querySelector('.again').addEventListener('click', () => {
      this.setState(item, 'pending');
      this.actions.again(item.dataset.id, text);
    });
    failure.querySelector('.edit').addEventListener('click', () => {
      const below = item.nextElementSibling;
      item.remove();
      group(below);
      this.actions.edit(text);
    });
    return failure;
  }

  setState(item, state) {
    item.dataset.state = state;
    item.querySelector('.failure')?.remove();
    if (item.classList.contains('own')) item.querySelector('.state').textContent = this.list.dataset[state];
  }

  setTime(item, date) {
    const time = item.querySelector('time');
    time.dateTime = date.toISOString();
    time.textContent = shownTime(date);
    time.title = date.toLocaleString();
  }

  find(key, value) {
    return value === undefined || value === null
      ? null
      : this.list.querySelector(`[data-${key}="${CSS.escape(String(value))}"]`);
  }

  place(item) {
    let previous = this.list.lastElementChild;
    while (previous && (previous === item || belongsBelow(previous, item))) previous = previous.previousElementSibling;
    const next = previous ? previous.nextElementSibling : this.list.firstElementChild;
    const below = item.nextElementSibling;
    // Moving what is in place already would make a screen reader say it again.
    if (next !== item) this.list.insertBefore(item, next);
    for (const changed of [item, item.nextElementSibling, below]) group(changed);
  }

  drop() {
    while (this.following && this.list.childElementCount > KEPT) this.list.firstElementChild.remove();
    group(this.list.firstElementChild);
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

function belongsBelow(shown, item) {
  const certain = item.dataset.state === 'sent';
  if (shown.dataset.state !== 'sent') return certain;
  return certain && Number(shown.dataset.seq) > Number(item.dataset.seq);
}

function group(item) {
  if (!item) return;
  const previous = item.previousElementSibling;
  const passed = previous ? timeOf(item) - timeOf(previous) : Infinity;
  item.classList.toggle('follows', previous?.dataset.name === item.dataset.name && passed < SAME_BREATH);
}

function timeOf(item) {
  return Date.parse(item.querySelector('time').dateTime);
}

function hueOf(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 9973;
  return sum % HUES;
}

function shownTime(date) {
  const clock = date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
  const today = date.toDateString() === new Date().toDateString();
  return today ? clock : `${date.toLocaleDateString([], { day: 'numeric', month: 'short' })}, ${clock}`;
}
