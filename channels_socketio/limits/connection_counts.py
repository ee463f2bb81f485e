"""How many connections there are, by login session and by address. Each connection takes a slot under both keys.

The counts of this process are exact and cost two additions. With a store, those of the other processes count as well.
Each process tells the store its changes, under an id of its own, and renews the lease of that id. When a process dies,
its lease ends, and its counts with it. When the store does not answer, the process may not know what the store has: it
takes a new id and tells all its counts again, so no error stays.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

KEEP_SECONDS = 5.0  # between calls that renew the lease, which lasts three times as long


class CountStore(Protocol):
    """Counts that all processes share. Its methods renew the lease of `process`, and raise nothing."""

    async def enter(self, process: str, limits: Mapping[str, int]) -> int | None:
        """Count one more under each key, unless one of them is at its limit.

        Return the number of that key, from 1, 0 if there is none, and None without an answer.
        """

    async def change(self, process: str, changes: Mapping[str, int]) -> bool:
        """Add a number to the count of each key. Return whether the store has answered."""


class LimitReached(Exception):
    """There is no slot left under the key that it names."""


class Slot:
    """The keys under which one connection is counted, until it leaves."""

    __slots__ = ("_counts", "_keys")

    def __init__(self, connection_counts: "ConnectionCounts", keys: tuple[str, ...]) -> None:
        self._counts, self._keys = connection_counts, keys

    def leave(self) -> None:
        """Give the slot back. A second call does nothing."""
        keys, self._keys = self._keys, ()
        self._counts.release(keys)


class ConnectionCounts:
    """The connection counts of this process."""

    def __init__(self, store: CountStore | None = None) -> None:
        self.counts: dict[str, int] = {}
        self._store = store
        self._id = secrets.token_hex(8)
        self._known = True  # whether the store has all counts under the id
        self._left: Counter[str] = Counter()  # what the store does not know yet
        self._updater: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    async def enter(self, limits: Mapping[str, int]) -> Slot:
        """Take a slot under each key of `limits`, which says how many there are. Raises LimitReached."""
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
        """Count one less under each key. Part of Slot.leave."""
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
                self.release(tuple(limits))  # the store was told all counts meanwhile, these with them
            raise LimitReached(list(limits)[full - 1])

    def _lose(self, process: str) -> None:
        if process == self._id:
            self._id, self._known = secrets.token_hex(8), False
            self._left.clear()

    async def _update_store(self, store: CountStore) -> None:
        """Tell the store what has changed and renew the lease, as long as there are connections."""
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
                with suppress(TimeoutError):
                    async with asyncio.timeout(KEEP_SECONDS):
                        await self._changed.wait()
