"""The client shim in a real browser: how connections end, and come back."""

from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.browser import BrowserTab, NodeServer, Page, new_tab
from channels_socketio.tests.support.processes import free_port


@pytest.fixture
def tab(page: Page, server: NodeServer) -> Iterator[BrowserTab]:
    """A new page of the Socket.IO server; the test fails when the page had an error."""
    yield from new_tab(page, server.url)


def test_the_client_disconnects(tab: BrowserTab) -> None:
    """For good, until the page connects again; a second namespace stays."""
    got = tab.run("""
      const [socket, other] = [io(fast), io('/custom')];
      await Promise.all([next(socket, 'connect'), next(other, 'connect')]);
      const first = socket.id;
      const gone = next(socket, 'disconnect');
      socket.disconnect().disconnect();
      const state = [...await gone, socket.connected, socket.active, socket.id, other.connected];
      const answer = await other.emitWithAck('message-with-ack', 'still there');
      await next(socket.connect(), 'connect');
      return [state, socket.id !== first, answer];
    """)
    assert got == [["io client disconnect", False, False, None, True], True, "still there"]
    assert len(tab.websockets) == 1


def test_the_last_namespace_closes_the_connection(tab: BrowserTab) -> None:
    """Nobody reconnects, and what waits for an answer is told."""
    got = tab.run("""
      const socket = io(fast);
      await next(socket, 'connect');
      const closed = new Promise((resolve) => socket.io._ws.addEventListener('close', resolve));
      const answer = socket.emitWithAck('silence').catch((error) => error.message);
      const gone = next(socket, 'disconnect');
      socket.disconnect();
      await closed;
      return [await gone, await answer];
    """)
    assert got == [["io client disconnect"], "socket has been disconnected"]
    assert len(tab.websockets) == 1


def test_the_server_disconnects(tab: BrowserTab) -> None:
    """The client does not come back by itself, but does when the page says so, even in that event."""
    got = tab.run("""
      const socket = io(fast);
      const notes = note(socket, 'connect', 'connect_error');
      socket.emit('kick');
      const [reason] = await next(socket, 'disconnect');
      const {active, connected} = socket;
      socket.connect();
      await next(socket, 'connect');
      return [reason, active, connected, notes];
    """)
    assert got == ["io server disconnect", False, False, [["connect"], ["connect"]]]


def test_a_lost_connection_comes_back(tab: BrowserTab) -> None:
    """All its namespaces do, with new ids."""
    got = tab.run("""
      const [socket, other] = [io(fast), io('/custom')];
      await Promise.all([next(socket, 'connect'), next(other, 'connect')]);
      const ids = [socket.id, other.id];
      const notes = note(socket.io, 'close', 'reconnect_attempt', 'open', 'reconnect');
      const gone = Promise.all([next(socket, 'disconnect'), next(other, 'disconnect')]);
      socket.emit('drop');
      const [[reason], [otherReason]] = await gone;
      const {active, connected, id} = socket;
      await Promise.all([next(socket, 'connect'), next(other, 'connect')]);
      return [reason, otherReason, active, connected, id, ids.includes(socket.id), notes];
    """)
    notes = [["close", "transport close"], ["reconnect_attempt", 1], ["open"], ["reconnect", 1]]
    assert got == ["transport close", "transport close", True, False, None, False, notes]
    assert len(tab.websockets) == 2


def test_a_browser_that_goes_offline_is_believed(tab: BrowserTab) -> None:
    """The connection ends at once, not when pings stay away; whoever waits already is not disturbed."""
    got = tab.run("""
      const socket = io({...fast, reconnectionDelay: 200});
      await next(socket, 'connect');
      const notes = note(socket.io, 'close', 'error', 'reconnect_attempt', 'reconnect');
      const gone = next(socket, 'disconnect');
      dispatchEvent(new Event('offline'));
      const [reason] = await gone;
      dispatchEvent(new Event('offline'));
      await next(socket, 'connect');
      return [reason, notes];
    """)
    assert got == ["transport close", [["close", "transport close"], ["reconnect_attempt", 1], ["reconnect", 1]]]


def test_after_a_connection_attempts_are_counted_anew(tab: BrowserTab) -> None:
    """A connection that was lost once does not wait longer the second time."""
    notes = tab.run("""
      const socket = io(fast);
      const notes = note(socket.io, 'reconnect_attempt', 'reconnect');
      await next(socket, 'connect');
      for (const again of [1, 2]) {
        socket.emit('drop');
        await next(socket, 'connect');
      }
      return notes;
    """)
    assert notes == [["reconnect_attempt", 1], ["reconnect", 1]] * 2


def test_acks_that_a_disconnect_cuts_off(tab: BrowserTab) -> None:
    """Promises and timed callbacks fail, plain callbacks are dropped, what was not sent yet is sent later."""
    got = tab.run("""
      const socket = io({...fast, reconnectionDelay: 500});
      await next(socket, 'connect');
      const called = [];
      socket.emit('silence', () => called.push('plain'));
      const promise = socket.emitWithAck('silence').catch((error) => error.message);
      const timed = new Promise((resolve) => socket.timeout(60000).emit('silence', resolve));
      socket.emit('drop');
      await next(socket, 'disconnect');
      const later = socket.emitWithAck('message-with-ack', 'later');
      return [await promise, (await timed).message, await later, called];
    """)
    assert got == ["socket has been disconnected", "socket has been disconnected", "later", []]


def test_a_restarted_server_is_found_again(tab: BrowserTab, server: NodeServer) -> None:
    """Until then each attempt fails with an Error; what is said meanwhile arrives, once."""
    tab.run("""
      window.socket = io(fast);
      window.notes = note(socket, 'message-back');
      window.gone = next(socket, 'disconnect');
      await next(socket, 'connect');
    """)
    server.stop()
    try:
        failed = tab.run("""
          await gone;
          socket.emit('message', 'meanwhile');
          const [error] = await next(socket, 'connect_error');
          await next(socket.io, 'reconnect_error');
          return [error instanceof Error, error.message, socket.active];
        """)
    finally:
        server.start()
    assert failed == [True, "websocket error", True]
    notes = tab.run("""
      if (!socket.connected) await next(socket, 'connect');
      await socket.emitWithAck('message-with-ack');
      return notes;
    """)
    assert notes == [["message-back", "meanwhile"]]


def test_attempts_are_numbered_and_may_be_limited(tab: BrowserTab) -> None:
    """After the last one there is silence, until the page connects again."""
    got = tab.run(
        """
      const socket = io(arg, {...fast, reconnectionAttempts: 2});
      const notes = note(socket.io, 'reconnect_attempt', 'reconnect_failed');
      const errors = note(socket, 'connect_error');
      await next(socket.io, 'reconnect_failed');
      const first = notes.splice(0);
      socket.connect();
      await next(socket.io, 'reconnect_failed');
      return [first, notes, errors.length, socket.active];
    """,
        f"http://127.0.0.1:{free_port()}",
    )
    notes = [["reconnect_attempt", 1], ["reconnect_attempt", 2], ["reconnect_failed"]]
    assert got == [notes, notes, 6, True]


def test_reconnection_may_be_off(tab: BrowserTab) -> None:
    """A lost connection stays lost, and a failed attempt is the only one."""
    got = tab.run(
        """
      const socket = io({...fast, reconnection: false});
      await next(socket, 'connect');
      const timers = watchTimers();
      socket.emit('drop');
      const gone = await next(socket, 'disconnect');
      const failing = io(arg, {...fast, reconnection: false});
      const notes = note(failing.io, 'reconnect_failed');
      await next(failing, 'connect_error');
      return [gone, timers.size, notes];
    """,
        f"http://127.0.0.1:{free_port()}",
    )
    assert got == [["transport close"], 0, []]


def test_a_disconnected_client_waits_for_nothing(tab: BrowserTab) -> None:
    """No timer is left: not of the connection, not of acks, not of the next attempt, not even inside its event."""
    got = tab.run(
        """
      const timers = watchTimers();
      const socket = io({...fast, forceNew: true});
      await socket.timeout(60000).emitWithAck('message-with-ack');
      const sizes = [timers.size];
      socket.disconnect();
      sizes.push(timers.size);
      const waiting = io(arg, {...fast, forceNew: true});
      await next(waiting, 'connect_error');
      sizes.push(timers.size);
      waiting.disconnect();
      sizes.push(timers.size);
      const attempting = io(arg, {...fast, forceNew: true});
      attempting.io.on('reconnect_attempt', () => attempting.disconnect());
      await next(attempting.io, 'reconnect_attempt');
      await new Promise((resolve) => queueMicrotask(resolve));
      return [...sizes, timers.size];
    """,
        f"http://127.0.0.1:{free_port()}",
    )
    assert got == [1, 0, 1, 0, 0]


def test_auth_for_a_lost_connection_is_not_sent_on_the_next(tab: BrowserTab) -> None:
    """That one has asked for its own."""
    got = tab.run("""
      const [socket, callbacks] = [io(fast), []];
      const other = io('/custom', {auth: (callback) => callbacks.push(callback)});
      await next(socket, 'connect');
      socket.emit('drop');
      await next(socket, 'connect');
      callbacks.forEach((callback, number) => callback({number}));
      return await next(other, 'auth');
    """)
    assert got == [{"number": 1}]


def test_waiting_doubles_up_to_its_limit(tab: BrowserTab) -> None:
    """From 1 s to 5 s by default, each time half as much more or less."""
    delays = tab.run(
        """
      const {setTimeout} = window;
      const waits = async (options) => {
        const delays = [];
        // Notes how long the client means to wait, and does not wait: its other timer is the timeout of 20 s.
        window.setTimeout = (callback, delay) => {
          if (delay < 20000) delays.push(delay);
          return setTimeout(callback, delay < 20000 ? 1 : delay);
        };
        await next(io(arg, {reconnectionAttempts: 5, ...options}).io, 'reconnect_failed');
        window.setTimeout = setTimeout;
        return delays;
      };
      return [await waits({randomizationFactor: 0, forceNew: true}), await waits({forceNew: true})];
    """,
        f"http://127.0.0.1:{free_port()}",
    )
    assert delays[0] == [1000, 2000, 4000, 5000, 5000]
    assert delays[1] != delays[0]
    for delay, middle in zip(delays[1], [1000, 2000, 4000, 8000, 16000], strict=True):
        assert min(middle * 0.5, 5000) <= delay <= min(middle * 1.5, 5000)


def test_connecting_while_waiting_does_not_cut_the_waiting_short(tab: BrowserTab) -> None:
    """So that a page which calls `connect()` on every error does not hammer the server."""
    got = tab.run(
        """
      const socket = io(arg, {reconnectionDelay: 60000, reconnectionDelayMax: 60000});
      await next(socket, 'connect_error');
      socket.connect();
      return socket.io._state;
    """,
        f"http://127.0.0.1:{free_port()}",
    )
    assert got == "waiting"


def test_a_listener_that_throws_stops_nothing(page: Page, server: NodeServer) -> None:
    """Other listeners run, the connection comes back, and the browser reports what was thrown."""
    tab = BrowserTab(page, server.url)
    got = tab.run("""
      const socket = io(fast);
      socket.on('message-back', () => { throw new Error('my fault') });
      socket.on('disconnect', () => { throw new Error('my fault') });
      socket.emit('message', 1);
      const [value] = await next(socket, 'message-back');
      const {id} = socket;
      socket.emit('drop');
      await next(socket, 'connect');
      return [value, socket.id !== id];
    """)
    assert got == [1, True]
    tab.close()
    assert tab.errors == ["my fault", "my fault"]
