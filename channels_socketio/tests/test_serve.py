"""The end of `serve`: nobody is left waiting, nothing that was acked is lost, and the status is 0."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_socketio.servers.serve import CLOSE_SECONDS, GRACE_SECONDS
from channels_socketio.tests.arenas import Arena, joined
from channels_socketio.tests.clients import WAYS, Client
from channels_socketio.tests.processes import Redis
from channels_socketio.tests.raw import Raw, read, read_to_end

GOING_AWAY = (503, '{"code":3,"message":"Server shutting down"}')


@pytest.fixture
def arena(tmp_path: Path) -> Iterator[Arena]:
    """A server for one test, which ends it."""
    with Arena(tmp_path, "serve") as running:
        yield running
        assert running.errors() == []


async def stopped(arena: Arena) -> tuple[int, float]:
    """Stop the server; return its status and how many seconds it took."""
    start = time.monotonic()
    status = await asyncio.to_thread(arena.process.stop)
    return status, time.monotonic() - start


def assert_prompt(status: int, seconds: float) -> None:
    """Check that a server ended well, and sooner than if it had waited for clients that stay away."""
    assert status == 0
    assert seconds < CLOSE_SECONDS


async def test_a_websocket_gets_the_ack_of_a_running_handler_and_is_then_told_that_the_server_goes_away(
    arena: Arena,
) -> None:
    async with Raw(arena.port) as raw:
        socket = await raw.websocket()
        await read(socket)
        await socket.send("40")
        await read(socket)
        await socket.send('421["take",0.7]')
        await socket.send('422["echo",7]')
        await arena.settled(sockets=1)
        ending = asyncio.create_task(stopped(arena))
        assert await read_to_end(socket) == ['431["done"]', '42["echoed",7]', "432[7]"]
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "server shutting down")
        assert_prompt(*await ending)


async def test_a_poll_that_is_held_is_answered(arena: Arena) -> None:
    async with Raw(arena.port) as raw:
        sid = await joined(raw)
        poll = await raw.start("GET", sid=sid)
        await arena.settled(held=1)
        ending = asyncio.create_task(stopped(arena))
        assert (await poll.answer()).pair == GOING_AWAY
        assert_prompt(*await ending)


async def test_what_waits_for_a_poll_is_fetched_before_the_end(arena: Arena) -> None:
    async with Raw(arena.port) as raw:
        sid = await joined(raw)
        assert (await raw.post(sid, '421["take",0.5]\x1e422["echo",1]')).pair == (200, "ok")
        ending = asyncio.create_task(stopped(arena))
        texts = []
        with suppress(ConnectionRefusedError):  # as the server has gone before the last poll, or has not
            while (answer := await raw.poll(sid)).status == 200:
                texts += answer.text.split("\x1e")
            assert answer.status in {400, 503}  # as the end has come before the poll or after it
        assert texts == ['431["done"]', '42["echoed",1]', "432[1]"]
        assert_prompt(*await ending)


async def test_a_client_between_two_polls_that_has_nothing_to_fetch_is_not_waited_for(arena: Arena) -> None:
    async with Raw(arena.port) as raw:
        await joined(raw)
        assert_prompt(*await stopped(arena))


async def test_a_client_that_stays_away_and_a_handler_that_hangs_delay_the_end_by_a_few_seconds_only(
    arena: Arena,
) -> None:
    async with Raw(arena.port) as raw:
        sid = await joined(raw)
        await raw.post(sid, '421["take",1000]')
        status, seconds = await stopped(arena)
    assert status == 0
    assert CLOSE_SECONDS <= seconds < CLOSE_SECONDS + GRACE_SECONDS


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_while_it_ends_nobody_is_let_in(arena: Arena, transport: str) -> None:
    async with Raw(arena.port) as raw:
        sid = await joined(raw)
        await raw.post(sid, '421["take",1]')
        ending = asyncio.create_task(stopped(arena))
        async with asyncio.timeout(CLOSE_SECONDS):
            refusal = await refused(raw, transport)
        assert refusal == GOING_AWAY
        assert (await ending)[0] == 0


async def refused(raw: Raw, transport: str) -> tuple[int, str]:
    """Open connections until one is refused; return how."""
    while True:
        if transport == "polling":
            if (answer := await raw.ask("GET")).status != 200:
                return answer.pair
        else:
            try:
                await raw.websocket()
            except InvalidStatus as refusal:
                return refusal.response.status_code, refusal.response.body.decode()


async def test_hundreds_of_idle_clients_do_not_hold_it_up(arena: Arena) -> None:
    async with AsyncExitStack() as stack:
        sockets, polls = [], []
        for _ in range(100):
            raw = await stack.enter_async_context(Raw(arena.port))
            sockets.append(await raw.websocket())
            polls.append(await raw.start("GET", sid=await raw.open()))
        assert (await arena.settled(connections=200, held=100))["held"] == 100
        assert_prompt(*await stopped(arena))
        assert [(await poll.answer()).pair for poll in polls] == [GOING_AWAY] * 100
        for socket in sockets:
            await read_to_end(socket)
            assert socket.close_code == 1001


@pytest.mark.parametrize("way", WAYS)
async def test_those_on_other_servers_hear_who_left(tmp_path: Path, way: str) -> None:
    redis = Redis(tmp_path).start()
    try:
        with Arena(tmp_path, "serve", redis.url) as home, Arena(tmp_path, "serve", redis.url) as away:
            async with Raw(home.port) as near, Raw(away.port) as far:
                client, witness = await Client(await WAYS[way](near)).open(), await Client(await WAYS[way](far)).open()
                await client.join()
                await witness.join()
                assert (await stopped(home))[0] == 0
                assert await witness.event() == ["left", client.id, "server shutting down"]
            assert home.errors() == []
    finally:
        redis.stop()
