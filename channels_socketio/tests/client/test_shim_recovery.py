"""The client shim in a real browser: connection state recovery, with the official server and with this one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_socketio.tests.support.browser import BrowserTab, NodeServer, Page, Script, new_tab, running
from channels_socketio.tests.support.log_site import LogApp
from channels_socketio.tests.support.processes import wait_until

FIRST = '40{"sid":"x","pid":"p"}'


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """The Socket.IO server from npm, which keeps the state of lost connections."""
    folder = tmp_path_factory.mktemp("official")
    yield from running(lambda folder: NodeServer("socketio_server.cjs", folder, "recovery"), folder)


@pytest.fixture
def tab(page: Page, wire: NodeServer) -> Iterator[BrowserTab]:
    """A new page of the scripted server; the test fails when the page had an error."""
    yield from new_tab(page, wire.url)


@pytest.fixture
def script(wire: NodeServer, request: pytest.FixtureRequest) -> Script:
    """A script of the test's own, told from others by the path of the connection."""
    return Script(wire, f"/{abs(hash(request.node.nodeid))}")


@pytest.mark.parametrize(
    ("events", "payload"),
    [
        ([], '{"pid":"p"}'),
        (['42["a",{"b":1},"o1"]', '42["a","o2"]'], '{"pid":"p","offset":"o2"}'),
        (['42["a","o1"]', '42["a",{"b":"no"}]', '42["a",null]', '42["a",7]'], '{"pid":"p","offset":"o1"}'),
        (['42["a","o1"]', '427["a","no"]'], '{"pid":"p","offset":"o1"}'),
        (['451-["a",{"_placeholder":true,"num":0},"o1"]', {"hex": "00"}], '{"pid":"p","offset":"o1"}'),
    ],
    ids=["nothing came", "last one", "no string", "with an ack", "binary"],
)
def test_connect_says_who_one_was_and_what_has_come(
    tab: BrowserTab, script: Script, events: list[str], payload: str
) -> None:
    """The offset is the last argument of the newest event that ended with a string."""
    tab.run(
        """
      const socket = io({...fast, ...arg});
      await next(socket, 'connect');
      await next(socket, 'connect');
    """,
        script.options({"40": [FIRST, *events, "1"], f"40{payload}": [FIRST]}),
    )
    assert [frames[0] for frames in script.connections()] == ["40", f"40{payload}"]


def test_own_auth_comes_first(tab: BrowserTab, script: Script) -> None:
    """What the page says in `auth` is said, even under the names of recovery."""
    tab.run(
        """
      const socket = io({...fast, ...arg, auth: (callback) => callback({t: 1, pid: 'mine'})});
      await next(socket, 'connect');
      await next(socket, 'connect');
    """,
        script.options(
            {
                '40{"t":1,"pid":"mine"}': [FIRST, '42["a","o"]', "1"],
                '40{"pid":"mine","offset":"o","t":1}': [FIRST],
            }
        ),
    )
    assert len(script.connections()) == 2


def test_without_a_private_id_nothing_is_kept(tab: BrowserTab, script: Script) -> None:
    """A server that recovers nothing gets the same CONNECT again; what its events end with is no offset, also later."""
    got = tab.run(
        """
      let attempt = 0;
      const socket = io({...fast, ...arg, auth: (callback) => callback({attempt: ++attempt})});
      const recovered = [];
      for (let times = 0; times < 4; times++) {
        await next(socket, 'connect');
        recovered.push(socket.recovered);
      }
      return recovered;
    """,
        script.options(
            {
                '40{"attempt":1}': ['40{"sid":"x"}', '42["a","o"]', "1"],
                '40{"attempt":2}': ['40{"sid":"x"}', "1"],
                '40{"attempt":3}': [FIRST, "1"],
                '40{"pid":"p","attempt":4}': [FIRST],
            }
        ),
    )
    assert got == [False, False, False, True]


def test_what_was_missed_comes_before_the_answer(tab: BrowserTab, script: Script) -> None:
    """It is dispatched after it, counts as received then, and `recovered` tells listeners where they are."""
    missed = ['42["a",1,"o2"]', '42["a",2,"o3"]', FIRST, "1"]
    other = '40{"sid":"y","pid":"q"}'
    got = tab.run(
        """
      const socket = io({...fast, ...arg});
      const notes = [];
      socket.on('connect', () => notes.push(['connect', socket.recovered, socket.id]));
      socket.on('a', (value) => notes.push([value, socket.connected, socket.recovered]));
      for (let times = 0; times < 3; times++) await next(socket, 'connect');
      return notes;
    """,
        script.options(
            {
                "40": [FIRST, '42["a",0,"o1"]', "1"],
                '40{"pid":"p","offset":"o1"}': missed,
                '40{"pid":"p","offset":"o3"}': [other],
            }
        ),
    )
    assert got == [
        ["connect", False, "x"],
        [0, True, False],
        [1, True, True],
        [2, True, True],
        ["connect", True, "x"],
        ["connect", False, "y"],
    ]


def test_what_never_was_dispatched_does_not_count(tab: BrowserTab, script: Script) -> None:
    """A connection that is lost before the answer leaves the offset where it was."""
    tab.run(
        """
      const socket = io({...fast, ...arg});
      await next(socket, 'connect');
      await next(socket.io, 'close');
      await next(socket.io, 'close');
      await next(socket.io, 'open');
    """,
        script.options({"40": [FIRST, '42["a","o1"]', "1"], '40{"pid":"p","offset":"o1"}': ['42["a","o2"]', "1"]}),
    )
    wait_until(lambda: len(script.connections()) > 2 and script.connections()[2], "a third CONNECT had come")
    assert script.connections()[2][0] == '40{"pid":"p","offset":"o1"}'


LOSE_AND_RECOVER = """
  const options = {...fast, forceNew: true};
  const [socket, other] = [io('/', options), io('/', options)];
  await Promise.all([next(socket, 'connect'), next(other, 'connect')]);
  const {id} = socket;
  const entries = note(socket, 'entry');
  other.emit('write', 'one');
  while (entries.length < 1) await next(socket, 'entry');
  socket.io._ws.close();
  await next(socket, 'disconnect');
  other.emit('write', 'two');
  while ((await next(other, 'entry'))[0] !== 'two');
  await next(socket, 'connect');
  other.emit('write', 'three');
  while (entries.length < 3) await next(socket, 'entry');
  return [socket.recovered, socket.id === id, entries.map(([, text]) => text)];
"""


def test_the_official_server_recovers_the_connection(page: Page, official: NodeServer) -> None:
    """The same id, and each message once."""
    tab = BrowserTab(page, official.url)
    assert tab.run(LOSE_AND_RECOVER) == [True, True, ["one", "two", "three"]]
    tab.close()


def test_this_server_recovers_the_connection(page: Page, tmp_path: Path) -> None:
    """The same id, and each message once."""
    with LogApp(tmp_path) as log_app:
        tab = BrowserTab(page, log_app.url)
        assert tab.run(LOSE_AND_RECOVER) == [True, True, ["one", "two", "three"]]
        tab.close()
