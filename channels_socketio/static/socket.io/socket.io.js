// @ts-check
/** A Socket.IO 4 client over WebSocket, with the names, events and reasons of the official one. */
var io = (() => {
  'use strict';

  const [CONNECT, DISCONNECT, EVENT, ACK] = [0, 1, 2, 3];
  const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];

  /** Type, number of attachments, namespace, ack id, JSON. */
  const PACKET = /^(?:([0-4])|([56])(\d+)-)(?:(\/[^,]*)(?:,|$))?(\d*)(.+)?$/s;

  /** Whether the data fit, by packet type. */
  const VALID = [
    (data) => typeof data.sid === 'string',
    (data) => data === undefined,
    (data) => Array.isArray(data) && /number|string/.test(typeof data[0]) && !RESERVED.includes(data[0]),
    (data) => Array.isArray(data),
    (data) => typeof data.message === 'string',
  ];

  /** Returns the frames: text, then attachments. */
  function encode(type, nsp, data, id) {
    const attachments = [];
    const json = JSON.stringify(data, (key, value) => {
      if (!(value instanceof ArrayBuffer || ArrayBuffer.isView(value) || value instanceof Blob)) return value;
      return { _placeholder: true, num: attachments.push(value) - 1 };
    });
    const head = attachments.length ? `${type + 3}${attachments.length}-` : type;
    return [`4${head}${nsp === '/' ? '' : nsp + ','}${id ?? ''}${json ?? ''}`, ...attachments];
  }

  /** Returns nothing while attachments are due; throws at what is no packet. */
  function decode(text, ...attachments) {
    const [, plain, binary, count, nsp = '/', id, json] = PACKET.exec(text);
    if (attachments.length < +count) return;
    const revive = (key, value) => {
      if (!value?._placeholder) return value;
      if (value.num in attachments) return attachments[value.num];
      throw value;
    };
    const type = +(plain ?? +binary - 3);
    const data = json && JSON.parse(json, count && revive);
    if (!VALID[type](data)) throw data;
    return { type, nsp, id, data };
  }

  /** Listeners run in microtasks, so that what they do or throw upsets nothing here. */
  class Emitter {
    _listeners = [];

    on(event, listener, once = false) {
      this._listeners.push({ event, listener, once });
      return this;
    }

    once(event, listener) {
      return this.on(event, listener, true);
    }

    /** What is left out stands for all. */
    off(event, listener) {
      this._listeners = this._listeners.filter(
        (entry) => (event ?? entry.event) !== entry.event || (listener ?? entry.listener) !== entry.listener,
      );
      return this;
    }

    _fire(event, ...args) {
      for (const entry of this._listeners) {
        if (entry.event !== event) continue;
        if (entry.once) this.off(event, entry.listener);
        queueMicrotask(() => entry.listener.apply(this, args));
      }
    }
  }

  /** One WebSocket, kept alive, shared by its namespaces. */
  class Manager extends Emitter {
    nsps = new Map();
    /** `closed`, `opening`, `open` or `waiting`. */
    _state = 'closed';
    _attempts = 0;

    constructor(uri, opts) {
      super();
      this.uri = uri;
      this.opts = opts;
      addEventListener('offline', () => this._state === 'open' && this._end('transport close'));
    }

    open() {
      const { query, timeout = 20000 } = this.opts;
      const ws = new WebSocket(`${this.uri}?EIO=4&transport=websocket&${new URLSearchParams(query)}`);
      ws.binaryType = 'arraybuffer';
      ws.onmessage = (message) => this._receive(message.data);
      ws.onerror = () => this._end('transport error');
      ws.onclose = () => this._end('transport close');
      this._ws = ws;
      this._frames = [];
      this._state = 'opening';
      this._wait(timeout, () => this._end('', 'timeout'));
    }

    /** One timer will do, as each state waits for one thing. */
    _wait(ms, then) {
      clearTimeout(this._timer);
      this._timer = setTimeout(then, ms);
    }

    _awaitPing() {
      this._wait(this._silence, () => this._end('ping timeout'));
    }

    _send(frames) {
      for (const frame of frames) this._ws.send(frame);
    }

    _receive(frame) {
      try {
        if (typeof frame === 'string') this._handle(frame[0], frame.slice(1));
        else this._collect(frame);
      } catch {
        this._end('parse error');
      }
    }

    _collect(frame) {
      this._frames.push(frame);
      const packet = decode(...this._frames);
      if (!packet) return;
      this._frames = [];
      this.nsps.get(packet.nsp)?._receive(packet);
    }

    _handle(type, data) {
      if (type === '0' && this._state === 'opening') {
        this._start(JSON.parse(data));
      } else if (type === '1' || this._state === 'opening') {
        this._end('transport close');
      } else if (type === '2') {
        this._ws.send('3');
        this._awaitPing();
      } else if (type === '4' && !this._frames.length) {
        this._collect(data);
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

    /** Ends the connection (for this reason) or the attempt to get one (with this message). */
    _end(reason, message = 'websocket error') {
      const { _state: state, _attempts: attempts } = this;
      const { reconnection = true, reconnectionAttempts = Infinity } = this.opts;
      const error = new Error(message);
      this._hangUp();
      if (state === 'open') {
        this._fire('close', reason);
        for (const socket of this._active()) socket._leave(reason);
      } else {
        this._fire('error', error);
        for (const socket of this._active()) socket._fire('connect_error', error);
      }
      if (attempts) this._fire('reconnect_error', error);
      if (reconnection && attempts < reconnectionAttempts) this._retry(attempts);
      else if (attempts) this._fire('reconnect_failed');
    }

    _retry(attempts) {
      const { reconnectionDelay = 1000, reconnectionDelayMax = 5000, randomizationFactor = 0.5 } = this.opts;
      const jitter = 1 + randomizationFactor * (2 * Math.random() - 1);
      this._state = 'waiting';
      this._wait(Math.min(reconnectionDelay * 2 ** attempts * jitter, reconnectionDelayMax), () => {
        this._attempts = attempts + 1;
        this._fire('reconnect_attempt', this._attempts);
        queueMicrotask(() => this._state === 'waiting' && this.open()); // unless a listener has disconnected
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
    /** Whether it shall be connected. */
    active = false;
    /** What is emitted, and received, before CONNECT. */
    _outbox = new Map();
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
    timeout(ms) {
      this._flags.timeout = ms;
      return this;
    }

    connect() {
      if (this.connected) return this;
      this.active = true;
      if (this.io._state === 'open') this._join();
      else if (this.io._state === 'closed') this.io.open();
      return this;
    }

    disconnect() {
      if (this.connected) this._send(DISCONNECT);
      this._quit();
      if (this.connected) this._leave('io client disconnect');
      return this;
    }

    /** A function as the last argument gets the ack. */
    emit(event, ...args) {
      const { volatile, timeout } = this._flags;
      const id = this._count++;
      const callback = typeof args.at(-1) === 'function' && args.pop();
      this._flags = {};
      if (RESERVED.includes(event)) throw new Error(`"${event}" is a reserved event name`);
      const packet = encode(EVENT, this.nsp, [event, ...args], callback ? id : undefined);
      if (callback) this._expect(id, callback, timeout);
      if (this.connected && !(volatile && this.io._ws.bufferedAmount)) this.io._send(packet);
      else if (!volatile) this._outbox.set(id, packet);
      return this;
    }

    emitWithAck(event, ...args) {
      return new Promise((resolve, reject) => {
        this._flags.timeout ??= Infinity;
        this.emit(event, ...args, (error, answer) => (error ? reject(error) : resolve(answer)));
      });
    }

    _expect(id, callback, timeout) {
      const settle = timeout === undefined ? (error, ...answer) => error || callback(...answer) : callback;
      const expire = () => this._settle(id, new Error('operation has timed out'));
      this._acks.set(id, { settle, timer: timeout < Infinity && setTimeout(expire, timeout) });
    }

    _settle(id, error, ...answer) {
      const ack = this._acks.get(id);
      this._acks.delete(id);
      this._outbox.delete(id);
      clearTimeout(ack?.timer);
      queueMicrotask(() => ack?.settle(error, ...answer));
    }

    _send(type, data, id) {
      this.io._send(encode(type, this.nsp, data, id));
    }

    /** Sends CONNECT, but once: a second one offends servers. */
    _join() {
      const ws = this.io._ws;
      const send = (auth) => {
        if (!this.active || this._joined === ws || this.io._ws !== ws) return;
        this._joined = ws;
        this._send(CONNECT, this._pid ? { pid: this._pid, offset: this._offset, ...auth } : auth);
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
        this._inbox.push(data);
        if (this.connected) this._dispatch();
      } else if (type === ACK) {
        this._settle(+id, null, ...data);
      } else {
        this._joined = undefined;
        this._quit();
        if (type === DISCONNECT) this._leave('io server disconnect');
        else this._fire('connect_error', Object.assign(new Error(), data));
      }
    }

    /** The last string is the offset to recover from. */
    _dispatch() {
      for (const data of this._inbox) {
        this._fire(...data);
        if (this._pid && typeof data.at(-1) === 'string') this._offset = data.at(-1);
      }
      this._inbox = [];
    }

    _welcome({ sid, pid }) {
      this.id = sid;
      this.recovered = !!pid && pid === this._pid;
      this._pid = pid;
      this.connected = true;
      this._dispatch();
      for (const packet of this._outbox.values()) this.io._send(packet);
      this._outbox.clear();
      this._fire('connect');
    }

    _acknowledge(id) {
      return (...answer) => {
        if (id && this.connected) this._send(ACK, answer, id);
        id = undefined; // once is enough
      };
    }

    /** The last one closes the WebSocket. */
    _quit() {
      this.active = false;
      if (!this.io._active().length) this.io._hangUp();
    }

    _leave(reason) {
      this.connected = false;
      this.id = this._joined = undefined;
      this._inbox = [];
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
    const uri = origin.replace('http', 'ws') + (opts.path ?? '/socket.io').replace(/\/?$/, '/');
    const nsp = decodeURI(pathname);
    let manager = managers.get(uri);
    if (opts.forceNew || !manager || manager.nsps.has(nsp)) manager = new Manager(uri, { query: search, ...opts });
    if (!opts.forceNew) managers.set(uri, manager);
    const socket = new Socket(manager, nsp, opts.auth);
    manager.nsps.set(nsp, socket);
    return opts.autoConnect === false ? socket : socket.connect();
  }

  connect.connect = connect;
  return connect;
})();
