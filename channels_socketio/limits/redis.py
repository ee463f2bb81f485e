"""Token buckets and connection counts that all processes share, in Redis.

Each call is one script: one round trip, atomic. The clock is Redis's own. When Redis does not answer in time, a process
does not ask it again for `PAUSE` seconds and limits by its own numbers alone. N processes then let through up to N
times the limit, and refuse nothing that is within it.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from time import monotonic
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from ..loops import PerLoop
from .rates import Rate

TIMEOUT = 1.0
PAUSE = 2.0  # seconds without calls after one that was not answered
CONNECTIONS = 50  # to Redis; a call that needs one more waits
MICROSECOND = 1_000  # nanoseconds
MICROSECONDS = 1_000_000  # in a second
LEASE_MS = 15_000  # from a process's last call until its connections count no more
COUNTS_MS = 86_400_000  # from the last change of a count until it is deleted
TIMES = (LEASE_MS, COUNTS_MS)
UNREACHABLE = (RedisError, OSError, TimeoutError)

# `Rate.take` in Lua, in microseconds. KEYS: the bucket. ARGV: cost and capacity, as times. Returns the wait, or else 0.
# If Redis's clock is set back, the bucket is empty at most: hence the `min`.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local capacity = ARGV[2] - 0
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
full_at = math.min(math.max(full_at, now), now + capacity) + ARGV[1]
local wait = full_at - now - capacity
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
"""
# Each key is a hash: a count for each process. Only processes with a lease count. ARGV: this process's id, the prefix
# of the leases' names, the lease, how long counts are kept; then a limit for each key. Returns the number of the first
# key that is at its limit, or else 0.
ENTER = """
local alive = ARGV[2]
redis.call('SET', alive .. ARGV[1], 1, 'PX', ARGV[3])
for number, key in ipairs(KEYS) do
    local total = 0
    local counts = redis.call('HGETALL', key)
    for at = 1, #counts, 2 do
        if redis.call('EXISTS', alive .. counts[at]) == 1 then
            total = total + counts[at + 1]
        else
            redis.call('HDEL', key, counts[at])
        end
    end
    if total >= ARGV[4 + number] - 0 then return number end
end
for _, key in ipairs(KEYS) do
    redis.call('HINCRBY', key, ARGV[1], 1)
    redis.call('PEXPIRE', key, ARGV[4])
end
return 0
"""
# ARGV: as above, then a change for each key.
CHANGE = """
redis.call('SET', ARGV[2] .. ARGV[1], 1, 'PX', ARGV[3])
for number, key in ipairs(KEYS) do
    if redis.call('HINCRBY', key, ARGV[1], ARGV[4 + number]) <= 0 then
        redis.call('HDEL', key, ARGV[1])
    else
        redis.call('PEXPIRE', key, ARGV[4])
    end
end
return 0
"""

Argument = str | int

logger = logging.getLogger(__name__)


class RedisStore:
    """Implements `rates.Store` and `connection_counts.CountStore` with the Redis server at `url`.

    Stores with the same `prefix` count together.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = f"socketio:{prefix}"
        self._client = PerLoop(self._new_client)
        self._silent_until = 0.0

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        """See rates.Store."""
        interval = ceil(rate.interval / MICROSECOND)
        wait = await self._run(TAKE, [f"{self._prefix}:{key}"], [interval * cost, interval * rate.burst])
        return wait / MICROSECONDS if wait else None

    async def enter(self, process: str, limits: Mapping[str, int]) -> int | None:
        """See CountStore."""
        return await self._run(ENTER, self._counts(limits), self._arguments(process, limits))

    async def change(self, process: str, changes: Mapping[str, int]) -> bool:
        """See CountStore."""
        return await self._run(CHANGE, self._counts(changes), self._arguments(process, changes)) is not None

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._client().aclose(close_connection_pool=True)

    def _counts(self, keys: Iterable[str]) -> list[str]:
        return [f"{self._prefix}:connections:{key}" for key in keys]

    def _arguments(self, process: str, numbers: Mapping[str, int]) -> list[Argument]:
        return [process, f"{self._prefix}:alive:", *TIMES, *numbers.values()]

    async def _run(self, script: str, keys: Sequence[str], arguments: Sequence[Argument]) -> int | None:
        if monotonic() < self._silent_until:
            return None
        try:
            async with asyncio.timeout(TIMEOUT):
                return int(await self._client().register_script(script)(keys, arguments))
        except UNREACHABLE as error:
            self._silent_until = monotonic() + PAUSE
            logger.warning("Redis did not answer: limits count in this process alone. %s", type(error).__name__)
            return None

    def _new_client(self) -> "Redis":
        retry: Any = Retry(NoBackoff(), 0)
        pool = BlockingConnectionPool.from_url(self._url, max_connections=CONNECTIONS, timeout=TIMEOUT, retry=retry)
        return Redis(connection_pool=pool)
