"""What the public test suites of both protocols ask for, of our conformance server under both ASGI servers."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.processes import Process, accepts_connections, free_port, servers, wait_until
from channels_socketio.tests.support.raw_client import RawClient, read, read_packet, read_to_end, upgraded

HANDSHAKE = {"pingInterval": 300, "pingTimeout": 700, "maxPayload": 1_000_000}


@pytest.fixture(scope="module", params=servers("daphne", "serve"))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The conformance server, started by its documented command: the ASGI server's name and the port."""
    port = free_port()
    command = [sys.executable, "-m", "channels_socketio.tests.conformance", f"127.0.0.1:{port}"]
    log = tmp_path_factory.mktemp("conformance") / "server.log"
    env = {"DJANGO_SETTINGS_MODULE": "channels_socketio.tests.settings"}
    process = Process([*command, "--server", request.param], log, env)
    process.start()
    wait_until(lambda: accepts_connections(port), f"the server listened: {process.output()}", 30)
    yield request.param, port
    process.kill()
    assert "Traceback" not in process.output()


@pytest.fixture
async def engine(server: tuple[str, int]) -> AsyncIterator[RawClient]:
    """Engine.IO alone."""
    async with RawClient(server[1], "/engine.io/") as raw_client:
        yield raw_client


@pytest.fixture
async def socketio(server: tuple[str, int]) -> AsyncIterator[RawClient]:
    """Socket.IO."""
    async with RawClient(server[1]) as raw_client:
        yield raw_client


@pytest.fixture(params=["/engine.io/", "/socket.io/"])
async def both(request: pytest.FixtureRequest, server: tuple[str, int]) -> AsyncIterator[RawClient]:
    """Each endpoint in turn, for the rules of Engine.IO."""
    async with RawClient(server[1], request.param) as raw_client:
        yield raw_client


async def joined(raw_client: RawClient, namespace: str = "") -> ClientConnection:
    """Return a WebSocket that is connected to the main namespace or to another."""
    socket = await raw_client.websocket()
    await read(socket)
    await socket.send(f"40{namespace}")
    assert str(await read_packet(socket)).startswith(f"40{namespace}")
    assert await read_packet(socket) == f'42{namespace}["auth",{{}}]'
    return socket


async def frames(socket: ClientConnection, count: int) -> list[str | bytes]:
    """Return the next frames that are no pings."""
    return [await read_packet(socket) for _ in range(count)]


# Engine.IO: handshake


async def test_polling_opens_with_the_handshake(both: RawClient) -> None:
    answer = await both.ask("GET")
    assert (answer.status, answer.text[0]) == (200, "0")
    assert " " not in answer.text
    handshake = json.loads(answer.text[1:])
    assert isinstance(handshake.pop("sid"), str)
    assert handshake == HANDSHAKE | {"upgrades": ["websocket"]}


async def test_a_websocket_opens_with_the_handshake(both: RawClient) -> None:
    packet = str(await read(await both.websocket()))
    handshake = json.loads(packet.removeprefix("0"))
    assert isinstance(handshake.pop("sid"), str)
    assert handshake == HANDSHAKE | {"upgrades": []}


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", {"EIO": None}, 5),
        ("GET", {"EIO": "abc"}, 5),
        ("GET", {"transport": None}, 0),
        ("GET", {"transport": "abc"}, 0),
        ("POST", {}, 2),
        ("PUT", {}, 2),
    ],
)
async def test_a_wrong_handshake_is_refused_by_polling(
    both: RawClient, method: str, query: dict[str, Any], code: int
) -> None:
    answer = await both.ask(method, **query)
    assert (answer.status, answer.code) == (400, code)


@pytest.mark.parametrize("query", [{"EIO": None}, {"EIO": "abc"}, {"transport": None}, {"transport": "abc"}])
async def test_a_wrong_handshake_is_refused_by_websocket(
    both: RawClient, server: tuple[str, int], query: dict[str, Any]
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await both.websocket(**query)
    assert refusal.value.response.status_code == (403 if server[0] == "daphne" else 400)  # Daphne can say nothing else


# Engine.IO: messages


@pytest.mark.parametrize("body", ["4one", "4one\x1e4two\x1e4three", "4one\x1ebAQIDBA==", "4", "b", "4é€\U0001f600"])
async def test_polling_carries_packets_both_ways(engine: RawClient, body: str) -> None:
    sid = await engine.open()
    assert (await engine.post(sid, body)).pair == (200, "ok")
    assert (await engine.poll(sid)).pair == (200, body)


@pytest.mark.parametrize("frame", ["4one", b"\x01\x02\x03\x04", "4", "4é€\U0001f600"])
async def test_a_websocket_carries_packets_both_ways(engine: RawClient, frame: str | bytes) -> None:
    socket = await engine.websocket()
    await read(socket)
    await socket.send(frame)
    assert await read(socket) == frame


async def test_what_is_no_packet_closes_the_polling_session(engine: RawClient) -> None:
    sid = await engine.open()
    assert (await engine.post(sid, "abc")).status == 400
    answer = await engine.poll(sid)
    assert (answer.status, answer.code) == (400, 1)


async def test_what_is_no_packet_closes_the_websocket(engine: RawClient) -> None:
    socket = await engine.websocket()
    await socket.send("abc")
    assert len(await read_to_end(socket)) == 1


async def test_two_polls_at_once_close_the_session(engine: RawClient) -> None:
    sid = await engine.open()
    first = await engine.start("GET", sid=sid)
    second = await engine.start("GET", sid=sid, t="burst")
    assert (await first.answer()).pair == (200, "1")
    assert (await second.answer()).status == 400
    assert (await engine.poll(sid)).status == 400


async def test_a_poll_that_is_given_up_closes_the_session(engine: RawClient) -> None:
    sid = await engine.open()
    (await engine.start("GET", sid=sid)).abort()
    assert (await engine.poll(sid)).status == 400
    assert (await engine.poll(sid)).code == 1


# Engine.IO: heartbeat


async def test_polling_is_pinged_again_and_again(both: RawClient) -> None:
    sid = await both.open()
    for _ in range(3):
        assert (await both.poll(sid)).pair == (200, "2")
        assert (await both.post(sid, "3")).pair == (200, "ok")


async def test_a_websocket_is_pinged_again_and_again(both: RawClient) -> None:
    socket = await both.websocket()
    await read(socket)
    for _ in range(3):
        assert await read(socket) == "2"
        await socket.send("3")


async def test_without_a_pong_the_session_ends_after_interval_and_timeout(both: RawClient) -> None:
    """The polling session is as old as the WebSocket, whose end shows that the time has passed."""
    sid = await both.open()
    start = asyncio.get_running_loop().time()
    socket = await both.websocket()
    assert (await read_to_end(socket, pong=False))[1:] == ["2"]
    assert asyncio.get_running_loop().time() - start >= 1
    answer = await both.poll(sid)
    assert (answer.status, answer.code) == (400, 1)


# Engine.IO: close


async def test_a_close_packet_ends_the_polling_session_and_its_poll(both: RawClient) -> None:
    sid = await both.open()
    poll = await both.start("GET", sid=sid)
    assert (await both.post(sid, "1")).pair == (200, "ok")
    assert (await poll.answer()).pair == (200, "6")
    assert (await both.poll(sid)).status == 400


async def test_a_close_packet_ends_the_websocket(both: RawClient) -> None:
    socket = await both.websocket()
    await read(socket)
    await socket.send("1")
    assert await read_to_end(socket) == []


# Engine.IO: upgrade


async def test_polling_upgrades_and_the_poll_behind_the_probe_ends(engine: RawClient) -> None:
    sid = await engine.open()
    socket = await engine.websocket(sid=sid)
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    assert (await engine.poll(sid)).pair == (200, "6")
    await socket.send("5")
    await socket.send("4one")
    assert await read(socket) == "4one"


@pytest.mark.parametrize("at_once", [False, True])
async def test_a_poll_after_the_upgrade_is_refused_and_changes_nothing(engine: RawClient, at_once: bool) -> None:
    """Also when probe and upgrade are sent without waiting."""
    sid = await engine.open()
    if at_once:
        socket = await engine.websocket(sid=sid)
        await socket.send("2probe")
        await socket.send("5")
    else:
        socket = await upgraded(engine, sid)
    answer = await engine.poll(sid)
    assert (answer.status, answer.code) == (400, 3)
    await socket.send("4one")
    assert await frames(socket, 1 + at_once) == ["3probe", "4one"][1 - at_once :]


async def test_a_second_websocket_after_the_upgrade_is_closed_and_changes_nothing(engine: RawClient) -> None:
    sid = await engine.open()
    socket = await upgraded(engine, sid)
    second = await engine.websocket(sid=sid)
    assert await read_to_end(second) == []
    await socket.send("4one")
    assert await read_packet(socket) == "4one"


# Socket.IO: connect


@pytest.mark.parametrize(
    ("packet", "answer", "auth"),
    [
        ("40", '40{"sid":"SID"}', '42["auth",{}]'),
        ('40{"token":"123"}', '40{"sid":"SID"}', '42["auth",{"token":"123"}]'),
        ("40/custom,", '40/custom,{"sid":"SID"}', '42/custom,["auth",{}]'),
        ("40/custom", '40/custom,{"sid":"SID"}', '42/custom,["auth",{}]'),
        ('40/custom,{"token":"é"}', '40/custom,{"sid":"SID"}', '42/custom,["auth",{"token":"é"}]'),
    ],
)
async def test_a_namespace_is_connected_and_gets_the_auth(
    socketio: RawClient, packet: str, answer: str, auth: str
) -> None:
    socket = await socketio.websocket()
    await read(socket)
    await socket.send(packet)
    first, second = await frames(socket, 2)
    assert re.sub('"sid":"[^"]{20}"', '"sid":"SID"', str(first)) == answer
    assert second == auth


async def test_an_unknown_namespace_is_refused_and_the_connection_stays(socketio: RawClient) -> None:
    socket = await socketio.websocket()
    await read(socket)
    await socket.send("40/random")
    assert await read_packet(socket) == '44/random,{"message":"Invalid namespace"}'
    await socket.send("40")
    assert str(await read_packet(socket)).startswith('40{"sid":')


@pytest.mark.parametrize("packet", ["4abc", "4", '42["message"]', "41", "43[]", "40[]", "40 ", b"attachment"])
async def test_what_is_no_connect_at_first_closes_the_connection(socketio: RawClient, packet: str | bytes) -> None:
    socket = await socketio.websocket()
    await read(socket)
    await socket.send(packet)
    assert await read_to_end(socket) == []


async def test_who_never_connects_is_closed_though_the_heart_beats(socketio: RawClient) -> None:
    start = asyncio.get_running_loop().time()
    assert len(await read_to_end(await socketio.websocket())) == 1
    assert asyncio.get_running_loop().time() - start >= 1.5


# Socket.IO: disconnect


async def test_leaving_the_main_namespace_leaves_the_transport_open(socketio: RawClient) -> None:
    socket = await joined(socketio)
    await socket.send("41")
    assert await read(socket) == "2"


async def test_leaving_a_namespace_leaves_the_others(socketio: RawClient) -> None:
    socket = await joined(socketio)
    await socket.send("40/custom")
    assert (await frames(socket, 2))[1] == '42/custom,["auth",{}]'
    await socket.send("41/custom")
    await socket.send('42["message","still here"]')
    assert await read_packet(socket) == '42["message-back","still here"]'


# Socket.IO: events and acks

TWO = '{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}'
BINARY = [b"\x01\x02\x03", b"\x04\x05\x06"]


@pytest.mark.parametrize("namespace", ["", "/custom,"])
@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (['42{}["message",1,"2",{"3":[true]}]'], ['42{}["message-back",1,"2",{"3":[true]}]']),
        (['42{}["message"]'], ['42{}["message-back"]']),
        (['42{}["message","é€😀"]'], ['42{}["message-back","é€😀"]']),
        ([f'452-{{}}["message",{TWO}]', *BINARY], [f'452-{{}}["message-back",{TWO}]', *BINARY]),
        (['42{}456["message-with-ack",1,"2",{"3":[false]}]'], ['43{}456[1,"2",{"3":[false]}]']),
        (['42{}0["message-with-ack"]'], ["43{}0[]"]),
        ([f'452-{{}}789["message-with-ack",{TWO}]', *BINARY], [f"462-{{}}789[{TWO}]", *BINARY]),
    ],
)
async def test_an_event_is_answered_to_the_letter(
    socketio: RawClient, namespace: str, sent: list[str | bytes], received: list[str | bytes]
) -> None:
    def fill(packets: list[str | bytes]) -> list[str | bytes]:
        return [packet.replace("{}", namespace, 1) if isinstance(packet, str) else packet for packet in packets]

    socket = await joined(socketio, namespace)
    for frame in fill(sent):
        await socket.send(frame)
    assert await frames(socket, len(received)) == fill(received)


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "42{}",
        '42abc["message-with-ack",1,"2",{"3":[false]}]',
        "42",
        "42[]",
        "42[{}]",
        '42["disconnect"]',
        '42["message"',
        '45["message"]',
        '4511-["message"]',
        '42/custom,["message"]',
        "40",
        '44{"message":"no"}',
        "47",
        b"unannounced",
    ],
)
async def test_an_invalid_packet_closes_the_connection(socketio: RawClient, packet: str | bytes) -> None:
    socket = await joined(socketio)
    await socket.send(packet)
    assert await read_to_end(socket) == []
