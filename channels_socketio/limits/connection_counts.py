"""How many connections there are, by login session and by address: each takes a place in both, if there is one.

The process's own numbers are exact and cost two additions. With a shared store those of the other processes count
as well: each tells the store what changes here, under an id of its own, and keeps the id alive. A process that dies
takes its numbers with it when its lease ends. One that could not tell, because the store did not answer, takes a
new id and tells all its numbers anew, so that no error stays.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Protocol

KEEP_SECONDS = 5.0  # between words to the store; its leases last three times as long


class CountStore(Protocol):
    """What the processes count together; `shared.RedisStore` says how."""

    async def enter(self, process: str, limits: Mapping[str, int]) -> int | None: ...
    async def change(self, process: str, changes: Mapping[str, int]) -> bool: ...


class LimitReached(Exception):
    """There is no place left; `key` is what has as many as it may."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Slot:
    """What one connection counts as; to be left once it is over."""

    __slots__ = ("_counts", "_keys")

    def __init__(self, connection_counts: "ConnectionCounts", keys: tuple[str, ...]) -> None:
        self._counts, self._keys = connection_counts, keys

    def leave(self) -> None:
        """Count no more; nothing happens the second time."""
        keys, self._keys = self._keys, ()
        self._counts.release(keys)


class ConnectionCounts:
    """The places of one server in this process."""

    def __init__(self, store: CountStore | None = None) -> None:
        self.counts: dict[str, int] = {}
        self._store = store
        self._id = secrets.token_hex(8)
        self._known = True  # whether the store has all numbers under the id
        self._left: Counter[str] = Counter()  # not told yet
        self._updater: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def enter(self, limits: Mapping[str, int]) -> Slot:
        """Take a place under each key of `limits`, which says how many there are; raises Full."""
        for key, limit in limits.items():
            if self.counts.get(key, 0) >= limit:
                raise LimitReached(key)
        for key in limits:
            self.counts[key] = self.counts.get(key, 0) + 1
        slot = Slot(self, tuple(limits))
        if self._store is not None:
            await self._enter_store(self._store, limits)
        return slot

    def release(self, keys: tuple[str, ...]) -> None:
        """Part of Place.leave."""
        self._drop(keys)
        if self._store is not None and self._known and keys:
            self._left.update(keys)
            self._changed.set()

    def _drop(self, keys: tuple[str, ...]) -> None:
        for key in keys:
            if self.counts[key] == 1:
                del self.counts[key]
            else:
                self.counts[key] -= 1

    async def _enter_store(self, store: CountStore, limits: Mapping[str, int]) -> None:
        if self._updater is None or self._updater.done():
            self._updater = asyncio.create_task(self._update_store(store))
        if not self._known:
            return
        process = self._id
        try:
            full = await store.enter(process, limits)
        except asyncio.CancelledError:
            self._lose(process)  # it may have been counted
            self.release(tuple(limits))
            raise
        if full is None:
            self._lose(process)
        elif full:
            if process == self._id:
                self._drop(tuple(limits))
            else:
                self.release(tuple(limits))  # the store was told all numbers meanwhile, this one with them
            raise LimitReached(list(limits)[full - 1])

    def _lose(self, process: str) -> None:
        if process == self._id:
            self._id, self._known = secrets.token_hex(8), False
            self._left.clear()

    async def _update_store(self, store: CountStore) -> None:
        """Tell the store what is left, and that this process lives, as long as it has connections."""
        while self.counts or self._left or not self._known:
            process = self._id
            if self._known:
                changes, self._left = {key: -count for key, count in self._left.items()}, Counter()
            else:
                changes, self._known = dict(self.counts), True
            if not await store.change(process, changes):
                self._lose(process)
            self._changed.clear()
            if not self._left:
                await self._wait()

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(KEEP_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            pass
