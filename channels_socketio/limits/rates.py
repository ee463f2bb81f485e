"""How often something may happen: token buckets by key, and the log lines about refusals.

All limits use one algorithm, the generic cell rate algorithm. A bucket is one number: the time at which it is full
again. Times are whole nanoseconds, so nothing is lost to rounding. A bucket needs no timer, and a full one need not be
stored. `Rate.take` is the algorithm. The script in `limits/redis.py` says the same in Lua, and a test compares them.

With a store all processes share the buckets. A process asks its own buckets first, so a flood costs no round trips.
They alone count while the store does not answer.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from threading import Lock
from typing import Protocol

MOST_KEYS = 100_000
SECOND = 1_000_000_000
FORGET = 2  # full buckets that one call of take() deletes: more than it can add

Clock = Callable[[], int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, and `per_second` of them in the long run.

    `interval`: nanoseconds in which one token comes. `capacity`: nanoseconds in which an empty bucket fills up.
    """

    per_second: float
    burst: int
    interval: int = field(init=False, repr=False, compare=False)
    capacity: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Compute what `take` needs."""
        object.__setattr__(self, "interval", ceil(SECOND / self.per_second))
        object.__setattr__(self, "capacity", self.interval * self.burst)

    @classmethod
    def per_minute(cls, number: int) -> "Rate":
        """Return a rate at which a whole minute's number may come at once."""
        return cls(number / 60, number)

    def take(self, full_at: int, now: int, cost: int = 1) -> tuple[int, int]:
        """Take `cost` tokens at `now` from the bucket that is full at `full_at`.

        Return when it is full again, and the wait until the tokens are there, 0 or less if they are there now.
        After a refusal the caller keeps the old time, unless refusals are to cost tokens as well.
        """
        full_at = (full_at if full_at > now else now) + cost * self.interval
        return full_at, full_at - now - self.capacity


class Store(Protocol):
    """Buckets that all processes share."""

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        """As Limiter.take. Return None also when the store does not answer. Raises nothing."""


class Limiter:
    """Limits what is called `name` to `rate`, for each key. Without a rate it limits nothing. Threads may share it.

    It has at most `MOST_KEYS` buckets of this process. The least recently used go first.
    """

    def __init__(
        self, name: str, rate: Rate | None, store: Store | None = None, clock: Clock = time.monotonic_ns
    ) -> None:
        self.name, self.rate = name, rate
        self._store, self._clock, self._lock = store, clock, Lock()
        self._full_at: dict[str, int] = {}  # the most recently used last

    async def take(self, key: str, cost: int = 1) -> float | None:
        """Take `cost` tokens; if they are not there, take none and return in how many seconds they will be."""
        wait = self.take_here(key, cost)
        if wait is None and self.rate is not None and self._store is not None:
            wait = await self._store.take(f"{self.name}:{key}", self.rate, cost)
        return wait

    def take_here(self, key: str, cost: int = 1) -> float | None:
        """Take tokens as take() does, from this process's buckets alone."""
        rate = self.rate
        if rate is None:
            return None
        if not 0 < cost <= rate.burst:
            raise ValueError(f"expected a cost of 1 to {rate.burst}, got {cost}")
        with self._lock:
            now = self._clock()
            self._forget(now)
            full_at, wait = rate.take(self._full_at.get(key, now), now, cost)
            if wait > 0:
                return wait / SECOND
            self._full_at.pop(key, None)
            if len(self._full_at) >= MOST_KEYS:
                del self._full_at[next(iter(self._full_at))]
            self._full_at[key] = full_at
            return None

    def give_back(self, key: str) -> None:
        """Undo take_here() with a cost of 1. A full bucket stays full."""
        with self._lock:
            if self.rate is not None and key in self._full_at:
                self._full_at[key] -= self.rate.interval

    def _forget(self, now: int) -> None:
        for _ in range(FORGET):
            oldest = next(iter(self._full_at), None)
            if oldest is None or self._full_at[oldest] > now:
                return
            del self._full_at[oldest]


class Notices:
    """Counts refusals by name and logs some of them: strangers cause them, so the log must not grow with them."""

    def __init__(self, rate: Rate, clock: Clock = time.monotonic_ns) -> None:
        self.counts: Counter[str] = Counter()
        self._lines = Limiter("lines of the log", rate, clock=clock)
        self._unsaid: Counter[str] = Counter()

    def note(self, name: str, message: str, *args: object) -> None:
        """Count a refusal called `name`, and log the message unless there were too many of the name."""
        self.counts[name] += 1
        if self._lines.take_here(name) is not None:
            self._unsaid[name] += 1
            return
        unsaid = self._unsaid.pop(name, 0)
        logger.warning(f"{message}%s", *args, f" And {unsaid} more since the last line." if unsaid else "")


notices = Notices(Rate(per_second=0.1, burst=10))
