"""The log events of a namespace in one process: brought to its sockets in the order of the log, without gap or repeat.

News of an item comes fast, but the layer may lose, repeat and reorder it, and nobody may have sent any. So news that is
next goes to the hub; what is behind is dropped; what is ahead waits for the news in between, and if that
does not come soon the log is read. Every process looks once a second where its logs end: whatever was missed
is found then. The alternative, a layer that keeps and confirms, would be a second truth beside the database.

Positions are compared by both of their parts: a page of the log, where deletions come first, may end at a place
that the log itself never was at.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from ..fanout.backplane import Backplane, apublish, publish
from ..fanout.hub import Hub
from ..fanout.prepared import PreparedMessage
from ..protocol.engine_packets import Encoded
from .cache import START, HistoryCache, Publication, Replay, announcement, farther, is_covered, pack_items
from .log import Item, Log, Page, Position

logger = logging.getLogger(__name__)

LOG = "log"  # the kind of publication
PAGE = 100  # entries, and deletions, that are read from a log at once
HELD = 200  # news that wait for others; the log has what is beyond
GRACE_SECONDS = 0.02  # that news may overtake each other before the log is read
RETRY_SECONDS = 0.1
MAX_RETRY_SECONDS = 5.0
POSITIONS = 500  # namespaces that a log is asked about at once


class FeedClosed(ConnectionError):
    """The last socket left while something was waited for."""


class Feed:
    """What the sockets of this process in `namespace` have got of `log`; it lives while there are any."""

    def __init__(self, namespace: str, log: Log, publish: Callable[[str, PreparedMessage], None]) -> None:
        self.namespace = namespace
        self.log = log
        self.users = 0
        self._publish = publish
        self._cache: HistoryCache | None = None
        self._held: dict[Position, Publication] = {}
        self._target = START
        self._current = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._rereading: asyncio.Task[HistoryCache] | None = None
        self._closed = False
        self._read_soon()

    @property
    def cache(self) -> HistoryCache:
        """The newest part of the log, up to where this process is; there once `reach` has returned."""
        if self._cache is None:
            raise RuntimeError("expected a feed that has read its log")
        return self._cache

    def receive(self, publication: Publication) -> None:
        """Take news, in any order."""
        cache = self._cache
        if cache is None or publication.before != cache.position:
            if cache is None or not is_covered(publication, cache.position):
                self._hold(publication)
            return
        self._deliver(cache, publication)
        if self._held or not self._current.is_set():
            self._catch_up(cache)

    def expect(self, end: Position) -> None:
        """Note that the log goes at least to `end`."""
        self._target = farther(self._target, end)
        if self._behind() and not self._closed:
            self._current.clear()
            self._read_soon()

    async def reach(self, end: Position) -> None:
        """Wait until this process is at `end` at least; raises LookupError when the log does not go there."""
        self.expect(end)
        await self._current.wait()
        if self._closed:
            raise FeedClosed("expected the feed to be needed still")
        if not self.cache.position.covers(end):
            raise LookupError(f"expected the log to go to {tuple(end)}, got {tuple(self.cache.position)}")

    def cached_newest(self) -> Replay | None:
        """Return what a new client is shown if that is known at once: so it is but for the first clients."""
        return self.cache.newest() if self._current.is_set() and not self._closed else None

    async def newest(self) -> Replay:
        """Return what a new client is shown; may be behind the feed. All who wait share one reading."""
        await self.reach(START)
        if (cached_newest := self.cached_newest()) is not None:
            return cached_newest
        if self._rereading is None:
            self._rereading = asyncio.create_task(self._reread())
        cache = await asyncio.shield(self._rereading)
        await self.reach(cache.position)
        return cache.newest() or Replay(cache.position, cache.position, [])

    async def missed(self, at: Position, most: int) -> Replay | None:
        """Return what a client lacks that is at `at`, of long entries the newest; None if it is too many deletions.

        `most` is how many entries, and deletions, there may be. May be behind the feed. Raises LookupError when the
        log contradicts itself.
        """
        recent = at._replace(seq=max(at.seq, self.cache.position.seq - PAGE))
        cache = await self._read_after(recent, most)
        if cache.before.seq == recent.seq > at.seq:  # these were not too long, so that older ones may be sent as well
            cache = await self._read_after(at, most)
        start = Position(cache.before.seq, at.deletions)
        if (messages := cache.after(start)) is None:
            return None
        return Replay(at, cache.position, messages, (at.seq + 1, start.seq) if start.seq > at.seq else None)

    def close(self) -> None:
        """Stop: nobody is there any more."""
        self._closed = True
        if self._reader is not None:
            self._reader.cancel()
        self._current.set()

    def _behind(self) -> bool:
        return self._cache is None or not self._cache.position.covers(self._target)

    def _deliver(self, cache: HistoryCache, publication: Publication) -> None:
        cache.add(publication)
        self._publish(self.namespace, publication.prepared)

    def _hold(self, publication: Publication) -> None:
        if len(self._held) < HELD:
            self._held[publication.before] = publication
        self.expect(publication.position)

    def _catch_up(self, cache: HistoryCache) -> None:
        """Go on with what was held, as far as it goes."""
        while (publication := self._held.pop(cache.position, None)) is not None:
            self._deliver(cache, publication)
        self._held = {
            before: publication
            for before, publication in self._held.items()
            if not is_covered(publication, cache.position)
        }
        if cache.position.covers(self._target):
            self._current.set()

    def _read_soon(self) -> None:
        if self._reader is None:
            self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            if self._cache is not None:
                await asyncio.sleep(GRACE_SECONDS)
            while self._behind():
                await self._read_page()
        finally:
            self._reader = None

    async def _read_page(self) -> None:
        failures = 0
        while True:
            try:
                if self._cache is None:
                    self._cache = HistoryCache.from_newest(self.namespace, await self.log.newest(self.namespace))
                    self._catch_up(self._cache)
                else:
                    start, target = self._cache.position, self._target
                    self._take(start, target, await self.log.after(self.namespace, start, PAGE))
                break
            except Exception as error:  # the application's: whatever it is, order matters more than time
                if failures == 0:
                    logger.exception("The log of %.100r cannot be read, trying again: %r", self.namespace, error)
                await asyncio.sleep(min(RETRY_SECONDS * 2**failures, MAX_RETRY_SECONDS))
                failures += 1
        if failures:
            logger.warning("The log of %.100r can be read again.", self.namespace)

    def _take(self, start: Position, target: Position, page: Page) -> None:
        """Deliver a page that was read from `start` on for the sake of `target`; news may have come meanwhile."""
        cache = self.cache
        if cache.position == start and start.covers(page.position) and self._target == target:
            logger.warning("The log of %.100r ends at %s, news spoke of %s.", self.namespace, start, self._target)
            self._target = start
            self._held.clear()
        for item in page.items:
            if not is_covered(item, cache.position):
                self._deliver(cache, *pack_items(self.namespace, cache.position, [item]))
        cache.skip_to(page.position)
        self._catch_up(cache)

    async def _read_after(self, at: Position, most: int) -> HistoryCache:
        """Return what the log has behind `at`, until where the feed is or farther, and let the feed come there."""
        cache, end = HistoryCache(self.namespace, at, most), self.cache.position
        while not cache.position.covers(end):
            page = await self.log.after(self.namespace, cache.position, PAGE)
            if page.position == cache.position:
                raise LookupError(f"expected the log to go on after {tuple(page.position)}")
            for publication in pack_items(self.namespace, cache.position, page.items):
                cache.add(publication)
            cache.skip_to(page.position)
        await self.reach(cache.position)
        return cache

    async def _reread(self) -> HistoryCache:
        try:
            cache = HistoryCache.from_newest(self.namespace, await self.log.newest(self.namespace))
            if cache.position == self.cache.position:
                self._cache = cache
            return cache
        finally:
            self._rereading = None


class Feeds:
    """The feeds of a process, and the task that looks where their logs end."""

    def __init__(self, hub: Hub[PreparedMessage], backplane: Backplane) -> None:
        self._publish = hub.publish
        self._feeds: dict[str, Feed] = {}
        self._interval = 1.0
        self._poller: asyncio.Task[None] | None = None
        backplane.handle(LOG, self.receive)

    def __len__(self) -> int:
        return len(self._feeds)

    def enter(self, namespace: str, log: Log, interval: float) -> Feed:
        """Return the feed of a namespace for one more socket; `interval` is how often the log is looked into."""
        if (feed := self._feeds.get(namespace)) is None:
            feed = self._feeds[namespace] = Feed(namespace, log, self._publish)
        feed.users += 1
        self._interval = interval
        if self._poller is None:
            self._poller = asyncio.create_task(self._poll())
        return feed

    def leave(self, feed: Feed) -> None:
        """Note that a socket has left."""
        feed.users -= 1
        if feed.users:
            return
        del self._feeds[feed.namespace]
        feed.close()
        if not self._feeds and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    def receive(
        self, namespace: str, seq: int, deletions: int, deletes: int | None, packets: Sequence[Encoded], size: int
    ) -> None:
        """Take an item of a log that any process has published; see `announcement`."""
        if (feed := self._feeds.get(namespace)) is not None:
            feed.receive(Publication(Position(seq, deletions), deletes, PreparedMessage(packets, size)))

    async def _poll(self) -> None:
        failing = False
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self._look()
                failing = False
            except Exception:  # the application's: it is asked again
                if not failing:
                    logger.exception("The logs cannot be asked where they end, trying again.")
                failing = True

    async def _look(self) -> None:
        by_log: dict[Any, list[str]] = {}
        for feed in self._feeds.values():
            by_log.setdefault(feed.log, []).append(feed.namespace)
        for log, namespaces in by_log.items():
            for first in range(0, len(namespaces), POSITIONS):
                ends = await log.positions(namespaces[first : first + POSITIONS])
                for namespace, end in ends.items():
                    if namespace in self._feeds:
                        self._feeds[namespace].expect(end)


def announce(namespace: str, item: Item, using: str | None = None) -> None:
    """Bring an item of a log before all clients once the current transaction of `using` commits, as `emit` does.

    Whatever becomes of it, the sockets get the item in its place: their processes look into the log by
    themselves. Raises TypeError for data that JSON cannot carry.
    """
    publish(LOG, *announcement(namespace, item), using=using)


async def aannounce(namespace: str, item: Item) -> None:
    """Bring an item of a log, which was committed, before all clients now; see `announce`."""
    await apublish(LOG, *announcement(namespace, item))
