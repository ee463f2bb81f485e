'use strict';

/* Where a message is written: Enter sends, Shift+Enter starts a line, the counter shows when the limit is near. */

const NEAR_LIMIT = 200;

class Composer {
  /** `send(text)` gets trimmed text of 1 to `data-limit` characters and returns whether it has taken it. */
  constructor(form, send) {
    this.form = form;
    this.send = send;
    this.input = form.querySelector('textarea');
    this.counter = form.querySelector('.counter');
    form.addEventListener('submit', (event) => this.handleSubmit(event));
    this.input.addEventListener('keydown', (event) => this.handleKey(event));
    this.input.addEventListener('input', () => this.count());
    this.count();
  }

  /** Take a text back, before whatever has been written since. */
  edit(text) {
    this.input.value = [text, this.input.value].filter(Boolean).join('\n');
    this.count();
    this.input.focus();
  }

  /** Send nothing any more; what was being written can still be copied. */
  close() {
    this.input.readOnly = true;
    this.form.querySelector('button').disabled = true;
  }

  handleSubmit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    this.input.focus();
    if (this.input.readOnly || !text || this.left() < 0 || !this.send(text)) return;
    this.input.value = '';
    this.count();
  }

  handleKey(event) {
    // While an input method composes, Enter chooses a candidate.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  // Characters as the server counts them: code points of the trimmed text, so an emoji is one and not two.
  left() {
    return Number(this.form.dataset.limit) - [...this.input.value.trim()].length;
  }

  count() {
    const { left: leftWords, over: overWords } = this.form.dataset;
    const left = this.left();
    this.input.setAttribute('aria-invalid', String(left < 0));
    this.counter.hidden = left > NEAR_LIMIT;
    this.counter.textContent = left < 0 ? `${-left} ${overWords}` : `${left} ${leftWords}`;
  }
}
