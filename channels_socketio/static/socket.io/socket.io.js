// @ts-check
/** A Socket.IO 4 client over WebSocket, with the names, events and reasons of the official one. */
var io = (() => {
  'use strict';

  const [CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR] = [0, 1, 2, 3, 4];
  const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];

  /** Type, namespace, ack id, JSON. */
  const PACKET = /^([0-4])(?:(\/[^,]*)(?:,|$))?(\d*)(.+)?$/s;

  /** Whether the data fit, by packet type. */
  const VALID = [
    (data) => typeof data.sid === 'string',
    (data) => data === undefined,
    (data) => Array.isArray(data) && /number|string/.test(typeof data[0]) && !RESERVED.includes(data[0]),
    (data) => Array.isArray(data),
    (data) => typeof data.message === 'string',
  ];

  function encode(type, nsp, data, id) {
    return `4${type}${nsp === '/' ? '' : nsp + ','}${id ?? ''}${data === undefined ? '' : JSON.stringify(data)}`;
  }

  /** Throws when the text is no valid packet. */
  function decode(text) {
    const [, type, nsp = '/', id, json] = PACKET.exec(text);
    const data = json && JSON.parse(json);
    if (!VALID[type](data)) throw data;
    return { type: +type, nsp, id, data };
  }

  /** Listeners run in microtasks: what they do, or throw, cannot upset the code that calls them. */
  class Emitter {
    _listeners = [];

    on(event, listener, once = false) {
      this._listeners.push({ event, listener, once });
      return this;
    }

    once(event, listener) {
      return this.on(event, listener, true);
    }

    /** Without a listener: all of the event; without an event: all. */
    off(event, listener) {
      const other = (entry) => entry.event !== event || (listener && entry.listener !== listener);
      this._listeners = event === undefined ? [] : this._listeners.filter(other);
      return this;
    }

    _fire(event, ...args) {
      for (const { listener, once } of this._listeners.filter((entry) => entry.event === event)) {
        if (once) this.off(event, listener);
        queueMicrotask(() => listener.apply(this, args));
      }
    }
  }

  /** One WebSocket, kept alive, shared by its namespaces. */
  class Manager extends Emitter {
    nsps = new Map();
    /** `closed`, `opening`, `open` or `waiting` (to try again). */
    _state = 'closed';
    _attempts = 0;

    constructor(origin, opts) {
      super();
      this.opts = {
        path: '/socket.io',
        timeout: 20000,
        autoConnect: true,
        reconnection: true,
        reconnectionAttempts: Infinity,
        reconnectionDelay: 1000,
        reconnectionDelayMax: 5000,
        randomizationFactor: 0.5,
        ...opts,
      };
      this.uri = origin.replace('http', 'ws') + this.opts.path.replace(/\/?$/, '/?EIO=4&transport=websocket&');
    }

    socket(nsp, opts) {
      const socket = this.nsps.get(nsp) ?? new Socket(this, nsp, opts?.auth);
      this.nsps.set(nsp, socket);
      return this.opts.autoConnect ? socket.connect() : socket;
    }

    open() {
      if (this._state === 'closed') this._dial();
      return this;
    }

    _dial() {
      const ws = new WebSocket(this.uri + new URLSearchParams(this.opts.query));
      ws.onmessage = (message) => this._receive(message.data);
      ws.onerror = () => this._end('transport error');
      ws.onclose = () => this._end('transport close');
      this._ws = ws;
      this._state = 'opening';
      this._wait(this.opts.timeout, () => this._end('', 'timeout'));
    }

    /** One timer will do, as each state waits for one thing. */
    _wait(milliseconds, then) {
      clearTimeout(this._timer);
      this._timer = setTimeout(then, milliseconds);
    }

    _awaitPing() {
      this._wait(this._silence, () => this._end('ping timeout'));
    }

    _receive(frame) {
      try {
        this._handle(frame[0], frame.slice(1));
      } catch {
        this._end('parse error');
      }
    }

    _handle(type, data) {
      if (type === '0' && this._state === 'opening') {
        this._start(JSON.parse(data));
      } else if (type === '1' || this._state === 'opening') {
        this._end('transport close');
      } else if (type === '2') {
        this._ws.send('3');
        this._awaitPing();
      } else if (type === '4') {
        const packet = decode(data);
        this.nsps.get(packet.nsp)?._receive(packet);
      } else if (type !== '6') {
        throw type;
      }
    }

    _start({ pingInterval, pingTimeout }) {
      this._silence = pingInterval + pingTimeout;
      this._state = 'open';
      this._awaitPing();
      this._fire('open');
      for (const socket of this._active()) socket._join();
      if (this._attempts) this._fire('reconnect', this._attempts);
      this._attempts = 0;
    }

    _active() {
      return [...this.nsps.values()].filter((socket) => socket.active);
    }

    /** Ends the connection, for this reason; or, with this message, the attempt to get one. */
    _end(reason, message = 'websocket error') {
      const { _state: state, _attempts: attempts } = this;
      const error = new Error(message);
      this._hangUp();
      if (state === 'open') this._fire('close', reason);
      else this._fire('error', error);
      for (const socket of this._active()) {
        if (state === 'open') socket._leave(reason);
        else socket._fire('connect_error', error);
      }
      if (attempts) this._fire('reconnect_error', error);
      if (this.opts.reconnection && attempts < this.opts.reconnectionAttempts) this._retry(attempts);
      else if (attempts) this._fire('reconnect_failed');
    }

    _retry(attempts) {
      const { reconnectionDelay, reconnectionDelayMax, randomizationFactor } = this.opts;
      const delay = reconnectionDelay * 2 ** attempts * (1 + randomizationFactor * (2 * Math.random() - 1));
      this._state = 'waiting';
      this._wait(Math.min(delay, reconnectionDelayMax), () => {
        this._attempts = attempts + 1;
        this._fire('reconnect_attempt', this._attempts);
        queueMicrotask(() => this._state === 'waiting' && this._dial()); // unless a listener has disconnected
      });
    }

    _hangUp() {
      const ws = this._ws;
      clearTimeout(this._timer);
      this._state = 'closed';
      this._attempts = 0;
      if (ws) ws.onmessage = ws.onerror = ws.onclose = null;
      ws?.close();
    }
  }

  /** The page's end of one namespace. */
  class Socket extends Emitter {
    id = undefined;
    connected = false;
    recovered = false;
    /** Whether it is to be connected. */
    active = false;
    /** Packets emitted while offline. */
    _outbox = new Map();
    /** Events received before CONNECT. */
    _inbox = [];
    _acks = new Map();
    _count = 0;
    _flags = {};

    constructor(manager, nsp, auth) {
      super();
      this.io = manager;
      this.nsp = nsp;
      this.auth = auth;
    }

    /** The next emit is dropped when it cannot leave at once. */
    get volatile() {
      this._flags.volatile = true;
      return this;
    }

    /** The next emit's ack gets an error, or null, before the answer. */
    timeout(milliseconds) {
      this._flags.timeout = milliseconds;
      return this;
    }

    connect() {
      if (this.connected) return this;
      this.active = true;
      if (this.io._state === 'open') this._join();
      this.io.open();
      return this;
    }

    disconnect() {
      const { connected } = this;
      if (connected) this._send(DISCONNECT);
      this._quit();
      if (connected) this._leave('io client disconnect');
      return this;
    }

    /** A function as the last argument gets the ack. */
    emit(event, ...args) {
      const flags = this._flags;
      const id = this._count++;
      const callback = typeof args.at(-1) === 'function' && args.pop();
      this._flags = {};
      if (RESERVED.includes(event)) throw new Error(`"${event}" is a reserved event name`);
      const packet = encode(EVENT, this.nsp, [event, ...args], callback ? id : undefined);
      if (callback) this._expect(id, callback, flags);
      if (this.connected && !(flags.volatile && this.io._ws.bufferedAmount)) this.io._ws.send(packet);
      else if (!flags.volatile) this._outbox.set(id, packet);
      return this;
    }

    emitWithAck(event, ...args) {
      return new Promise((resolve, reject) => {
        this._flags = { timeout: undefined, ...this._flags };
        this.emit(event, ...args, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    }

    _expect(id, callback, flags) {
      const settle = 'timeout' in flags ? callback : (error, ...answer) => error || callback(...answer);
      const expire = () => this._settle(id, new Error('operation has timed out'));
      this._acks.set(id, { settle, timer: flags.timeout >= 0 && setTimeout(expire, flags.timeout) });
    }

    _settle(id, error, ...answer) {
      const ack = this._acks.get(id);
      this._acks.delete(id);
      this._outbox.delete(id);
      clearTimeout(ack?.timer);
      queueMicrotask(() => ack?.settle(error, ...answer));
    }

    _send(type, data, id) {
      this.io._ws.send(encode(type, this.nsp, data, id));
    }

    /** Sends CONNECT, once on each WebSocket: servers take a second one for an offence. */
    _join() {
      const ws = this.io._ws;
      const send = (auth) => {
        if (!this.active || this._joined === ws || this.io._ws !== ws) return;
        this._joined = ws;
        this._send(CONNECT, auth);
      };
      if (typeof this.auth === 'function') queueMicrotask(() => this.auth(send));
      else send(this.auth);
    }

    _receive({ type, id, data }) {
      if (!this.active) {
        this._joined = undefined;
        if (type === CONNECT) this._send(DISCONNECT); // the answer came too late
      } else if (type === CONNECT) {
        this._welcome(data);
      } else if (type === EVENT) {
        if (id) data.push(this._acknowledge(id));
        if (this.connected) this._fire(...data);
        else this._inbox.push(data);
      } else if (type === ACK) {
        this._settle(+id, null, ...data);
      } else {
        this._joined = undefined;
        this._quit();
        if (type === DISCONNECT) this._leave('io server disconnect');
        else this._fire('connect_error', Object.assign(new Error(data.message), { data: data.data }));
      }
    }

    _welcome({ sid }) {
      this.id = sid;
      this.connected = true;
      for (const data of this._inbox.splice(0)) this._fire(...data);
      for (const packet of this._outbox.values()) this.io._ws.send(packet);
      this._outbox.clear();
      this._fire('connect');
    }

    _acknowledge(id) {
      return (...answer) => {
        if (id && this.connected) this._send(ACK, answer, id);
        id = undefined; // once is enough
      };
    }

    /** Without any namespace that is to be connected the WebSocket closes. */
    _quit() {
      this.active = false;
      if (!this.io._active().length) this.io._hangUp();
    }

    _leave(reason) {
      this.connected = false;
      this.id = this._joined = undefined;
      this._fire('disconnect', reason);
      for (const id of this._acks.keys()) {
        if (!this._outbox.has(id)) this._settle(id, new Error('socket has been disconnected'));
      }
    }
  }

  const managers = new Map();

  /** Returns the socket of a namespace; `url` is [origin][namespace][?query]. */
  function connect(url, opts = {}) {
    if (typeof url !== 'string') return connect('', url ?? opts);
    const { origin, pathname, search } = new URL(url, location.origin);
    const [nsp, key] = [decodeURI(pathname), origin + opts.path];
    let manager = managers.get(key);
    if (opts.forceNew || !manager || manager.nsps.has(nsp)) manager = new Manager(origin, { query: search, ...opts });
    if (!opts.forceNew) managers.set(key, manager);
    return manager.socket(nsp, opts);
  }

  connect.connect = connect;
  return connect;
})();
