"""The contract suite: whatever the transport, the ASGI server and the channel layer, clients see the same."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pytest

from channels_socketio.protocol.packets import Packet, PacketType
from channels_socketio.tests.support.clients import WAYS, Client, Ended
from channels_socketio.tests.support.contract_site import MAX_PAYLOAD, ContractApp, login_session
from channels_socketio.tests.support.processes import Redis, servers
from channels_socketio.tests.support.raw_client import RawClient

numbers = itertools.count()


@dataclass(frozen=True)
class Ground:
    """One or two server processes: with the Redis layer those who hear a broadcast are on another one.

    With `spread` requests of clients that poll reach the other process as often as their own.
    """

    home: ContractApp
    away: ContractApp
    spread: bool


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server."""
    running = Redis(tmp_path_factory.mktemp("redis")).start()
    yield running
    running.stop()


GROUNDS = [
    f"{server} {layer}"
    for server, layers in {"daphne": ["memory", "redis"], "uvicorn": ["memory"], "serve": ["memory", "spread"]}.items()
    for layer in layers
    if server in servers("daphne", "uvicorn", "serve")
]


@pytest.fixture(scope="module", params=GROUNDS)
def ground(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """The servers; nothing in this module may leave an error in their logs."""
    folder = tmp_path_factory.mktemp("ground")
    server, layer = request.param.split()
    url = request.getfixturevalue("redis").url if layer != "memory" else None
    with ContractApp(folder, server, url) as home, ExitStack() as stack:
        away = home if url is None else stack.enter_context(ContractApp(folder, server, url))
        yield Ground(home, away, layer == "spread")
        assert home.errors() + away.errors() == []


@dataclass(frozen=True)
class EchoApp:
    """Opens clients that come by the way that is tested."""

    way: str
    ground: Ground
    stack: AsyncExitStack
    room: str  # a namespace that no other test uses

    async def open(self, away: bool = False, path: str = "/socket.io/", **kwargs: Any) -> Client:
        """Return a client that is in no namespace yet; `kwargs` are those of Raw."""
        ports = [self.ground.home.port, self.ground.away.port]
        mine, other = reversed(ports) if away else ports
        raw_client = RawClient(mine, path, other=other if self.ground.spread else None, **kwargs)
        await self.stack.enter_async_context(raw_client)
        return await Client(await WAYS[self.way](raw_client), self.room).open()

    async def client(self, *namespaces: str, **kwargs: Any) -> Client:
        """Return a client that is in the room of this test and in other namespaces."""
        client = await self.open(**kwargs)
        for namespace in (self.room, *namespaces):
            assert (await client.join(namespace)).type is PacketType.CONNECT
        return client


@pytest.fixture(params=list(WAYS))
async def echo_app(request: pytest.FixtureRequest, ground: Ground) -> AsyncIterator[EchoApp]:
    """The clients of one test; they are gone after it."""
    async with AsyncExitStack() as stack:
        yield EchoApp(request.param, ground, stack, f"/rooms/{next(numbers)}")


async def heard_last(client: Client) -> list[list[Any]]:
    """Return the events up to the one that says `over`; whoever says that has said everything before."""
    events = []
    while (event := await client.event()) != ["told", "over"]:
        events.append(event)
    return events


# Open


async def test_the_handshake_tells_the_options(echo_app: EchoApp) -> None:
    client = await echo_app.open()
    assert client.handshake.pop("sid") not in (await client.join()).data["sid"]
    assert client.handshake == {
        "upgrades": ["websocket"] if echo_app.way != "websocket" else [],
        "pingInterval": 25_000,
        "pingTimeout": 20_000,
        "maxPayload": MAX_PAYLOAD,
    }


# Events, acks, order

BINARY: list[list[Any]] = [
    [b"\x00\x01\xff"],
    [b""],
    [b"", b"", b"x"],
    [{"deep": [{"er": b"a"}, b"b"], "text": "é"}, [b"c"]],
    [b"x" * 50_000],
    [bytes([number]) * number for number in range(10)],
]
TEXT: list[list[Any]] = [
    [],
    [None],
    ["", "é€\U0001f600 \x1e \n"],
    [1, 2.5, True, [], {}, {"__proto__": 1}],
    ["x" * 50_000],
    [{"_placeholder": False, "num": 0}],
]


@pytest.mark.parametrize("args", TEXT + BINARY)
async def test_events_and_acks_carry_any_arguments(echo_app: EchoApp, args: list[Any]) -> None:
    client = await echo_app.client()
    assert await client.call("echo", *args) == args
    assert await client.event() == ["echoed", *args]


@pytest.mark.parametrize("args", [["yes", 1], [b"", {"a": b"b"}], []])
async def test_the_server_asks_and_gets_an_ack(echo_app: EchoApp, args: list[Any]) -> None:
    client = await echo_app.client()
    await client.send(Packet(PacketType.EVENT, echo_app.room, ["ask me", *args], 99))
    question = await client.receive()
    assert question.data == ["question", *args]
    answer = Packet(PacketType.ACK, echo_app.room, args, question.id)
    await client.send(answer, answer)  # the second is ignored
    assert await client.receive() == Packet(PacketType.ACK, echo_app.room, args, 99)
    assert await client.call("echo") == []


async def test_order_is_kept_both_ways(echo_app: EchoApp) -> None:
    client = await echo_app.client()
    await client.send(*(Packet(PacketType.EVENT, echo_app.room, ["echo", number, b"x"]) for number in range(100)))
    await client.emit("count", 100, 1000)
    events = [await client.event() for _ in range(1000)]
    assert [event[1] for event in events] == list(range(1000))


@pytest.mark.parametrize(
    ("event", "code"),
    [(["nonsense"], "unknown event"), (["count", "x", 1], "invalid"), (["count"], "invalid")],
)
async def test_a_wrong_event_is_refused_and_the_socket_stays(echo_app: EchoApp, event: list[Any], code: str) -> None:
    client = await echo_app.client()
    [answer] = await client.call(*event)
    assert (answer["ok"], answer["code"]) == (False, code)
    await client.emit(*event)
    assert (await client.event())[1]["code"] == code
    assert await client.call("echo", 1) == [1]


# Namespaces


async def test_namespaces_on_one_connection_do_not_mix(echo_app: EchoApp) -> None:
    names = [echo_app.room, "/", "/custom", f"{echo_app.room}-tea"]
    client, other = await echo_app.client(*names[1:]), await echo_app.client(*names[1:], away=True)
    assert len({*client.sids.values(), *other.sids.values()}) == 8
    for name in names:
        await other.emit("tell", None, [], name, namespace=name)
        while (event := await other.event(name))[0] == "left":  # a client of the test before, from a shared namespace
            pass
        assert event == ["told", name]
    for name in (echo_app.room, f"{echo_app.room}-tea"):
        assert await client.event(name) == ["told", name]
    for name in names:
        assert await client.call("echo", name, namespace=name) == [name]


@pytest.mark.parametrize(
    ("namespace", "auth", "error"),
    [
        ("/unknown", {}, {"message": "Invalid namespace"}),
        ("/rooms/", {}, {"message": "Invalid namespace"}),
        ("/constructor", {}, {"message": "Invalid namespace"}),
        ("/custom", {"refuse": "Nö."}, {"message": "Nö.", "data": {"code": "asked for"}}),
    ],
)
async def test_a_refused_namespace_says_why_and_leaves_the_others(
    echo_app: EchoApp, namespace: str, auth: dict[str, Any], error: dict[str, Any]
) -> None:
    client = await echo_app.client()
    assert await client.join(namespace, auth) == Packet(PacketType.CONNECT_ERROR, namespace, error)
    assert await client.call("echo", 1) == [1]
    assert (await client.join("/custom")).type is PacketType.CONNECT


async def test_a_namespace_is_left_and_joined_again(echo_app: EchoApp) -> None:
    client, witness = await echo_app.client("/custom"), await echo_app.client(away=True)
    first = client.id
    await client.send(Packet(PacketType.DISCONNECT, echo_app.room))
    assert await witness.event() == ["left", first, "client namespace disconnect"]
    assert await client.call("echo", 1, namespace="/custom") == [1]
    assert (await client.join()).data["sid"] != first
    assert await client.call("echo", 2) == [2]


async def test_the_server_puts_a_client_out_of_a_namespace(echo_app: EchoApp) -> None:
    client, witness = await echo_app.client("/custom"), await echo_app.client(away=True)
    await client.emit("put me out")
    assert await client.receive_first(lambda packet: packet.namespace == echo_app.room) == Packet(
        PacketType.DISCONNECT, echo_app.room
    )
    assert await witness.event() == ["left", client.id, "server namespace disconnect"]
    assert await client.call("echo", 1, namespace="/custom") == [1]


# Rooms and broadcasts


async def test_a_broadcast_reaches_everybody_but_those_who_are_skipped(echo_app: EchoApp) -> None:
    speaker, near, far = [await echo_app.client(away=away) for away in (False, False, True)]
    events: list[list[Any]] = [
        ["tell", None, [], 1, b"\x00"],
        ["tell", None, [speaker.id], 2],
        ["tell", None, [far.id, near.id], 3],
        ["tell", None, [], "over"],
    ]
    for event in events:
        await speaker.emit(*event)
    assert await heard_last(speaker) == [["told", 1, b"\x00"], ["told", 3]]
    assert await heard_last(near) == [["told", 1, b"\x00"], ["told", 2]]
    assert await heard_last(far) == [["told", 1, b"\x00"], ["told", 2]]


async def test_rooms_hear_what_is_meant_for_them(echo_app: EchoApp) -> None:
    speaker, red, blue = [await echo_app.client(away=away) for away in (False, True, True)]
    for client, rooms in ((red, ["red", "both"]), (blue, ["blue", "both"])):
        for room in rooms:
            assert await client.call("join", room) == [True]
    for event in (
        ["tell", "red", [], "red"],
        ["tell", "both", ["blue"], "not blue"],
        ["tell", "both", [], "both"],
        ["tell", "nobody", [], "nobody"],
        ["tell", None, ["both"], "speaker"],
    ):
        await speaker.emit(*event)
    await speaker.emit("tell", None, [], "over")
    assert await heard_last(speaker) == [["told", "speaker"]]
    assert await heard_last(red) == [["told", "red"], ["told", "not blue"], ["told", "both"]]
    assert await heard_last(blue) == [["told", "both"]]
    assert await red.call("leave", "red") == [True]
    await speaker.emit("tell", "red", [], "red")
    await speaker.emit("tell", None, [], "over")
    assert await heard_last(red) == []


async def test_broadcasts_of_one_arrive_in_order(echo_app: EchoApp) -> None:
    speaker, far = await echo_app.client(), await echo_app.client(away=True)
    events = [Packet(PacketType.EVENT, echo_app.room, ["tell", None, [], number]) for number in range(300)]
    await speaker.send(*events)
    assert [await far.event() for _ in range(300)] == [["told", number] for number in range(300)]


async def test_volatile_events_are_dropped_rather_than_kept_waiting(echo_app: EchoApp) -> None:
    """Over a WebSocket that reads on there is nothing to wait for; without a poll everything would wait."""
    client = await echo_app.client()
    await client.emit("count", 0, 10, 0, True)
    await client.emit("echo", "end")
    events = []
    while (event := await client.event()) != ["echoed", "end"]:
        events.append(event)
    assert events == ([] if echo_app.way == "polling" else [["number", number, ""] for number in range(10)])


# The end


@pytest.mark.parametrize(
    ("leave", "reason"),
    [
        (lambda client: client.way.close(), "transport close"),
        (lambda client: client.way.vanish(), "transport close"),
        (lambda client: client.way.send(["4abc"]), "parse error"),
        (lambda client: client.way.send(["x"]), "parse error"),
        (lambda client: client.way.send([b"unannounced"]), "parse error"),
        (lambda client: client.send(Packet(PacketType.CONNECT, client.namespace)), "parse error"),
        (lambda client: client.emit("hang up"), "forced server close"),
    ],
)
async def test_the_others_hear_why_somebody_left(
    echo_app: EchoApp, leave: Callable[[Client], Awaitable[None]], reason: str
) -> None:
    client, witness = await echo_app.client(), await echo_app.client(away=True)
    await leave(client)
    assert await witness.event() == ["left", client.id, reason]


async def test_before_the_server_hangs_up_everything_is_sent(echo_app: EchoApp) -> None:
    client = await echo_app.client()
    await client.emit("count", 0, 100)
    await client.emit("hang up")
    *numbers, last = [packet.data for packet in await client.end()]
    assert numbers == [["number", number, ""] for number in range(100)]
    assert last == ["last words"]


async def test_who_sends_too_much_at_once_is_stopped(echo_app: EchoApp) -> None:
    """Over polling the request is refused, and the session goes on (protocol.md section 2)."""
    client = await echo_app.client()
    await client.emit("echo", "x" * MAX_PAYLOAD)
    if echo_app.way == "polling":
        assert await client.call("echo", 1) == [1]
    else:
        assert await client.end() == []


async def test_who_does_not_answer_pings_is_closed(echo_app: EchoApp) -> None:
    witness = await echo_app.client(away=True)
    client = await echo_app.client(path="/fuzz/")
    assert await witness.event() == ["left", client.id, "ping timeout"]


async def test_who_answers_pings_stays(echo_app: EchoApp) -> None:
    client = await echo_app.client(path="/beating/")
    for _ in range(2):
        assert await client.way.receive() == "2"
        await client.way.send(["3"])
    assert await client.call("echo", 1) == [1]


async def test_who_joins_no_namespace_is_closed(echo_app: EchoApp) -> None:
    start = asyncio.get_running_loop().time()
    with suppress(Ended):  # before it has been opened, on a busy machine
        client = await echo_app.open(path="/brisk/")
        assert await client.end() == []
    assert asyncio.get_running_loop().time() - start > 0.4


# Login sessions


async def test_an_engine_id_is_worth_nothing_to_another_login_session(echo_app: EchoApp) -> None:
    owner = await echo_app.client(headers=[login_session("alice")])
    sid = owner.handshake["sid"]
    async with RawClient(echo_app.ground.home.port, headers=[login_session("mallory")]) as thief:
        answer = await thief.poll(sid)
        assert answer.status == (403 if echo_app.way == "polling" else 400)  # known to polling only before the upgrade
        assert (await thief.post(sid, "1")).status == answer.status
    assert await owner.call("echo", 1) == [1]
