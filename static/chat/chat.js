'use strict';

/* The page of one room: what the socket says, and what is shown of it. */

{
  const CLOSE = { method: 'POST', body: '1' }; // Engine.IO's packet of this name
  const ASK_AGAIN_MS = 1000;
  const REFUSED_AGAIN_MS = 2000; // a browser may be quicker than the cookie of a login in another tab
  const BANNED = 'Banned.'; // the server's word to whom it will not let in after a reload either
  const root = document.getElementById('chat');
  const element = (id) => document.getElementById(id);
  let { visitor, name: ownName } = root.dataset;
  let greeted = false; // on this connection
  let asking = false; // whether the server means its refusal

  const composer = new Composer(element('composer'), say);
  const log = new MessageLog(root, { again, edit, discard });
  const history = new MessageHistory(log, new Edge(root), root.dataset.history, claim);
  const outbox = new Outbox(root.dataset.room, visitor, showEntry);
  const socket = io(root.dataset.namespace, { autoConnect: false });
  const sender = new Sender(socket, outbox, settle);
  const people = new People(element('people'));
  const typing = new Typing(element('typing'), composer.input, () => socket.volatile.emit('typing', {}));

  socket.on('connect', handleConnect);
  socket.on('disconnect', handleDisconnect);
  socket.on('connect_error', handleConnectError);
  socket.on('welcome', handleWelcome);
  socket.on('new chat', (message) => history.receive(message));
  socket.on('chat deleted', ({ seq }) => history.remove(seq));
  socket.on('presence', (presence) => people.show(presence, ownName));
  socket.on('typing', ({ names }) => typing.show(names, ownName));
  socket.on('history gap', ({ from, to }) => history.miss(from, to));
  socket.on('chat error', ({ message }) => showNotice(message));
  socket.on('session ended', ({ message }) => refuse(message));

  element('reload').addEventListener('click', () => location.reload());
  element('rooms').addEventListener('submit', goToRoom);
  closeMenus(root.querySelectorAll('details'));
  // On a phone the focus would open the keyboard over the messages.
  if (matchMedia('(hover: hover)').matches) composer.input.focus();
  for (const entry of outbox.list()) log.hold(entry);
  socket.connect();

  /** Returns whether the outbox has room for it. */
  function say(text) {
    const entry = outbox.add(text);
    showNotice(entry ? '' : element('composer').dataset.full);
    if (!entry) return false;
    log.hold(entry);
    log.goToEnd();
    sender.run();
    return true;
  }

  function again(id) {
    outbox.refuse(id, undefined);
    log.hold(outbox.entries.get(id));
    composer.input.focus();
    sender.run();
  }

  function edit(id, text) {
    discard(id);
    composer.edit(text);
  }

  function discard(id) {
    outbox.remove(id);
    log.forget(id);
    composer.input.focus();
  }

  /** Show what another tab has done. */
  function showEntry(id) {
    const entry = outbox.entries.get(id);
    if (!entry) return log.forget(id);
    log.hold(entry);
    if (outbox.elsewhere.has(id)) sender.stepInFor(id);
  }

  function settle(id, answer) {
    if (answer.ok) {
      outbox.remove(id);
      history.settle(id, answer);
    } else if (outbox.entries.has(id)) {
      outbox.refuse(id, answer.message);
      log.hold(outbox.entries.get(id));
    }
  }

  /** Returns whether a message is one's own; then it waits no more. */
  function claim({ id, name }) {
    const waited = outbox.entries.has(id);
    outbox.remove(id);
    return waited || String(name) === ownName;
  }

  function handleConnect() {
    greeted = false;
    showState('connected');
  }

  async function handleWelcome({ name, head }) {
    const known = String(name) === ownName;
    showName(String(name));
    if (!greeted) history.welcome(head, socket.recovered);
    greeted = true;
    if (!known) {
      sender.stop();
      await identify();
    }
    if (socket.connected && greeted) sender.start();
  }

  /** Under another name the visitor may be another one, who must not send what is not theirs: only a page tells. */
  async function identify() {
    let found;
    while (!(found = await visitorOfServer()) && socket.connected) await after(ASK_AGAIN_MS);
    if (!found || found === visitor) return;
    visitor = found;
    for (const { id } of outbox.list()) log.forget(id);
    outbox.open(visitor);
    for (const entry of outbox.list()) log.hold(entry);
  }

  async function visitorOfServer() {
    try {
      const response = await fetch(location.pathname, { signal: AbortSignal.timeout(FETCH_MS) });
      const page = new DOMParser().parseFromString(await response.text(), 'text/html');
      return page.getElementById('chat').dataset.visitor;
    } catch {
      return null;
    }
  }

  function handleDisconnect() {
    sender.stop();
    people.clear();
    typing.show([]);
    if (element('status').dataset.state === 'refused') return;
    if (socket.active) showState('offline');
    else refuse();
  }

  async function handleConnectError(error) {
    if (!socket.active) return refuse(error.message);
    showState('offline');
    if (asking) return;
    asking = true;
    let refusal = await refusalOfServer();
    if (refusal) {
      await after(REFUSED_AGAIN_MS);
      refusal = socket.connected ? null : await refusalOfServer();
    }
    asking = false;
    if (refusal && !socket.connected) refuse(refusal);
  }

  function after(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
  }

  /** Show that the server wants no more of this page, and why; only a reload gets a new login session. */
  function refuse(message) {
    if (element('status').dataset.state === 'refused') return;
    element('refusal').textContent = message || element('refused').dataset.unknown;
    element('advice').textContent = element('advice').dataset[message === BANNED ? 'banned' : 'reload'];
    element('refused').hidden = false;
    showState('refused');
    showName('');
    composer.close();
    sender.stop();
    history.stop();
    const { lost } = element('composer').dataset;
    for (const entry of outbox.list()) log.hold({ ...entry, refusal: entry.refusal ?? lost });
    socket.disconnect();
  }

  function showState(state) {
    const status = element('status');
    if (status.dataset.state === state) return;
    root.dataset.state = status.dataset.state = state;
    status.textContent = status.dataset[state];
  }

  function showName(name) {
    ownName = name;
    element('name').textContent = name;
    element('name').parentElement.hidden = !name;
  }

  function showNotice(message) {
    element('notice').textContent = message ?? '';
    element('notice').hidden = !message;
  }

  function goToRoom(event) {
    event.preventDefault();
    const slug = element('slug').value.trim().toLowerCase().replace(/[\s_]+/g, '-');
    if (/^[a-z0-9-]{1,50}$/.test(slug)) location.assign(`${event.target.dataset.url}${slug}/`);
    else complain(element('slug'));
  }

  function complain(input) {
    input.setCustomValidity(input.dataset.wrong);
    input.reportValidity();
    input.addEventListener('input', () => input.setCustomValidity(''), { once: true });
  }

  /**
   * The server's own words, when it refuses this login session: a browser tells no page why a WebSocket was denied,
   * but a polling handshake has the reason. One that succeeds is closed at once.
   */
  async function refusalOfServer() {
    const url = '/socket.io/?EIO=4&transport=polling';
    try {
      const response = await fetch(url);
      // With Retry-After it is only so at the moment: the socket goes on trying.
      if (response.status === 403 && !response.headers.has('Retry-After')) return (await response.json()).message;
      if (response.ok) await fetch(`${url}&sid=${JSON.parse((await response.text()).slice(1)).sid}`, CLOSE);
    } catch {
      // There is no server, or something else in its place: only time helps.
    }
    return null;
  }
}
