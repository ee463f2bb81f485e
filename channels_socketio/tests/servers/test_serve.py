"""The end of `serve`: nobody is left waiting, nothing that was acked is lost, and the status is 0."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_socketio.servers.serve import CLOSE_SECONDS, GRACE_SECONDS
from channels_socketio.tests.support.clients import WAYS, Client
from channels_socketio.tests.support.contract_site import ContractApp, joined
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.raw_client import RawClient, read, read_to_end

GOING_AWAY = (503, '{"code":3,"message":"Server shutting down"}')


@pytest.fixture
def contract_app(tmp_path: Path) -> Iterator[ContractApp]:
    """A server for one test, which ends it."""
    with ContractApp(tmp_path, "serve") as running:
        yield running
        assert running.errors() == []


async def stopped(contract_app: ContractApp) -> tuple[int, float]:
    """Stop the server; return its status and how many seconds it took."""
    start = time.monotonic()
    status = await asyncio.to_thread(contract_app.process.stop)
    return status, time.monotonic() - start


def assert_prompt(status: int, seconds: float) -> None:
    """Check that a server ended well, and sooner than if it had waited for clients that stay away."""
    assert status == 0
    assert seconds < CLOSE_SECONDS


async def test_a_websocket_gets_the_ack_of_a_running_handler_and_is_then_told_that_the_server_goes_away(
    contract_app: ContractApp,
) -> None:
    async with RawClient(contract_app.port) as raw_client:
        socket = await raw_client.websocket()
        await read(socket)
        await socket.send("40")
        await read(socket)
        await socket.send('421["take",0.7]')
        await socket.send('422["echo",7]')
        await contract_app.settled(sockets=1)
        end_reason = asyncio.create_task(stopped(contract_app))
        assert await read_to_end(socket) == ['431["done"]', '42["echoed",7]', "432[7]"]
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "server shutting down")
        assert_prompt(*await end_reason)


async def test_a_poll_that_is_held_is_answered(contract_app: ContractApp) -> None:
    async with RawClient(contract_app.port) as raw_client:
        sid = await joined(raw_client)
        poll = await raw_client.start("GET", sid=sid)
        await contract_app.settled(held=1)
        end_reason = asyncio.create_task(stopped(contract_app))
        assert (await poll.answer()).pair == GOING_AWAY
        assert_prompt(*await end_reason)


async def test_what_waits_for_a_poll_is_fetched_before_the_end(contract_app: ContractApp) -> None:
    async with RawClient(contract_app.port) as raw_client:
        sid = await joined(raw_client)
        assert (await raw_client.post(sid, '421["take",0.5]\x1e422["echo",1]')).pair == (200, "ok")
        end_reason = asyncio.create_task(stopped(contract_app))
        texts = []
        with suppress(ConnectionRefusedError):  # as the server has gone before the last poll, or has not
            while (answer := await raw_client.poll(sid)).status == 200:
                texts += answer.text.split("\x1e")
            assert answer.status in {400, 503}  # as the end has come before the poll or after it
        assert texts == ['431["done"]', '42["echoed",1]', "432[1]"]
        assert_prompt(*await end_reason)


async def test_a_client_between_two_polls_that_has_nothing_to_fetch_is_not_waited_for(
    contract_app: ContractApp,
) -> None:
    async with RawClient(contract_app.port) as raw_client:
        await joined(raw_client)
        assert_prompt(*await stopped(contract_app))


async def test_a_client_that_stays_away_and_a_handler_that_hangs_delay_the_end_by_a_few_seconds_only(
    contract_app: ContractApp,
) -> None:
    async with RawClient(contract_app.port) as raw_client:
        sid = await joined(raw_client)
        await raw_client.post(sid, '421["take",1000]')
        status, seconds = await stopped(contract_app)
    assert status == 0
    assert CLOSE_SECONDS <= seconds < CLOSE_SECONDS + GRACE_SECONDS


@pytest.mark.parametrize("transport", ["polling", "websocket"])
async def test_while_it_ends_nobody_is_let_in(contract_app: ContractApp, transport: str) -> None:
    async with RawClient(contract_app.port) as raw_client:
        sid = await joined(raw_client)
        await raw_client.post(sid, '421["take",1]')
        end_reason = asyncio.create_task(stopped(contract_app))
        async with asyncio.timeout(CLOSE_SECONDS):
            refusal = await refused(raw_client, transport)
        assert refusal == GOING_AWAY
        assert (await end_reason)[0] == 0


async def refused(raw_client: RawClient, transport: str) -> tuple[int, str]:
    """Open connections until one is refused; return how."""
    while True:
        if transport == "polling":
            if (answer := await raw_client.ask("GET")).status != 200:
                return answer.pair
        else:
            try:
                await raw_client.websocket()
            except InvalidStatus as refusal:
                return refusal.response.status_code, refusal.response.body.decode()


async def test_hundreds_of_idle_clients_do_not_hold_it_up(contract_app: ContractApp) -> None:
    async with AsyncExitStack() as stack:
        sockets, polls = [], []
        for _ in range(100):
            raw_client = await stack.enter_async_context(RawClient(contract_app.port))
            sockets.append(await raw_client.websocket())
            polls.append(await raw_client.start("GET", sid=await raw_client.open()))
        assert (await contract_app.settled(connections=200, held=100))["held"] == 100
        assert_prompt(*await stopped(contract_app))
        assert [(await poll.answer()).pair for poll in polls] == [GOING_AWAY] * 100
        for socket in sockets:
            await read_to_end(socket)
            assert socket.close_code == 1001


@pytest.mark.parametrize("way", WAYS)
async def test_those_on_other_servers_hear_who_left(tmp_path: Path, way: str) -> None:
    redis = Redis(tmp_path).start()
    try:
        with ContractApp(tmp_path, "serve", redis.url) as home, ContractApp(tmp_path, "serve", redis.url) as away:
            async with RawClient(home.port) as near, RawClient(away.port) as far:
                client, witness = await Client(await WAYS[way](near)).open(), await Client(await WAYS[way](far)).open()
                await client.join()
                await witness.join()
                assert (await stopped(home))[0] == 0
                assert await witness.event() == ["left", client.id, "server shutting down"]
            assert home.errors() == []
    finally:
        redis.stop()
