"""Buckets of tokens: one contract, in the process and in Redis."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis as SyncRedis

from channels_socketio.limits import rates
from channels_socketio.limits.rates import Limiter, Notices, Rate, Store
from channels_socketio.limits.redis import TAKE, RedisStore
from channels_socketio.tests.support.processes import Redis

SECOND = 1_000_000_000
RATES = st.builds(Rate, st.sampled_from([0.1, 1 / 3, 1.0, 5.0, 7.0, 1000.0]), st.integers(1, 30))
WAITS = st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=80)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 5 * SECOND

    def __call__(self) -> int:
        return self.now


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server."""
    server = Redis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def sync_redis(redis: Redis) -> Iterator[SyncRedis]:
    """A client of the Redis server."""
    with SyncRedis.from_url(redis.url) as client:
        yield client


class Silent:
    """A store that does not answer."""

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        return None


class Exhausted:
    """A store in which others have taken everything."""

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        return 3.0


@pytest.fixture
async def in_redis(redis: Redis) -> AsyncIterator[list[RedisStore]]:
    """What four processes count in together."""
    stores = [RedisStore(redis.url, "site") for _ in range(4)]
    yield stores
    for store in stores:
        await store.close()


@pytest.fixture(params=["process", "redis", "silent"])
def store(request: pytest.FixtureRequest, in_redis: list[RedisStore]) -> Store | None:
    """What the limiters under test ask beside their own buckets."""
    return {"process": None, "redis": in_redis[0], "silent": Silent()}[request.param]


@pytest.fixture
def limiter(store: Store | None) -> Limiter:
    """Three at once, and one every other second."""
    return Limiter(uuid4().hex, Rate(0.5, 3), store)


async def test_so_many_at_once_then_a_wait_that_is_told(limiter: Limiter) -> None:
    assert [await limiter.take("ada") for _ in range(3)] == [None] * 3
    wait = await limiter.take("ada")
    assert wait is not None
    assert 1 < wait <= 2


async def test_each_key_has_a_bucket_of_its_own(limiter: Limiter) -> None:
    assert await limiter.take("ada", 3) is None
    assert await limiter.take("ada") is not None
    assert await limiter.take("grace", 3) is None


async def test_what_is_refused_costs_nothing(limiter: Limiter) -> None:
    assert await limiter.take("ada", 2) is None
    assert await limiter.take("ada", 2) is not None
    assert await limiter.take("ada", 1) is None


async def test_after_the_wait_there_is_a_token(store: Store | None) -> None:
    limiter = Limiter(uuid4().hex, Rate(2, 1), store)
    assert await limiter.take("ada") is None
    waits = 0
    while (wait := await limiter.take("ada")) is not None:
        waits += 1
        await asyncio.sleep(wait)
    assert 1 <= waits <= 3  # a timer may be a little early


async def test_in_any_time_no_more_than_its_rate_and_a_burst(store: Store | None) -> None:
    limiter = Limiter(uuid4().hex, Rate(200, 10), store)
    started, taken = time.monotonic(), 0
    while (passed := time.monotonic() - started) < 0.5 or (taken <= 20 and passed < 10):
        before = time.monotonic()
        taken += await limiter.take("ada") is None
        await asyncio.sleep(0)
        passed = max(time.monotonic(), before) - started
        assert taken <= 200 * passed + 10 + 0.01
    assert taken > 20


async def test_without_a_rate_everything_may_happen(store: Store | None) -> None:
    limiter = Limiter("off", None, store)
    assert [await limiter.take("ada") for _ in range(1000)] == [None] * 1000


async def test_processes_share_a_bucket_in_redis(in_redis: list[RedisStore]) -> None:
    name = uuid4().hex
    limiters = [Limiter(name, Rate(0.01, 5), store) for store in in_redis]
    turns = [await limiter.take("ada") for _ in range(5) for limiter in limiters]
    assert turns.count(None) == 5


async def test_another_site_has_buckets_of_its_own_in_the_same_redis(redis: Redis, in_redis: list[RedisStore]) -> None:
    name, other = uuid4().hex, RedisStore(redis.url, "other")
    assert await Limiter(name, Rate(0.01, 5), in_redis[0]).take("ada", 5) is None
    assert await Limiter(name, Rate(0.01, 5), other).take("ada", 5) is None
    assert await Limiter(name, Rate(0.01, 5), in_redis[1]).take("ada") is not None
    await other.close()


async def test_many_at_the_same_time_get_no_more_than_there_is(in_redis: list[RedisStore]) -> None:
    name = uuid4().hex
    limiters = [Limiter(name, Rate(0.01, 20), store) for store in in_redis]
    turns = await asyncio.gather(*(limiter.take("ada") for limiter in limiters for _ in range(20)))
    assert turns.count(None) == 20


async def test_what_others_took_counts_here() -> None:
    assert await Limiter("x", Rate(1, 5), Exhausted()).take("ada") == 3.0


async def test_redis_forgets_full_buckets(in_redis: list[RedisStore]) -> None:
    store = in_redis[0]
    assert await store.take("brief", Rate(1000, 10), 10) is None
    async with asyncio.timeout(5):
        while await store._client().exists("socketio:site:brief"):
            await asyncio.sleep(0.01)


async def test_without_redis_each_process_counts_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    server = Redis(tmp_path).start()
    store = RedisStore(server.url, "site")
    limiter = Limiter("messages", Rate(0.01, 2), store)
    assert await limiter.take("ada") is None
    server.stop()
    assert await limiter.take("ada") is None
    assert await limiter.take("ada") is not None
    assert [await limiter.take(f"other {number}") for number in range(100)] == [None] * 100
    assert len([line for line in caplog.messages if "in this process alone" in line]) == 1
    await store.close()


@given(rate=RATES, waits=WAITS)
def test_a_bucket_gives_no_more_than_rate_times_time_and_a_burst_and_hardly_less(rate: Rate, waits: list[int]) -> None:
    clock = Clock()
    limiter, started, taken = Limiter("here", rate, clock=clock), clock.now, 0
    for wait in waits:
        clock.now += wait
        for _ in range(rate.burst + 1):
            told = limiter.take_here("ada")
            taken += told is None
        assert told is not None  # more than a burst at once there never is
        assert taken <= rate.per_second * (clock.now - started) / SECOND + rate.burst
        clock.now += round(told * SECOND)  # what was promised holds
        assert limiter.take_here("ada") is None
        taken += 1


CLOCK = "local time = redis.call('TIME')\nlocal now = time[1] * 1000000 + time[2]\n"
# A bucket of Redis expires by Redis's clock, so intervals are longer than the test.
SLOW_RATES = st.builds(Rate, st.sampled_from([0.0101, 1 / 70, 1 / 33, 0.01]), st.integers(1, 30))
STEPS = st.lists(st.tuples(st.integers(-20, 1000), st.integers(1, 30)), min_size=1, max_size=40)


@given(rate=SLOW_RATES, steps=STEPS)
@settings(max_examples=100)
def test_the_script_in_redis_and_the_function_agree(sync_redis: SyncRedis, rate: Rate, steps: list[Any]) -> None:
    """The unit does not matter to the script. So it is given nanoseconds, and its clock by hand."""
    assert TAKE.count(CLOCK) == 1
    script = TAKE.replace(CLOCK, "local now = ARGV[3] - 0\n")
    key, now, full_at = uuid4().hex, 1000 * SECOND, 0
    for seconds, cost in steps:
        now += seconds * SECOND
        cost = min(cost, rate.burst)
        # The minimum is `full_at` unless the clock was set back.
        new, wait = rate.take(min(full_at, now + rate.capacity), now, cost)
        assert sync_redis.eval(script, 1, key, rate.interval * cost, rate.capacity, now) == max(wait, 0)
        if wait <= 0:
            full_at = new
            assert int(sync_redis.get(key) or 0) == full_at


@given(keys=st.lists(st.integers(0, 40), max_size=300), wait=st.integers(0, SECOND))
@patch.object(rates, "MOST_KEYS", 10)
def test_memory_is_bounded_and_the_longest_unused_go(keys: list[int], wait: int) -> None:
    clock = Clock()
    limiter = Limiter("here", Rate(1, 5), clock=clock)
    for key in keys:
        clock.now += wait
        limiter.take_here(str(key))
        assert len(limiter._full_at) <= 10
        assert str(key) in limiter._full_at or limiter.take_here(str(key)) is not None


def test_full_buckets_are_forgotten_without_a_timer() -> None:
    clock = Clock()
    limiter = Limiter("here", Rate(1, 5), clock=clock)
    for key in range(1000):
        limiter.take_here(str(key))
    assert len(limiter._full_at) == 1000
    clock.now += 2 * SECOND
    for _ in range(500):
        limiter.take_here("ada")
    assert len(limiter._full_at) == 1


def test_what_is_given_back_may_be_taken_again_and_nothing_more() -> None:
    clock = Clock()
    limiter = Limiter("here", Rate(1, 3), clock=clock)
    limiter.give_back("ada")
    assert [limiter.take_here("ada") is None for _ in range(4)] == [True] * 3 + [False]
    limiter.give_back("ada")
    assert [limiter.take_here("ada") is None for _ in range(2)] == [True, False]
    clock.now += 10 * SECOND
    limiter.give_back("ada")
    assert [limiter.take_here("ada") is None for _ in range(4)] == [True] * 3 + [False]


def test_a_cost_that_no_bucket_holds_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected a cost of 1 to 5, got 6"):
        Limiter("here", Rate(1, 5)).take_here("ada", 6)


def test_notices_are_counted_and_seldom_logged(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    notices = Notices(Rate(0.1, 2), clock)
    with caplog.at_level(logging.WARNING):
        for number in range(50):
            notices.note("handshakes", "Refused %s.", number)
        notices.note("origin", "Refused %r.", "%s evil\n")
        clock.now += 10 * SECOND
        notices.note("handshakes", "Refused %s.", 50)
    last = "Refused 50. And 48 more since the last line."
    assert caplog.messages == ["Refused 0.", "Refused 1.", "Refused '%s evil\\n'.", last]
    assert notices.counts == {"handshakes": 51, "origin": 1}
