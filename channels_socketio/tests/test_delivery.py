"""Real server processes that share a log: nothing is lost, doubled or out of order, whatever dies between them."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.ledger import Ledger
from channels_socketio.tests.party import eventually
from channels_socketio.tests.processes import Redis
from channels_socketio.tests.proxy import Proxy
from channels_socketio.tests.stages import OfficialClient, Stage
from channels_socketio.tests.wire import Dial, WireClient

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis server."""
    server = Redis(tmp_path).start()
    yield server
    server.stop()


async def read_to(client: WireClient, last: Any) -> list[Any]:
    """Return the client's events up to the entry with the data `last`."""
    events = [await client.receive_event()]
    while events[-1][:2] != ["entry", last]:
        if (event := await client.receive_event())[0] != "told":
            events.append(event)
    return events


def entries_of(events: list[Any]) -> list[Any]:
    """Return the entries among events."""
    return [event for event in events if event[0] == "entry"]


def check(events: list[Any], ledger: Ledger) -> None:
    """Compare what a client that was there from the start got with the log."""
    items = ledger.items()
    deleted = [item.deletes for item in items if item.deletes is not None]
    everything = {item.position.seq: item.data for item in items if item.deletes is None}
    got = {int(offset.split(".")[0]): data for event, data, offset in entries_of(events)}
    assert list(got) == sorted(got)
    assert len(got) == len(entries_of(events))
    assert got.items() <= everything.items()
    assert everything.keys() - got.keys() <= set(deleted)
    assert [event[1] for event in events if event[0] == "deleted"] == deleted
    names = [event[:2] for event in events]
    for seq in got.keys() & deleted:
        assert names.index(["entry", got[seq]]) < names.index(["deleted", seq])


@pytest.mark.parametrize("seed", ["1", "2"])
async def test_a_layer_that_loses_and_repeats_news_changes_nothing(
    tmp_path: Path, redis: Redis, dial: Dial, seed: str
) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    env = {"REDIS_URL": redis.url, "LOSSES": seed, "STAGE_OPTIONS": json.dumps({"LOG_INTERVAL": 0.1})}
    with Stage(tmp_path, env) as one, Stage(tmp_path, env) as two:
        clients = [await dial(stage.ws_url) for stage in (one, two, one, two)]
        readings = [asyncio.create_task(read_to(client, "last")) for client in clients]
        choices = random.Random(seed)
        for number in range(150):
            writer = choices.choice([*clients, None])
            if writer is None:
                ledger.append(f"{number} silently")  # as a process would that is killed before it tells
            else:
                await writer.emit("write", number)
            if number % 10 == 9:
                await eventually(lambda end=number + 1: ledger.end().seq == end, "so far all was written")  # type: ignore[misc]
                await clients[number % 4].emit("delete", ledger.end().seq - 1)
        await eventually(lambda: ledger.end() == (150, 15), "all was written")
        ledger.append("last")
        for events in await asyncio.gather(*readings):
            check(events, ledger)
        assert one.errors() == two.errors() == []


async def test_what_a_process_without_a_layer_writes_is_found(tmp_path: Path, dial: Dial) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    ledger.append("before")
    with Stage(tmp_path) as stage:
        client = await dial(stage.ws_url)
        assert await read_to(client, "before") == [["welcome", 1, False, "0.0./"], ["entry", "before", "1.0./"]]
        ledger.append("from outside")
        assert await client.receive_event(5) == ["entry", "from outside", "2.0./"]


@TRANSPORTS
async def test_an_official_client_whose_link_is_cut_gets_what_it_missed(tmp_path: Path, transport: str) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    for number in range(60):
        ledger.append(number)
    with Stage(tmp_path) as stage:
        async with Proxy(stage.port) as proxy, OfficialClient(proxy.port, transport) as client:
            sid, recovered = await client.connected()
            assert not recovered
            assert await client.entries(50) == list(range(10, 60))
            for number in (60, 61, 62):
                proxy.open = False
                proxy.cut()
                ledger.append(number)
                assert (await client.next())[0] == "disconnect"
                proxy.open = True
                assert await client.connected() == (sid, True)
                assert await client.next() == ["welcome", number + 1, True, f"{number}.0./"]
                assert await client.entries(1) == [number]
        assert stage.errors() == []


async def test_an_official_client_recovers_before_it_has_got_an_entry(tmp_path: Path) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    with Stage(tmp_path) as stage:
        async with Proxy(stage.port) as proxy, OfficialClient(proxy.port, "websocket") as client:
            sid, _ = await client.connected()
            assert await client.next() == ["welcome", 0, False, "0.0./"]
            proxy.cut()
            ledger.append("first")
            assert await client.connected() == (sid, True)
            assert await client.entries(1) == ["first"]


@TRANSPORTS
async def test_an_official_client_recovers_from_a_restart_and_at_another_process(
    tmp_path: Path, transport: str
) -> None:
    ledger = Ledger(str(tmp_path / "ledger"))
    with Stage(tmp_path) as first:
        async with Proxy(first.port) as proxy, OfficialClient(proxy.port, transport) as client:
            sid, _ = await client.connected()
            await client.next()
            ledger.append("one")
            assert await client.entries(1) == ["one"]
            first.process.stop()
            ledger.append("two")
            with Stage(tmp_path, server="daphne") as second:
                proxy.target = second.port
                assert await client.connected() == (sid, True)
                assert await client.entries(1) == ["two"]
                ledger.append("three")
                assert await client.entries(1) == ["three"]
                assert second.errors() == []


@pytest.mark.parametrize("elsewhere", [False, True])
@TRANSPORTS
async def test_an_official_client_takes_over_from_a_link_that_the_server_takes_for_alive(
    tmp_path: Path, redis: Redis, dial: Dial, transport: str, elsewhere: bool
) -> None:
    env = {"REDIS_URL": redis.url}
    with Stage(tmp_path, env) as one, Stage(tmp_path, env) as two:
        async with Proxy(one.port) as proxy, OfficialClient(proxy.port, transport) as client:
            sid, _ = await client.connected()
            await client.next()
            bystander = await dial(one.ws_url)
            assert one.connections() == 2
            proxy.swallow()
            await bystander.emit("write", "missed")
            if elsewhere:
                proxy.target = two.port
            client.tell("drop")
            assert await client.connected() == (sid, True)
            assert await client.entries(1) == ["missed"]
            await eventually(lambda: one.connections() == (1 if elsewhere else 2), "the dead link had ended", 10)
            assert two.connections() == elsewhere
            await bystander.emit("tell", sid, "only you")
            assert await client.next() == ["told", "only you", None]
            client.tell("drop")
            assert await client.connected() == (sid, True)
