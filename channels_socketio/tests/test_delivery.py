"""Real server processes that share a log: nothing is lost, doubled or out of order, whatever dies between them."""

import asyncio
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.faulty_proxy import FaultyProxy
from channels_socketio.tests.support.log_site import LogApp, OfficialClient
from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.sqlite_log import SQLiteLog
from channels_socketio.tests.support.ws_client import Dial, WSClient

TRANSPORTS = pytest.mark.parametrize("transport", ["websocket", "polling"])


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis server."""
    server = Redis(tmp_path).start()
    yield server
    server.stop()


async def read_to(client: WSClient, last: Any) -> list[Any]:
    """Return the client's events up to the entry with the data `last`."""
    events = [await client.receive_event()]
    while events[-1][:2] != ["entry", last]:
        if (event := await client.receive_event())[0] != "told":
            events.append(event)
    return events


def entries_of(events: list[Any]) -> list[Any]:
    """Return the entries among events."""
    return [event for event in events if event[0] == "entry"]


def check(events: list[Any], sqlite_log: SQLiteLog) -> None:
    """Compare what a client that was there from the start got with the log."""
    items = sqlite_log.items()
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
    sqlite_log = SQLiteLog(str(tmp_path / "log"))
    env = {"REDIS_URL": redis.url, "LOSSES": seed, "OPTIONS": json.dumps({"LOG_INTERVAL": 0.1})}
    with LogApp(tmp_path, env) as one, LogApp(tmp_path, env) as two:
        clients = [await dial(log_app.ws_url) for log_app in (one, two, one, two)]
        readings = [asyncio.create_task(read_to(client, "last")) for client in clients]
        choices = random.Random(seed)
        for number in range(150):
            writer = choices.choice([*clients, None])
            if writer is None:
                sqlite_log.append(f"{number} silently")  # as a process would that is killed before it tells
            else:
                await writer.emit("write", number)
            if number % 10 == 9:
                await eventually(lambda end=number + 1: sqlite_log.end().seq == end, "so far all was written")  # type: ignore[misc]
                await clients[number % 4].emit("delete", sqlite_log.end().seq - 1)
        await eventually(lambda: sqlite_log.end() == (150, 15), "all was written")
        sqlite_log.append("last")
        for events in await asyncio.gather(*readings):
            check(events, sqlite_log)
        assert one.errors() == two.errors() == []


async def test_what_a_process_without_a_layer_writes_is_found(tmp_path: Path, dial: Dial) -> None:
    sqlite_log = SQLiteLog(str(tmp_path / "log"))
    sqlite_log.append("before")
    with LogApp(tmp_path) as log_app:
        client = await dial(log_app.ws_url)
        assert await read_to(client, "before") == [["welcome", 1, False, "0.0./"], ["entry", "before", "1.0./"]]
        sqlite_log.append("from outside")
        assert await client.receive_event(5) == ["entry", "from outside", "2.0./"]


@TRANSPORTS
async def test_an_official_client_whose_link_is_cut_gets_what_it_missed(tmp_path: Path, transport: str) -> None:
    sqlite_log = SQLiteLog(str(tmp_path / "log"))
    for number in range(60):
        sqlite_log.append(number)
    with LogApp(tmp_path) as log_app, FaultyProxy(log_app.port) as proxy:
        async with OfficialClient(proxy.port, transport) as client:
            sid, recovered = await client.connected()
            assert not recovered
            assert await client.entries(50) == list(range(10, 60))
            for number in (60, 61, 62):
                # Without a poll that it holds, the server does not notice.
                await eventually(lambda: transport == "websocket" or proxy.asked, "the next poll was held")
                proxy.disable()
                sqlite_log.append(number)
                assert (await client.next())[0] == "disconnect"
                proxy.enable()
                assert await client.connected() == (sid, True)
                assert await client.next() == ["welcome", number + 1, True, f"{number}.0./"]
                assert await client.entries(1) == [number]
        assert log_app.errors() == []


async def test_an_official_client_recovers_before_it_has_got_an_entry(tmp_path: Path) -> None:
    sqlite_log = SQLiteLog(str(tmp_path / "log"))
    with LogApp(tmp_path) as log_app, FaultyProxy(log_app.port) as proxy:
        async with OfficialClient(proxy.port, "websocket") as client:
            sid, _ = await client.connected()
            assert await client.next() == ["welcome", 0, False, "0.0./"]
            proxy.cut()
            sqlite_log.append("first")
            assert await client.connected() == (sid, True)
            assert await client.entries(1) == ["first"]


@TRANSPORTS
async def test_an_official_client_recovers_from_a_restart_and_at_another_process(
    tmp_path: Path, transport: str
) -> None:
    sqlite_log = SQLiteLog(str(tmp_path / "log"))
    with LogApp(tmp_path) as first, FaultyProxy(first.port) as proxy:
        async with OfficialClient(proxy.port, transport) as client:
            sid, _ = await client.connected()
            await client.next()
            sqlite_log.append("one")
            assert await client.entries(1) == ["one"]
            first.process.stop()
            sqlite_log.append("two")
            with LogApp(tmp_path, server="daphne") as second:
                proxy.target = second.port
                assert await client.connected() == (sid, True)
                assert await client.entries(1) == ["two"]
                sqlite_log.append("three")
                assert await client.entries(1) == ["three"]
                assert second.errors() == []


@pytest.mark.parametrize("elsewhere", [False, True])
@TRANSPORTS
async def test_an_official_client_takes_over_from_a_link_that_the_server_takes_for_alive(
    tmp_path: Path, redis: Redis, dial: Dial, transport: str, elsewhere: bool
) -> None:
    env = {"REDIS_URL": redis.url}
    with LogApp(tmp_path, env) as one, LogApp(tmp_path, env) as two, FaultyProxy(one.port) as proxy:
        async with OfficialClient(proxy.port, transport) as client:
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
