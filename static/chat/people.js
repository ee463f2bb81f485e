'use strict';

/* The menus on top, who is in the room, and who is typing. */

/** Close an open menu when something else is clicked or focused, or Escape is pressed. */
function closeMenus(menus) {
  const close = (event) => {
    for (const menu of menus) if (!menu.contains(event.target)) menu.open = false;
  };
  addEventListener('pointerdown', close);
  addEventListener('focusin', close);
  for (const menu of menus) {
    menu.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || !menu.open) return;
      menu.open = false;
      menu.querySelector('summary').focus();
    });
  }
}

/** The number of people, and behind it their names. */
class People {
  #root;

  constructor(root) {
    this.#root = root;
  }

  show({ count, names }, ownName) {
    const { here, you, others } = this.#root.dataset;
    this.#root.querySelector('summary').textContent = `${count} ${here}`;
    const lines = names.map((name) => People.#line(name, name === ownName ? ` (${you})` : ''));
    if (count > names.length) lines.push(People.#line('', `+ ${count - names.length} ${others}`));
    this.#root.querySelector('ul').replaceChildren(...lines);
    this.#root.dataset.known = 'yes';
  }

  /** Say nothing: without a connection nobody knows. */
  clear() {
    delete this.#root.dataset.known;
    this.#root.open = false;
  }

  static #line(name, text) {
    const line = document.createElement('li');
    const isolated = document.createElement('bdi');
    isolated.textContent = name;
    line.append(isolated, text);
    return line;
  }
}

/** The line that says who is typing; it tells the server when this page's visitor is. */
class Typing {
  static #TELL_MS = 2000;
  static #FORGET_MS = 7000; // the server says it again before, while it is true
  #line;
  #tell;
  #toldAt = -Infinity;
  #timer;
  #list = new Intl.ListFormat(document.documentElement.lang);

  constructor(line, input, tell) {
    this.#line = line;
    this.#tell = tell;
    input.addEventListener('input', () => input.value.trim() && this.#type());
  }

  show(names, ownName) {
    const others = names.filter((name) => name !== ownName).map((name) => `\u2068${name}\u2069`);
    this.#line.textContent = this.#sentence(others);
    clearTimeout(this.#timer);
    if (others.length) this.#timer = setTimeout(() => this.show([]), Typing.#FORGET_MS);
  }

  #sentence(names) {
    const { one, several, many } = this.#line.dataset;
    if (!names.length) return '';
    if (names.length > 3) return many;
    return `${this.#list.format(names)} ${names.length === 1 ? one : several}`;
  }

  #type() {
    const now = performance.now();
    if (now - this.#toldAt < Typing.#TELL_MS) return;
    this.#toldAt = now;
    this.#tell();
  }
}
