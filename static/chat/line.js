'use strict';

/* One message as a line of the list. Text reaches the page through textContent only.

   A line is `pending` (no answer yet), `failed` (refused) or `sent` (the server has it, and `seq` is known). */

const SAME_BREATH = 5 * 60_000; // ms between messages of one person that are shown as one group
const HUES = 8; // the stylesheet has as many

class Lines {
  /** `words` are the list's texts; `actions.again(id)`, `edit(id, text)` and `discard(id)` what failed lines offer. */
  constructor(root, words, actions) {
    this.words = words;
    this.actions = actions;
    this.message = root.querySelector('#message').content;
    this.failure = root.querySelector('#failure').content;
  }

  create(name, text, own) {
    const line = this.message.cloneNode(true).firstElementChild;
    line.classList.toggle('own', own);
    line.dataset.name = own ? '' : name;
    line.dataset.hue = hueOf(name);
    line.querySelector('.by').textContent = own ? this.words.you : name;
    line.querySelector('.text').textContent = text;
    return line;
  }

  setState(line, state) {
    line.dataset.state = state;
    line.querySelector('.failure')?.remove();
    if (line.classList.contains('own')) line.querySelector('.state').textContent = this.words[state];
  }

  setTime(line, date) {
    const time = line.querySelector('time');
    time.dateTime = date.toISOString();
    time.textContent = shownTime(date);
    time.title = date.toLocaleString();
  }

  /** Say why the server does not take a message, and what can be done about it. */
  explain(line, why) {
    const failure = this.failure.cloneNode(true).firstElementChild;
    const { id } = line.dataset;
    const offer = (name, act) => failure.querySelector(`.${name}`).addEventListener('click', act);
    failure.querySelector('.why').textContent = why;
    offer('again', () => this.actions.again(id));
    offer('edit', () => this.actions.edit(id, line.querySelector('.text').textContent));
    offer('discard', () => this.actions.discard(id));
    line.querySelector('.bubble').append(failure);
  }
}

/** Show the name once for what one person says in one breath. */
function group(line) {
  if (!line) return;
  const previous = line.previousElementSibling;
  const passed = previous ? timeOf(line) - timeOf(previous) : Infinity;
  line.classList.toggle('follows', previous?.dataset.name === line.dataset.name && passed < SAME_BREATH);
}

function timeOf(line) {
  return Date.parse(line.querySelector('time').dateTime);
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
