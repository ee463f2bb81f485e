"""One timer for all connections of a process.

A timer per connection costs memory and a heap operation for every pong. Here each connection has at most one
live entry: when its deadline moves later, which is the common case, nothing happens until the
old entry is due, and then it is entered again.

Timers that are far away are put off to the next eighth of a second, so that those of thousands of idle connections
are handled together: that saves as many wake-ups of the process.
"""

import asyncio
import heapq
import itertools
import math
from typing import Protocol

FAR = 5.0  # seconds
GRAINS = 8  # in a second


class Timed(Protocol):
    """What has deadlines. `scheduled_at` belongs to Timers; it starts as infinity."""

    scheduled_at: float

    def next_deadline(self) -> float | None:
        """Return the loop time of the next deadline, None for never."""

    def handle_timeout(self, now: float) -> None:
        """Do what is due; may be called too early."""

    def fail(self, error: Exception, /) -> None:
        """`handle_timeout` has raised `error`: have no deadline any more, or a later one. Raises nothing."""


class Timers:
    """The deadlines of everything in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._entries: list[tuple[float, int, Timed]] = []
        self._numbers = itertools.count()
        self._handle: asyncio.Handle | None = None
        self._due = math.inf  # uvloop's handles do not tell

    def schedule(self, timed: Timed) -> None:
        """Note the deadline of `timed`; call it whenever that may have come nearer."""
        when = timed.next_deadline()
        if when is None:
            return
        if when - self._loop.time() > FAR:
            when = math.ceil(when * GRAINS) / GRAINS
        if when >= timed.scheduled_at:
            return
        timed.scheduled_at = when
        heapq.heappush(self._entries, (when, next(self._numbers), timed))
        self._arm()

    def _arm(self) -> None:
        when = self._entries[0][0]
        if self._handle is not None:
            if self._due <= when:
                return
            self._handle.cancel()
        self._due = when
        self._handle = self._loop.call_at(when, self._fire)

    def _fire(self) -> None:
        self._handle = None
        try:
            self._handle_due(self._loop.time())
        finally:
            if self._entries:
                self._arm()

    def _handle_due(self, now: float) -> None:
        while self._entries and self._entries[0][0] <= now:
            when, _, timed = heapq.heappop(self._entries)
            if timed.scheduled_at != when:
                continue  # a nearer deadline was entered after this one
            timed.scheduled_at = math.inf
            try:
                timed.handle_timeout(now)
            except Exception as error:
                timed.fail(error)
            if timed.scheduled_at == math.inf:  # not entered again meanwhile
                self.schedule(timed)
