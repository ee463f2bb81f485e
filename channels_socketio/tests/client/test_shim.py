"""The client shim in a real browser: connecting, events, acks. See also the other files named after it."""

import gzip
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from channels_socketio.tests.support.browser import (
    BrowserTab,
    Error,
    NodeServer,
    Page,
    new_tab,
)
from channels_socketio.tests.support.processes import NODE_MODULES, ROOT, require_node

SHIM = ROOT / "channels_socketio/static/socket.io/socket.io.js"


@pytest.fixture
def tab(page: Page, server: NodeServer) -> Iterator[BrowserTab]:
    """A new page of the Socket.IO server; the test fails when the page had an error."""
    yield from new_tab(page, server.url)


def test_gzipped_it_stays_within_four_kibibytes() -> None:
    """The file as served, comments included."""
    assert len(gzip.compress(SHIM.read_bytes(), 9)) <= 4096


def test_its_types_are_sound() -> None:
    """The TypeScript compiler finds no fault in the script."""
    node = require_node()
    options = ["--noEmit", "--allowJs", "--checkJs", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"]
    compiler = str(NODE_MODULES / "typescript/bin/tsc")
    # In a folder without node_modules around it, so that Node's own types stay out of a browser's script.
    command = [node, compiler, *options, SHIM.name]
    done = subprocess.run(command, cwd=SHIM.parent, capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


def test_the_page_of_2015_still_works(tab: BrowserTab) -> None:
    """`io.connect()`, `emit`, `on`: what the old page's script uses."""
    got = tab.run("""
      var socket = io.connect();
      socket.emit('send chat', {msg: 'hello'});
      return await new Promise(function (resolve) {
        socket.on('new chat', function (data) { resolve([data.msg, this === socket]); });
      });
    """)
    assert got == ["7: hello", True]


def test_connecting_gives_an_id(tab: BrowserTab) -> None:
    """`connected`, `active`, `id` and `recovered` before and after the event `connect`."""
    got = tab.run("""
      const socket = io();
      const state = () => [socket.connected, socket.active, typeof socket.id, socket.recovered];
      const before = state();
      await next(socket, 'connect');
      return [before, state(), socket.nsp];
    """)
    assert got == [[False, True, "undefined", False], [True, True, "string", False], "/"]


def test_nothing_is_sent_without_auto_connect(tab: BrowserTab) -> None:
    """`autoConnect: false` waits for `connect()`."""
    assert tab.run("return io({autoConnect: false}).active") is False
    assert tab.websockets == []
    tab.run("await next(io({autoConnect: false}).connect(), 'connect')")
    assert len(tab.websockets) == 1


def test_namespaces_share_one_connection(tab: BrowserTab, server: NodeServer) -> None:
    """However the URL of the origin is written; `forceNew`, or a second socket of a namespace, gets its own."""
    got = tab.run(
        """
      const sockets = [io('/custom'), io(), io(arg.replace('http', 'ws') + '/refused')];
      await Promise.all([next(sockets[0], 'connect'), next(sockets[1], 'connect'), next(sockets[2], 'connect_error')]);
      return [sockets.map((socket) => socket.nsp), sockets[0].id === sockets[1].id, sockets[0].io === sockets[2].io];
    """,
        server.url,
    )
    assert got == [["/custom", "/", "/refused"], False, True]
    assert len(tab.websockets) == 1
    got = tab.run("""
      const sockets = [io('/custom', {forceNew: true}), io('/'), io('/'), io('/other')];
      await Promise.all(sockets.slice(0, 3).map((socket) => next(socket, 'connect')));
      const managers = sockets.map((socket) => socket.io);
      return [new Set(managers).size, managers[2] === managers[3]];
    """)
    assert got == [3, True]
    assert len(tab.websockets) == 4


@pytest.mark.parametrize(
    ("auth", "arrives"),
    [
        ("undefined", {}),
        ("{token: 'é', list: [1, null]}", {"token": "é", "list": [1, None]}),
        ("(callback) => callback({token: 1})", {"token": 1}),
        ("(callback) => setTimeout(callback, 1, {token: 2})", {"token": 2}),
    ],
)
@pytest.mark.parametrize("nsp", ["/", "/custom"])
def test_auth_reaches_the_server(tab: BrowserTab, nsp: str, auth: str, arrives: dict[str, Any]) -> None:
    """As an object, or as a function that passes it on, now or later."""
    assert tab.run(f"return await next(io(arg, {{auth: {auth}}}), 'auth')", nsp) == [arrives]


def test_auth_is_asked_for_each_connection(tab: BrowserTab) -> None:
    """And not when the page connects what is connected."""
    got = tab.run("""
      let calls = 0;
      const socket = io({...fast, auth: (callback) => callback({calls: ++calls})});
      await next(socket, 'connect');
      socket.connect();
      await socket.emitWithAck('message-with-ack');
      socket.emit('drop');
      return await next(socket, 'auth');
    """)
    assert got == [{"calls": 2}]


@pytest.mark.parametrize(
    ("nsp", "message", "data"),
    [("/refused", "Room is full.", {"code": "full"}), ("/unknown", "Invalid namespace", None)],
)
def test_a_refused_namespace_does_not_come_back(tab: BrowserTab, nsp: str, message: str, data: Any) -> None:
    """An Error brings the server's message and data; the page may try again; the other namespaces go on."""
    got = tab.run(
        """
      const socket = io();
      const refused = io(arg, fast);
      const [error] = await next(refused, 'connect_error');
      const {active, connected} = refused;
      const answer = await socket.emitWithAck('message-with-ack', 'on');
      await next(refused.connect(), 'connect_error');
      return [error instanceof Error, error.message, error.data, active, connected, answer];
    """,
        nsp,
    )
    assert got == [True, message, data, False, False, "on"]
    assert len(tab.websockets) == 1


def test_the_connection_closes_when_the_only_namespace_is_refused(tab: BrowserTab) -> None:
    """A page may try again by itself."""
    tab.run("""
      const refused = io('/refused', fast);
      await next(refused, 'connect_error');
      await next(refused.connect(), 'connect_error');
    """)
    assert len(tab.websockets) == 2


def test_arguments_arrive_as_they_were_sent(tab: BrowserTab) -> None:
    """Any JSON, any number of arguments, on any namespace."""
    arguments = [1, "é\u2028\n,", [1, [2]], {"a": {"b": None}}, None, True, "", []]
    for nsp in ["/", "/custom"]:
        got = tab.run(
            """
          const socket = io(arg[0]);
          socket.emit('message', ...arg[1]);
          return await next(socket, 'message-back');
        """,
            [nsp, arguments],
        )
        assert got == arguments


BINARY = """
  const bytes = new Uint8Array([0, 1, 2, 255]);
  const views = [bytes, bytes.buffer, bytes.subarray(1, 3), new DataView(bytes.buffer, 3)];
  const all = [...views, new Blob([bytes]), new Uint8Array()];
"""
ALL_BYTES = [[0, 1, 2, 255], [0, 1, 2, 255], [1, 2], [255], [0, 1, 2, 255], []]


@pytest.mark.parametrize("nsp", ["/", "/custom"])
def test_binary_arrives_as_array_buffers(tab: BrowserTab, nsp: str) -> None:
    """ArrayBuffers, views of them and Blobs, anywhere in the arguments, even when emitted offline."""
    got = tab.run(
        BINARY
        + """
      const socket = io(arg);
      socket.emit('message', {list: all.slice(0, 3), deep: {er: [all[3]]}}, 'text', all[4]);
      const offline = show(await next(socket, 'message-back'));
      socket.emit('message', all[5]);
      return [offline, show(await next(socket, 'message-back'))];
    """,
        nsp,
    )
    shown = [{"bytes": part} for part in ALL_BYTES]
    assert got == [[{"list": shown[:3], "deep": {"er": [shown[3]]}}, "text", shown[4]], [shown[5]]]


def test_binary_acks(tab: BrowserTab) -> None:
    """In both directions."""
    got = tab.run(
        BINARY
        + """
      const socket = io();
      const answer = await socket.emitWithAck('message-with-ack', {all});
      socket.on('question', (text, acknowledge) => acknowledge(all[2], text));
      socket.emit('ask');
      return show([answer, await next(socket, 'answered')]);
    """
    )
    assert got == [{"all": [{"bytes": part} for part in ALL_BYTES]}, [{"bytes": [1, 2]}, "why?"]]


def test_acks_from_the_server(tab: BrowserTab) -> None:
    """A callback, a promise (of the first argument), and a callback with an error first after `timeout()`."""
    got = tab.run("""
      const socket = io('/custom');
      const plain = new Promise((resolve) => socket.emit('message-with-ack', 1, 2, (...args) => resolve(args)));
      const promise = socket.emitWithAck('message-with-ack', 3, 4);
      const timed = new Promise((resolve) => {
        socket.timeout(5000).emit('message-with-ack', 5, (...args) => resolve(args));
      });
      const both = socket.timeout(5000).emitWithAck('message-with-ack', 6);
      return await Promise.all([plain, promise, timed, both]);
    """)
    assert got == [[1, 2], 3, [None, 5], 6]


def test_an_ack_that_does_not_come_in_time_is_an_error(tab: BrowserTab) -> None:
    """The time runs while offline, too, and what timed out there is not sent any more."""
    got = tab.run("""
      const socket = io({autoConnect: false});
      const late = await socket.timeout(10).emitWithAck('message', 'late').catch((error) => error.message);
      const notes = note(socket.connect(), 'message-back');
      const silent = await new Promise((resolve) => socket.timeout(10).emit('silence', resolve));
      await socket.emitWithAck('message-with-ack');
      return [late, silent instanceof Error, silent.message, notes];
    """)
    assert got == ["operation has timed out", True, "operation has timed out", []]


def test_a_timeout_without_an_ack_means_nothing(tab: BrowserTab) -> None:
    """The event is kept and sent all the same."""
    got = tab.run("""
      const socket = io({autoConnect: false});
      socket.timeout(1).emit('message', 'kept');
      await new Promise((resolve) => setTimeout(resolve, 5));
      return await next(socket.connect(), 'message-back');
    """)
    assert got == ["kept"]


def test_acks_to_the_server(tab: BrowserTab) -> None:
    """The last argument of an event that asks for one is a function."""
    got = tab.run("""
      const socket = io('/custom');
      socket.on('question', (text, acknowledge) => acknowledge(text, {why: 'not'}));
      socket.emit('ask');
      return await next(socket, 'answered');
    """)
    assert got == ["why?", {"why": "not"}]


def test_what_is_emitted_offline_is_sent_later_in_order(tab: BrowserTab) -> None:
    """All but what is volatile."""
    got = tab.run("""
      const socket = io();
      const notes = note(socket, 'message-back');
      socket.emit('message', 1);
      socket.volatile.emit('message', 'volatile');
      socket.emit('message', 2);
      await next(socket, 'connect');
      await socket.emitWithAck('message-with-ack');
      socket.volatile.emit('message', 3);
      await socket.emitWithAck('message-with-ack');
      return notes.map(([name, value]) => value);
    """)
    assert got == [1, 2, 3]


def test_listeners_come_and_go(tab: BrowserTab) -> None:
    """`once` hears one event; `off` removes one listener, those of an event, or all."""
    got = tab.run("""
      const socket = io();
      const heard = [];
      const hear = (name) => (value) => heard.push(name + value);
      const [a, b, c] = ['a', 'b', 'c'].map(hear);
      const say = (value) => {
        socket.emit('message', value);
        return socket.emitWithAck('message-with-ack');
      };
      socket.on('message-back', a).once('message-back', b).on('message-back', c).on('auth', hear('auth'));
      await say(1);
      await say(2);
      socket.off('message-back', a);
      await say(3);
      socket.once('message-back', b).off('message-back', b);
      await say(4);
      socket.off('message-back');
      await say(5);
      socket.on('message-back', a).on('other', a).off();
      await say(6);
      return heard.slice(1);
    """)
    assert got == ["a1", "b1", "c1", "a2", "c2", "c3", "c4"]


@pytest.mark.parametrize(
    "event", ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"]
)
def test_reserved_names_cannot_be_emitted(tab: BrowserTab, event: str) -> None:
    """They belong to the client itself."""
    with pytest.raises(Error, match=f'"{event}" is a reserved event name'):
        tab.run("io({autoConnect: false}).emit(arg)", event)
    with pytest.raises(Error, match="reserved event name"):
        tab.run("await io({autoConnect: false}).emitWithAck(arg)", event)


def test_the_query_reaches_the_server(tab: BrowserTab) -> None:
    """From the option or from the URL, beside the protocol's own."""
    for arguments in ["'/?token=a%20b'", "{query: {token: 'a b'}}"]:
        query = tab.run(f"return await io({arguments}).emitWithAck('query')")
        assert query == {"token": "a b", "EIO": "4", "transport": "websocket"}
