'use strict';

/* The page of one room: what the socket says, and what is shown of it. */

{
  const CLOSE = { method: 'POST', body: '1' }; // Engine.IO's packet of this name
  const root = document.getElementById('chat');
  const element = (id) => document.getElementById(id);
  const unanswered = new Set(); // ids of messages
  let ownName = null;

  const composer = new Composer(element('composer'), hold);
  const log = new MessageLog(root, { again: send, edit: (text) => composer.edit(text) });
  const socket = io(root.dataset.namespace);

  socket.on('connect', () => showState('connected'));
  socket.on('disconnect', handleDisconnect);
  socket.on('connect_error', handleConnectError);
  socket.on('welcome', ({ name }) => showName(String(name)));
  socket.on('new chat', (message) => log.receive(message, String(message.name) === ownName));
  socket.on('chat error', ({ message }) => showNotice(message));
  socket.on('session ended', ({ message }) => refuse(message));

  element('reload').addEventListener('click', () => location.reload());
  element('rooms').addEventListener('submit', goToRoom);
  // On a phone the focus would open the keyboard over the messages.
  if (matchMedia('(hover: hover)').matches) composer.input.focus();

  function hold(text) {
    const id = newId();
    log.hold(id, text);
    send(id, text);
  }

  function send(id, text) {
    showNotice('');
    unanswered.add(id);
    socket.emit('send chat', { msg: text, id }, (answer) => {
      unanswered.delete(id);
      if (answer?.ok) log.settle(id, answer);
      else log.fail(id, answer?.message);
    });
  }

  // All that waits has left the page: what is written from now on waits in the socket, for the next connection.
  function handleDisconnect() {
    giveUp();
    if (element('status').dataset.state === 'refused') return;
    if (socket.active) showState('offline');
    else refuse();
  }

  async function handleConnectError(error) {
    if (!socket.active) return refuse(error.message);
    showState('offline');
    const refusal = await refusalOfServer();
    if (refusal && !socket.connected) refuse(refusal);
  }

  function giveUp() {
    for (const id of unanswered) log.fail(id, element('composer').dataset.lost);
    unanswered.clear();
  }

  /** Show that the server wants no more of this page, and why; only a reload gets a new login session. */
  function refuse(message) {
    if (element('status').dataset.state === 'refused') return;
    element('refusal').textContent = message || element('refused').dataset.unknown;
    element('refused').hidden = false;
    showState('refused');
    showName('');
    composer.close();
    giveUp();
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
      if (response.status === 403) return (await response.json()).message;
      if (response.ok) await fetch(`${url}&sid=${JSON.parse((await response.text()).slice(1)).sid}`, CLOSE);
    } catch {
      // There is no server, or something else in its place: only time helps.
    }
    return null;
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
}
