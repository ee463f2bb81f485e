"""The client shim in a real browser: what exactly it sends, and how it takes what a server should not send."""

from collections.abc import Iterator
from typing import Any

import pytest

from channels_socketio.tests.support.browser import (
    WELCOME,
    BrowserTab,
    NodeServer,
    Page,
    Script,
    new_tab,
)


@pytest.fixture
def tab(page: Page, wire: NodeServer) -> Iterator[BrowserTab]:
    """A new page of that server; the test fails when the page had an error."""
    yield from new_tab(page, wire.url)


@pytest.fixture
def script(wire: NodeServer, request: pytest.FixtureRequest) -> Script:
    """A script of the test's own, told from others by the path of the connection."""
    return Script(wire, f"/{abs(hash(request.node.nodeid))}")


def test_packets_look_as_the_protocol_says(tab: BrowserTab, script: Script) -> None:
    """Compact JSON; neither the main namespace nor what is absent is written."""
    answers = {"40": [WELCOME], '40/a,{"t":"é"}': ['40/a,{"sid":"y"}', '42/a,17["ask","q"]']}
    tab.run(
        """
      const socket = io(arg);
      const other = io('/a', {...arg, auth: {t: 'é'}});
      other.on('ask', (text, acknowledge) => { acknowledge(1, text); acknowledge(2); });
      await Promise.all([next(socket, 'connect'), next(other, 'ask')]);
      socket.emit('e', {a: [null]});
      socket.emit('e', () => {});
      other.emit(5);
      other.disconnect();
    """,
        script.options(answers),
    )
    script.expect("40", '40/a,{"t":"é"}', '43/a,17[1,"q"]', '42["e",{"a":[null]}]', '421["e"]', "42/a,[5]", "41/a,")


def test_the_end_of_the_last_namespace_is_said_before_the_connection_closes(tab: BrowserTab, script: Script) -> None:
    """With a DISCONNECT packet."""
    tab.run("const socket = io(arg); await next(socket, 'connect'); socket.disconnect()", script.options())
    script.expect("40", "41", "closed")


def test_a_ping_is_answered(tab: BrowserTab, script: Script) -> None:
    """At once; a noop is not."""
    tab.run("await next(io(arg), 'connect')", script.options({"40": ["2", "6", WELCOME]}))
    script.expect("40", "3")


def test_silence_is_a_ping_timeout(tab: BrowserTab, script: Script) -> None:
    """Only a ping breaks it, and the connection is then closed from this side."""
    got = tab.run(
        "return await next(io({...arg, reconnectionDelay: 60000}), 'disconnect')",
        script.options(first='0{"pingInterval":30,"pingTimeout":20}'),
    )
    assert got == ["ping timeout"]
    script.expect("40", "closed")


def test_a_server_that_does_not_open_is_given_up(tab: BrowserTab, script: Script) -> None:
    """After `timeout`, as a failed attempt."""
    got = tab.run(
        """
      const [error] = await next(io({...arg, timeout: 20, reconnectionDelay: 60000}), 'connect_error');
      return [error instanceof Error, error.message];
    """,
        script.options(first="none"),
    )
    assert got == [True, "timeout"]
    script.expect("closed")


@pytest.mark.parametrize("frame", ["1", "2", "6", "40", "", "x", "0", "0null", "0{"])
def test_without_a_handshake_the_attempt_has_failed(tab: BrowserTab, script: Script, frame: str) -> None:
    """Whatever comes instead."""
    options = script.options(first=frame) | {"reconnectionDelay": 60000}
    assert tab.run("return (await next(io(arg), 'connect_error'))[0].message", options) == "websocket error"
    script.expect("closed")


BAD_PACKETS = {
    "no type": "4",
    "unknown type": "49",
    "unknown Engine.IO type": "9",
    "empty frame": "",
    "second handshake": '0{"pingInterval":1,"pingTimeout":1}',
    "event without data": "42",
    "event with bad JSON": '42["a"',
    "event that is no array": '42{"a":1}',
    "event that is text": '42"abc"',
    "event without a name": "42[]",
    "event with an object as its name": "42[{}]",
    "event with a reserved name": '42["disconnect"]',
    "event with attachments": '421-["a"]',
    "event with something before its data": '42a["a"]',
    "binary event without a count": '45["a"]',
    "binary event without a dash": '451["a"]',
    "text while an attachment is due": ['451-["a",{"_placeholder":true,"num":0}]', '42["a"]'],
    "an attachment that is not due": {"hex": "00"},
    "attachment out of range": ['451-["a",{"_placeholder":true,"num":1}]', {"hex": "00"}],
    "attachment without a number": ['451-["a",{"_placeholder":true}]', {"hex": "00"}],
    "ack without data": "431",
    "ack that is no array": '431{"a":1}',
    "ack that is text": '431"abc"',
    "connect without a sid": "40/a,{}",
    "connect without data": "40/a,",
    "disconnect with data": "41[]",
    "refusal without a message": "44/a,{}",
    "refusal without data": "44/a,",
}


@pytest.mark.parametrize("frame", BAD_PACKETS.values(), ids=BAD_PACKETS.keys())
def test_a_bad_packet_ends_the_connection(tab: BrowserTab, script: Script, frame: Any) -> None:
    """With the reason `parse error`; the client comes back later."""
    got = tab.run(
        """
      const socket = io({...arg, reconnectionDelay: 60000});
      const [reason] = await next(socket, 'disconnect');
      return [reason, socket.active];
    """,
        script.options({"40": [WELCOME, *(frame if isinstance(frame, list) else [frame])]}),
    )
    assert got == ["parse error", True]
    script.expect("40", "closed")


def test_binary_is_sent_as_attachments(tab: BrowserTab, script: Script) -> None:
    """In the order of their numbers, after the text that counts them."""
    answers = {"40": [WELCOME, '427["ask"]']}
    tab.run(
        """
      const socket = io(arg);
      const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3).buffer];
      const [acknowledge] = await next(socket, 'ask');
      acknowledge(b);
      socket.emit('e', {a, list: [b]}, () => {});
    """,
        script.options(answers),
    )
    placeholders = [f'{{"_placeholder":true,"num":{number}}}' for number in range(2)]
    event = f'452-0["e",{{"a":{placeholders[0]},"list":[{placeholders[1]}]}}]'
    script.expect("40", f"461-7[{placeholders[0]}]", {"hex": "03"}, event, {"hex": "0102"}, {"hex": "03"})


def test_attachments_are_put_in_their_places(tab: BrowserTab, script: Script) -> None:
    """By number; heartbeats may come in between; without attachments a placeholder is data like any other."""
    placeholders = [f'{{"_placeholder":true,"num":{number}}}' for number in range(2)]
    event = [f'452-["a",{placeholders[1]},{{"b":{placeholders[0]}}}]', {"hex": "01"}, "2", {"hex": "0203"}]
    plain = ['450-["a",1]', f'42["a",{placeholders[0]}]', '42["last"]']
    got = tab.run(
        """
      const socket = io(arg);
      const notes = note(socket, 'a');
      await next(socket, 'last');
      return show(notes);
    """,
        script.options({"40": [WELCOME, *event, *plain]}),
    )
    first = ["a", {"bytes": [2, 3]}, {"b": {"bytes": [1]}}]
    assert got == [first, ["a", 1], ["a", {"_placeholder": True, "num": 0}]]
    script.expect("40", "3")


@pytest.mark.parametrize("frame", ['42/unknown,["a"]', "41/unknown", '40/unknown,{"sid":"y"}', "439[]", '42["a"]'])
def test_what_concerns_nobody_is_ignored(tab: BrowserTab, script: Script, frame: str) -> None:
    """Namespaces, acks and events that nobody has asked for."""
    options = script.options({"40": [WELCOME, frame, '42["then"]']})
    assert tab.run("return await next(io(arg), 'then')", options) == []
    script.expect("40")


def test_the_server_closes(tab: BrowserTab, script: Script) -> None:
    """With a packet of Engine.IO: this is no DISCONNECT, the client comes back."""
    got = tab.run(
        """
      const socket = io({...arg, reconnectionDelay: 60000});
      return [...await next(socket, 'disconnect'), socket.active];
    """,
        script.options({"40": [WELCOME, "1"]}),
    )
    assert got == ["transport close", True]
    script.expect("40", "closed")


def test_events_before_connect_are_kept_until_then(tab: BrowserTab, script: Script) -> None:
    """Their listeners find the socket connected, and may answer."""
    got = tab.run(
        """
      const socket = io(arg);
      const notes = note(socket, 'early', 'connect');
      socket.on('early', (value, acknowledge) => acknowledge(socket.connected));
      await next(socket, 'connect');
      return notes.map((note) => note.slice(0, 2));
    """,
        script.options({"40": ['423["early",1]', WELCOME]}),
    )
    assert got == [["early", 1], ["connect"]]
    script.expect("40", "433[true]")


def test_events_before_connect_are_forgotten_with_the_connection(tab: BrowserTab, script: Script) -> None:
    """A server that can make up for lost events sends them again."""
    got = tab.run(
        """
      let attempt = 0;
      const socket = io({...fast, ...arg, auth: (callback) => callback({attempt: ++attempt})});
      const notes = note(socket, 'early');
      await next(socket, 'connect');
      return [attempt, notes];
    """,
        script.options({'40{"attempt":1}': ['42["early"]', "1"], '40{"attempt":2}': [WELCOME]}),
    )
    assert got == [2, []]


def test_what_was_emitted_before_connect_outlives_the_connection(tab: BrowserTab, script: Script) -> None:
    """It has not been sent yet, so its ack may still come."""
    answers = {'40{"attempt":1}': ["1"], '40{"attempt":2}': [WELCOME], '420["a"]': ["430[5]"]}
    got = tab.run(
        """
      let attempt = 0;
      const socket = io({...fast, ...arg, auth: (callback) => callback({attempt: ++attempt})});
      return [await socket.emitWithAck('a'), attempt];
    """,
        script.options(answers),
    )
    assert got == [5, 2]


def test_connect_is_sent_once(tab: BrowserTab, script: Script) -> None:
    """However often the page asks, and even if it changes its mind meanwhile: a second one would be an offence."""
    got = tab.run(
        """
      const socket = io(arg);
      await next(socket.io, 'open');
      socket.connect();
      const other = io('/b', arg);
      socket.disconnect().connect();
      await next(socket, 'connect');
      return [other.connected, socket.id];
    """,
        script.options({"40/b,": ['40/b,{"sid":"y"}', WELCOME]}),
    )
    assert got == [True, "x"]
    script.expect("40", "40/b,")


def test_a_namespace_left_before_the_answer_is_left(tab: BrowserTab, script: Script) -> None:
    """The server hears so when it has answered, and the page hears nothing; it may come back then."""
    notes = tab.run(
        """
      const socket = io(arg);
      const late = io('/late', arg);
      const notes = note(late, 'connect', 'disconnect', 'connect_error', 'a');
      await next(socket.io, 'open');
      late.disconnect();
      await next(socket, 'connect');
      late.connect();
      return notes;
    """,
        script.options({"40/late,": ['40/late,{"sid":"y"}', '42/late,["a"]', WELCOME]}),
    )
    assert notes == []
    script.expect("40", "40/late,", "41/late,", "40/late,")


def test_auth_that_comes_too_late_is_not_sent(tab: BrowserTab, script: Script) -> None:
    """Or twice."""
    tab.run(
        """
      const socket = io(arg);
      const callbacks = [];
      const other = io('/b', {...arg, auth: (callback) => callbacks.push(callback)});
      await next(socket, 'connect');
      other.disconnect();
      callbacks[0]({too: 'late'});
      other.connect();
      await new Promise(queueMicrotask);
      callbacks[1]({in: 'time'});
      callbacks[1]({a: 'second time'});
      socket.emit('last');
    """,
        script.options(),
    )
    script.expect("40", '40/b,{"in":"time"}', '42["last"]')


def test_an_answer_that_comes_too_late_is_not_sent(tab: BrowserTab, script: Script) -> None:
    """The server would not know the socket that gives it."""
    tab.run(
        """
      const [socket, other] = [io(arg), io('/b', arg)];
      const [acknowledge] = await next(other, 'question');
      await next(other, 'disconnect');
      acknowledge();
      other.connect();
      acknowledge();
      socket.emit('last');
    """,
        script.options({"40/b,": [WELCOME, '40/b,{"sid":"y"}', '42/b,7["question"]', "41/b"]}),
    )
    script.expect("40", "40/b,", "40/b,", '42["last"]')


def test_what_is_volatile_does_not_queue(tab: BrowserTab, script: Script) -> None:
    """It is dropped when something has not left yet."""
    tab.run(
        """
      const socket = io(arg);
      await next(socket, 'connect');
      socket.emit('a');
      socket.volatile.emit('b');
      socket.emit('c');
    """,
        script.options(),
    )
    script.expect("40", '42["a"]', '42["c"]')


@pytest.mark.parametrize("scheme", ["http:", "ws:", ""])
@pytest.mark.parametrize("slash", ["", "/"])
def test_urls(tab: BrowserTab, script: Script, scheme: str, slash: str) -> None:
    """An origin of another name, a namespace that is not ASCII, a path that ends in a slash."""
    options = script.options({"40/r\u00e9,": ['40/r\u00e9,{"sid":"x"}']})
    url = script.url.replace("http:", scheme).replace("127.0.0.1", "localhost") + "/r\u00e9"
    tab.run("await next(io(...arg), 'connect')", [url, options | {"path": script.path + slash}])
    script.expect("40/r\u00e9,")
