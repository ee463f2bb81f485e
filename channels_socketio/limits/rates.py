"""How often something may happen: buckets of tokens, by key, and what is said when one is empty.

A bucket is one number, the time at which it will be full again (the generic cell rate algorithm), in whole
nanoseconds, so that nothing is lost to rounding. It needs no timer: full buckets are forgotten while others are
used. There are at most `most` of them; then those go that were not used for longest.

With a store all processes share the buckets (see `limits/redis.py`). The process's own are asked first, so that a flood
costs no questions, and they alone count while the store does not answer.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from threading import Lock
from typing import Protocol

MOST_KEYS = 100_000
SECOND = 1_000_000_000
FORGET = 2  # full buckets that one question clears away: more than it can add

Clock = Callable[[], int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` at once, and `per_second` of them in the long run."""

    per_second: float
    burst: int

    @classmethod
    def per_minute(cls, number: int) -> "Rate":
        """Return a rate by which a whole minute's number may come at once."""
        return cls(number / 60, number)


class Store(Protocol):
    """Buckets that all processes share."""

    async def take(self, key: str, rate: Rate, cost: int) -> float | None:
        """As Limiter's; None also when the store does not answer. Never raises."""


class Limiter:
    """Limits what is called `name` to `rate`, for each key; without a rate it limits nothing."""

    def __init__(self, name: str, rate: Rate | None, store: Store | None = None) -> None:
        self.name, self.rate = name, rate
        self._buckets = None if rate is None else Buckets(rate)
        self._store = store

    async def take(self, key: str, cost: int = 1) -> float | None:
        """Take `cost` tokens; if they are not there, take none and return in how many seconds they will be."""
        if self.rate is None:
            return None
        wait = self.take_here(key, cost)
        if wait is None and self._store is not None:
            wait = await self._store.take(f"{self.name}:{key}", self.rate, cost)
        return wait

    def take_here(self, key: str, cost: int = 1) -> float | None:
        """As take(), from this process's buckets alone."""
        return None if self._buckets is None else self._buckets.take(key, cost)

    def give_back(self, key: str) -> None:
        """Undo take_here() with a cost of 1."""
        if self._buckets is not None:
            self._buckets.give_back(key)


class Buckets:
    """The buckets of one process. Threads may share them."""

    def __init__(self, rate: Rate, most: int = MOST_KEYS, clock: Clock = time.monotonic_ns) -> None:
        self.rate = rate
        self._interval = ceil(SECOND / rate.per_second)
        self._most, self._clock, self._lock = most, clock, Lock()
        self._full_at: dict[str, int] = {}  # those used last at the end

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, cost: int = 1) -> float | None:
        """See Limiter.take."""
        if not 0 < cost <= self.rate.burst:
            raise ValueError(f"expected a cost of 1 to {self.rate.burst}, got {cost}")
        with self._lock:
            now = self._clock()
            self._forget(now)
            full_at = max(self._full_at.get(key, now), now) + cost * self._interval
            wait = full_at - now - self.rate.burst * self._interval
            if wait > 0:
                return wait / SECOND
            self._full_at.pop(key, None)
            if len(self._full_at) >= self._most:
                del self._full_at[next(iter(self._full_at))]
            self._full_at[key] = full_at
            return None

    def give_back(self, key: str) -> None:
        """Put a token back that was taken; a bucket that is full stays so."""
        with self._lock:
            if key in self._full_at:
                self._full_at[key] -= self._interval

    def _forget(self, now: int) -> None:
        for _ in range(FORGET):
            oldest = next(iter(self._full_at), None)
            if oldest is None or self._full_at[oldest] > now:
                return
            del self._full_at[oldest]


class Notices:
    """Refusals, counted by name; strangers cause them, so a few of each are logged and then one now and then."""

    def __init__(self, rate: Rate, clock: Clock = time.monotonic_ns) -> None:
        self.counts: Counter[str] = Counter()
        self._lines = Buckets(rate, clock=clock)
        self._unsaid: Counter[str] = Counter()

    def note(self, name: str, message: str, *args: object) -> None:
        """Count a refusal called `name`, and log the message unless there were too many of the name."""
        self.counts[name] += 1
        if self._lines.take(name) is not None:
            self._unsaid[name] += 1
            return
        unsaid = self._unsaid.pop(name, 0)
        logger.warning(f"{message}%s", *args, f" And {unsaid} more since the last line." if unsaid else "")


notices = Notices(Rate(per_second=0.1, burst=10))
