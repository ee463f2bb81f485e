"""What processes count together, in Redis.

Each question is one script, so it is one round trip and nothing comes in between. The clock is Redis's own. When
Redis does not answer in time, nobody waits for it again for a while: each process then limits by its own numbers
alone, which lets through as many times the limit as there are processes, and refuses nobody who should not be.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from .rates import Rate

TIMEOUT = 1.0
PAUSE = 2.0  # without questions after one that was not answered
CONNECTIONS = 50  # to Redis; who needs one more waits
MICROSECONDS = 1_000_000
LEASE_MS = 15_000  # that a process counts after its last word
COUNTS_MS = 86_400_000  # that counts are kept which nobody changes
TIMES = (LEASE_MS, COUNTS_MS)
UNREACHABLE = (RedisError, OSError, TimeoutError)

# The bucket's number is the time at which it is full, as in limits/rates.py. A clock that was set back must not lock
# anybody out, hence the `min`.
TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local full_at = tonumber(redis.call('GET', KEYS[1]) or now)
local room = ARGV[2] - 0
full_at = math.min(math.max(full_at, now), now + room) + ARGV[1]
local wait = full_at - now - room
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
return 0
"""
# Each key is a hash of what each process counts, of which those that are alive matter. ARGV: the own id, what precedes
# an id in the name of its lease, the lease, how long counts are kept; then a limit for each key. Returns the number of
# the first key that is full, or else 0.
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
    """Buckets and counts in the Redis server at `url`. Part of Limiter's and ConnectionCounts' contracts.

    Stores with the same `prefix` count together.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = f"socketio:{prefix}"
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Redis] = WeakKeyDictionary()
        self._silent_until = 0.0

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        """See limits.Store."""
        interval = ceil(MICROSECONDS / rate.per_second)
        wait = await self._run(TAKE, [f"{self._prefix}:{key}"], [interval * cost, interval * rate.burst])
        return wait / MICROSECONDS if wait else None

    async def enter(self, process: str, limits: Mapping[str, int]) -> int | None:
        """Count one more in each key unless one of them is at its limit.

        Returns the number of that one, from 1, 0 for none, and None without an answer.
        """
        return await self._run(ENTER, self._counts(limits), self._arguments(process, limits))

    async def change(self, process: str, changes: Mapping[str, int]) -> bool:
        """Change counts, and stay alive; return whether that was answered."""
        return await self._run(CHANGE, self._counts(changes), self._arguments(process, changes)) is not None

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose(close_connection_pool=True)

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

    def _client(self) -> "Redis":
        loop = asyncio.get_running_loop()
        if (client := self._clients.get(loop)) is None:
            retry: Any = Retry(NoBackoff(), 0)
            pool = BlockingConnectionPool.from_url(self._url, max_connections=CONNECTIONS, timeout=TIMEOUT, retry=retry)
            client = self._clients[loop] = Redis(connection_pool=pool)
        return client
