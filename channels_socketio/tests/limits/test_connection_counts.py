"""Connections counted by login session and address, in one process and in several."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from channels_socketio.limits import connection_counts as module
from channels_socketio.limits.connection_counts import ConnectionCounts, LimitReached, Slot
from channels_socketio.limits.redis import LEASE_MS, RedisStore
from channels_socketio.tests.support.echo_site import EchoApp
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.ws_client import Dial

LIMITS = {"session a": 2, "address 1": 3}


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def can_enter(connection_counts: ConnectionCounts, limits: Mapping[str, int]) -> bool:
    """Return whether there is a place, which is left again."""
    try:
        slot = await connection_counts.enter(limits)
    except LimitReached:
        return False
    slot.leave()
    return True


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    """A Redis server that a test may stop."""
    server = Redis(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
async def two(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[ConnectionCounts]]:
    """The places of two processes."""
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.05)
    monkeypatch.setattr("channels_socketio.limits.redis.PAUSE", 0.05)
    stores = [RedisStore(redis.url, "site") for _ in range(2)]
    both = [ConnectionCounts(store) for store in stores]
    yield both
    for connection_counts, store in zip(both, stores, strict=True):
        if connection_counts._updater is not None:
            connection_counts._updater.cancel()
        await store.close()


async def test_there_are_as_many_places_as_the_limit_says() -> None:
    connection_counts = ConnectionCounts()
    for _ in range(2):
        await connection_counts.enter(LIMITS)
    with pytest.raises(LimitReached) as caught:
        await connection_counts.enter(LIMITS)
    assert str(caught.value) == "session a"
    await connection_counts.enter({"session b": 2, "address 1": 3})
    with pytest.raises(LimitReached) as caught:
        await connection_counts.enter({"session c": 2, "address 1": 3})
    assert str(caught.value) == "address 1"


async def test_who_is_refused_takes_no_place() -> None:
    connection_counts = ConnectionCounts()
    await connection_counts.enter({"address 1": 1})
    with pytest.raises(LimitReached):
        await connection_counts.enter({"session a": 1, "address 1": 1})
    assert await can_enter(connection_counts, {"session a": 1})


async def test_a_place_is_left_once_and_nothing_of_it_stays() -> None:
    connection_counts = ConnectionCounts()
    first, second = [await connection_counts.enter(LIMITS) for _ in range(2)]
    first.leave()
    first.leave()
    assert connection_counts.counts == {"session a": 1, "address 1": 1}
    second.leave()
    assert connection_counts.counts == {}


async def test_without_limits_nothing_is_counted() -> None:
    connection_counts = ConnectionCounts()
    slot = await connection_counts.enter({})
    slot.leave()
    assert connection_counts.counts == {}


async def test_places_of_other_processes_count(two: list[ConnectionCounts]) -> None:
    here, there = two
    slot = await here.enter(LIMITS)
    await there.enter(LIMITS)
    for connection_counts in two:
        assert not await can_enter(connection_counts, LIMITS)
    slot.leave()
    await until(lambda: not here._left)
    async with asyncio.timeout(10):
        while not await can_enter(there, LIMITS):
            await asyncio.sleep(0.01)


async def test_of_many_at_the_same_time_no_more_get_in_than_there_are_places(two: list[ConnectionCounts]) -> None:
    entered = await asyncio.gather(
        *(connection_counts.enter({"x": 7}) for connection_counts in two for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(result, Slot) for result in entered) == 7
    assert sum(connection_counts.counts.get("x", 0) for connection_counts in two) == 7


async def test_a_process_that_dies_takes_its_places_with_it(
    two: list[ConnectionCounts], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels_socketio.limits.redis.TIMES", (2000, 60_000))
    here, there = two
    await here.enter({"x": 1})
    assert not await can_enter(there, {"x": 1})
    assert here._updater is not None
    here._updater.cancel()
    async with asyncio.timeout(10):
        while not await can_enter(there, {"x": 1}):
            await asyncio.sleep(0.01)


async def test_a_process_that_lives_keeps_its_lease(two: list[ConnectionCounts], redis: Redis) -> None:
    await two[0].enter({"x": 1})
    store = RedisStore(redis.url, "site")
    lease = f"socketio:site:alive:{two[0]._id}"
    before = await store._client().pttl(lease)
    async with asyncio.timeout(10):
        while (left := await store._client().pttl(lease)) <= before:
            before = left
            await asyncio.sleep(0.01)
    assert before < left <= LEASE_MS
    await store.close()


async def test_without_redis_each_counts_alone_and_afterwards_all_is_told_again(
    two: list[ConnectionCounts], redis: Redis
) -> None:
    here, there = two
    leaves = await here.enter({"x": 2})
    await here.enter({"x": 2})
    redis.stop()
    leaves.leave()
    assert await can_enter(here, {"x": 2})
    assert await can_enter(there, {"x": 2})
    await here.enter({"x": 2})
    assert not await can_enter(here, {"x": 2})
    redis.start()
    await until(lambda: here._known)
    async with asyncio.timeout(10):
        while await can_enter(there, {"x": 2}):
            await asyncio.sleep(0.01)
    assert await can_enter(there, {"x": 3})


# Real processes


async def test_processes_of_a_site_count_together_and_those_of_another_by_themselves(
    tmp_path: Path, redis: Redis, dial: Dial
) -> None:
    options = {"CONNECTIONS_PER_ADDRESS": 1, "LIMITS_REDIS": redis.url}
    keys = [f"the key of the site that is called {name}" for name in ("one", "one", "other")]
    with ExitStack() as stack:
        echo_apps = [stack.enter_context(EchoApp(tmp_path, "serve", options, {"SECRET_KEY": key})) for key in keys]
        first, second, foreign = (echo_app.ws_url for echo_app in echo_apps)
        await dial(first)
        with pytest.raises(InvalidStatus):
            await dial(second)
        await dial(foreign)
