'use strict';

/* Messages of this visitor in this room that the server has not answered for: kept by the browser, so that a reload or
   a restart loses none.

   Each is an entry `{id, text, at, refusal?}` under a key of its own, named after room, visitor and id: two tabs never
   overwrite each other's list, and another visitor of the same browser neither sees nor sends what is not theirs. `at`
   is when it was written, in ms, and their order. Where a browser keeps nothing, entries live as long as the page. */

const OUTBOX = 'chat outbox';
const OUTBOX_ENTRIES = 100;
const OUTBOX_BYTES = 256 * 1024;
const OUTBOX_MS = 7 * 24 * 3600_000; // that an entry is kept for a visitor who does not come back

class Outbox {
  /** `changed(id)` tells of what another tab has done to an entry. */
  constructor(room, visitor, changed) {
    this.room = room;
    this.changed = changed;
    this.storage = storageOfBrowser();
    this.clean();
    this.open(visitor);
    addEventListener('storage', (event) => this.handleStorage(event));
  }

  /** Take up what this visitor has left. */
  open(visitor) {
    this.prefix = `${OUTBOX} ${this.room} ${visitor} `;
    this.entries = new Map();
    this.elsewhere = new Set(); // ids that another tab has taken in, which sends them
    for (const key of this.keys(this.prefix)) this.take(parsedEntry(this.storage.getItem(key)));
  }

  /** All entries, oldest first. */
  list() {
    return [...this.entries.values()].sort((one, other) => one.at - other.at || (one.id < other.id ? -1 : 1));
  }

  /** The entry that shall be sent next, if any. */
  next() {
    return this.list().find(({ id, refusal }) => refusal === undefined && !this.elsewhere.has(id));
  }

  /** Keep a text; returns its entry, or null when the outbox is full. */
  add(text, refusal) {
    const newest = Math.max(0, ...this.list().map(({ at }) => at));
    const entry = { id: newId(), text, at: Math.max(Date.now(), newest + 1), refusal };
    return this.hasRoomFor(entry) && this.keep(entry) ? entry : null;
  }

  /** Note why the server does not take an entry; without a reason it shall be sent again. */
  refuse(id, refusal) {
    const entry = this.entries.get(id);
    if (entry) this.keep({ ...entry, refusal });
  }

  remove(id) {
    this.elsewhere.delete(id);
    if (this.entries.delete(id)) this.storage?.removeItem(this.prefix + id);
  }

  hasRoomFor(entry) {
    const bytes = new TextEncoder().encode(JSON.stringify([...this.entries.values(), entry])).length;
    return this.entries.size < OUTBOX_ENTRIES && bytes <= OUTBOX_BYTES;
  }

  /** Returns false when the browser has no room. */
  keep(entry) {
    try {
      this.storage?.setItem(this.prefix + entry.id, JSON.stringify(entry));
    } catch {
      return false;
    }
    this.entries.set(entry.id, entry);
    return true;
  }

  take(entry) {
    if (entry) this.entries.set(entry.id, entry);
  }

  handleStorage({ key, newValue }) {
    if (!key?.startsWith(this.prefix)) return;
    const id = key.slice(this.prefix.length);
    if (newValue === null) {
      this.entries.delete(id);
    } else {
      if (!this.entries.has(id)) this.elsewhere.add(id);
      this.take(parsedEntry(newValue));
    }
    this.changed(id);
  }

  clean() {
    for (const key of this.keys(`${OUTBOX} `)) {
      const entry = parsedEntry(this.storage.getItem(key));
      if (!entry || entry.at < Date.now() - OUTBOX_MS) this.storage.removeItem(key);
    }
  }

  keys(prefix) {
    return Object.keys(this.storage ?? {}).filter((key) => key.startsWith(prefix));
  }
}

/** Returns null where the browser lets the page keep nothing. */
function storageOfBrowser() {
  try {
    localStorage.setItem(OUTBOX, '');
    localStorage.removeItem(OUTBOX);
    return localStorage;
  } catch {
    return null;
  }
}

/** Returns null for what is no entry: other scripts of the site may write there too. */
function parsedEntry(json) {
  try {
    const { id, text, at, refusal } = JSON.parse(json);
    return typeof id === 'string' && typeof text === 'string' && at > 0 ? { id, text, at, refusal } : null;
  } catch {
    return null;
  }
}

/** A version 4 UUID; crypto.randomUUID is there in secure contexts only, which plain http elsewhere is not. */
function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
