"""The change from polling to WebSocket on real servers: nothing lost, nothing twice, order kept, whatever races it."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import ClientConnection

from channels_socketio.tests.support.contract_site import ContractApp, assert_alive, assert_gone, joined
from channels_socketio.tests.support.raw_client import RawClient, read, read_packet, read_to_end, upgraded

BAD_REQUEST = (400, '{"code":3,"message":"Bad request"}')


@pytest.fixture
async def brisk(contract_app: ContractApp) -> AsyncIterator[RawClient]:
    """A visitor of the endpoint with short times."""
    async with RawClient(contract_app.port, "/brisk/") as visitor:
        yield visitor


@pytest.fixture
async def beating(contract_app: ContractApp) -> AsyncIterator[RawClient]:
    """A visitor of the endpoint that pings often."""
    async with RawClient(contract_app.port, "/beating/") as visitor:
        yield visitor


def told(packets: list[str]) -> list[int]:
    """Return the numbers in the events of a polling body or of frames."""
    return [json.loads(packet[2:])[1] for packet in packets if packet.startswith("42")]


async def assert_socket_alive(socket: ClientConnection) -> None:
    """Check that a WebSocket goes on as if nothing had been."""
    await socket.send('427["echo","alive"]')
    assert [await read_packet(socket), await read_packet(socket)] == ['42["echoed","alive"]', '437["alive"]']


# Streams


class Stream:
    """Somebody who tells everybody numbers, as fast as the answers come, until it is stopped."""

    def __init__(self, raw_client: RawClient) -> None:
        self.raw_client = raw_client
        self.sent = 0
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Begin."""
        socket = await self.raw_client.websocket()
        await read(socket)
        await socket.send("40")
        await read(socket)
        self._task = asyncio.create_task(self._run(socket))

    async def stop(self) -> int:
        """Stop and return how many were sent."""
        self._stopped = True
        assert self._task is not None
        await self._task
        return self.sent

    async def _run(self, socket: ClientConnection) -> None:
        while not self._stopped:
            await socket.send(f'42["tell",null,[],{self.sent}]')
            self.sent += 1
            assert str(await read_packet(socket)).startswith('42["told"')


async def upgrade_while_polling(raw_client: RawClient, sid: str, seen: list[int]) -> ClientConnection:
    """Upgrade like the official client: probe, poll until the answer, wait for the running poll to end, upgrade."""
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    answer = asyncio.create_task(socket.recv())
    while not answer.done():
        seen += told((await raw_client.poll(sid)).text.split("\x1e"))
    assert await answer == "3probe"
    await socket.send("5")
    return socket


@pytest.mark.parametrize("polls", [0, 1, 5])
async def test_what_streams_in_arrives_once_and_in_order(raw_client: RawClient, polls: int) -> None:
    stream, seen = Stream(raw_client), list[int]()
    sid = await joined(raw_client)
    await stream.start()
    for _ in range(polls):
        seen += told((await raw_client.poll(sid)).text.split("\x1e"))
    socket = await upgrade_while_polling(raw_client, sid, seen)
    while len(seen) < 50:
        seen += told([str(await read_packet(socket))])
    count = await stream.stop()
    while len(seen) < count:
        seen += told([str(await read_packet(socket))])
    assert seen == list(range(count))
    await assert_socket_alive(socket)


async def test_what_the_client_sends_around_the_upgrade_is_handled_once_and_in_order(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    socket = await raw_client.websocket(sid=sid)
    await raw_client.post(sid, '42["echo",0]')
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    await raw_client.post(sid, '42["echo",1]')
    await socket.send("5")
    await socket.send('42["echo",2]')
    assert told([str(await read_packet(socket)) for _ in range(3)]) == [0, 1, 2]


@pytest.mark.parametrize("wait", [False, True])
async def test_what_waits_for_a_poll_is_sent_on_the_websocket(raw_client: RawClient, wait: bool) -> None:
    """Text and bytes; also when probe and upgrade come without waiting for the answer."""
    sid = await joined(raw_client)
    await raw_client.post(
        sid, '42["echo",0]\x1e451-["echo",{"_placeholder":true,"num":0}]\x1ebAQID\x1e42["count",0,100]'
    )
    if wait:
        socket = await upgraded(raw_client, sid)
    else:
        socket = await raw_client.websocket(sid=sid)
        await socket.send("2probe")
        await socket.send("5")
        assert await read(socket) == "3probe"
    frames = [await read_packet(socket) for _ in range(103)]
    assert frames[:3] == ['42["echoed",0]', '451-["echoed",{"_placeholder":true,"num":0}]', b"\x01\x02\x03"]
    assert told([str(frame) for frame in frames[3:]]) == list(range(100))


# Polls beside the upgrade


async def test_a_held_poll_is_ended_by_the_probe(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    poll = await raw_client.start("GET", sid=sid)
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    assert (await poll.answer()).pair == (200, "6")
    assert await read(socket) == "3probe"
    assert (await raw_client.poll(sid)).pair == (200, "6")
    await socket.send("5")
    await assert_socket_alive(socket)


async def test_until_the_upgrade_polls_get_what_there_is(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    await assert_alive(raw_client, sid)
    await socket.send("5")
    await assert_socket_alive(socket)


@pytest.mark.parametrize("wait", [False, True])
async def test_polls_and_posts_behind_the_upgrade_are_refused_and_change_nothing(
    raw_client: RawClient, wait: bool
) -> None:
    sid = await joined(raw_client)
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    if wait:
        assert await read(socket) == "3probe"
    await socket.send("5")
    assert (await raw_client.poll(sid)).pair == BAD_REQUEST
    assert (await raw_client.post(sid, '42["echo"]')).pair == BAD_REQUEST
    if not wait:
        assert await read(socket) == "3probe"
    await assert_socket_alive(socket)


async def test_a_poll_that_an_upgrade_overtakes_is_refused(raw_client: RawClient) -> None:
    """Probe and upgrade come at once, so nothing has ended the poll between them."""
    sid = await joined(raw_client)
    poll = await raw_client.start("GET", sid=sid)
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    await socket.send("5")
    assert await read(socket) == "3probe"
    assert (await poll.answer()).pair == BAD_REQUEST
    await assert_socket_alive(socket)


# Candidates


async def test_there_is_one_candidate_at_a_time(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    first = await raw_client.websocket(sid=sid)
    await first.send("2probe")
    assert await read(first) == "3probe"
    assert await read_to_end(await raw_client.websocket(sid=sid)) == []
    await first.send("5")
    await assert_socket_alive(first)
    assert await read_to_end(await raw_client.websocket(sid=sid)) == []
    await assert_socket_alive(first)


@pytest.mark.parametrize(
    "frames",
    [
        ["5"],
        ["2"],
        ["2probes"],
        ["3probe"],
        ["40"],
        ["4hello"],
        ["1"],
        ["abc"],
        [b"2probe"],
        [""],
        ["2probe", "2probe"],
        ["2probe", "4hello"],
        ["2probe", "1"],
        ["2probe", b"5"],
        ["2probe", "55"],
    ],
)
async def test_a_candidate_that_says_something_else_is_closed_alone(
    raw_client: RawClient, frames: list[str | bytes]
) -> None:
    sid = await joined(raw_client)
    socket = await raw_client.websocket(sid=sid)
    for frame in frames:
        await socket.send(frame)
    assert await read_to_end(socket) == ["3probe"] * (len(frames) - 1)
    await assert_alive(raw_client, sid)
    await assert_socket_alive(await upgraded(raw_client, sid))


@pytest.mark.parametrize("probed", [False, True])
async def test_a_candidate_that_dies_leaves_the_session_and_its_place_to_another(
    contract_app: ContractApp, raw_client: RawClient, probed: bool
) -> None:
    sid = await joined(raw_client)
    tasks = (await contract_app.stats())["tasks"]
    dead = await raw_client.websocket(sid=sid)
    if probed:
        await dead.send("2probe")
        assert await read(dead) == "3probe"
    dead.transport.abort()
    assert (await contract_app.settled(tasks=tasks))["tasks"] == tasks
    await assert_alive(raw_client, sid)
    await assert_socket_alive(await upgraded(raw_client, sid))


@pytest.mark.parametrize("probed", [False, True])
async def test_a_candidate_that_never_finishes_is_closed_alone(beating: RawClient, probed: bool) -> None:
    sid = await joined(beating)
    socket = await beating.websocket(sid=sid)
    if probed:
        await socket.send("2probe")
    end = asyncio.create_task(read_to_end(socket))
    while not end.done():
        if "2" in (await beating.poll(sid)).text:
            await beating.post(sid, "3")
    assert end.result() == ["3probe"] * probed
    await beating.post(sid, "3")
    await assert_socket_alive(await upgraded(beating, sid))


async def test_a_session_that_ends_takes_its_candidate_along(beating: RawClient) -> None:
    sid = await joined(beating)
    socket = await beating.websocket(sid=sid)
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    assert (await beating.post(sid, "1")).pair == (200, "ok")
    await socket.send("5")
    assert await read_to_end(socket) == []
    await assert_gone(beating, sid)


async def test_who_dies_right_after_the_upgrade_is_found_by_the_next_heartbeat(
    brisk: RawClient, contract_app: ContractApp
) -> None:
    sid = await joined(brisk)
    connections = (await contract_app.stats())["connections"]
    socket = await upgraded(brisk, sid)
    assert await read_to_end(socket, pong=False) == ["2"]
    assert (await contract_app.settled(connections=connections - 1))["connections"] == connections - 1
