"""One object for each event loop. A process that serves has one loop; tests have many."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

Kept = TypeVar("Kept")


class PerLoop(Generic[Kept]):
    """Call it for the object of the running event loop, which `make` makes when it is asked for first."""

    def __init__(self, make: Callable[[], Kept]) -> None:
        self._make = make
        self._objects: WeakKeyDictionary[asyncio.AbstractEventLoop, Kept] = WeakKeyDictionary()
        self._latest: tuple[asyncio.AbstractEventLoop | None, Kept | None] = (None, None)

    def __call__(self) -> Kept:
        """Return the object of the running event loop. Raises RuntimeError without one."""
        loop = asyncio.get_running_loop()
        latest, found = self._latest
        if latest is loop and found is not None:
            return found  # nearly always: a handshake asks several times
        found = self._objects.get(loop)
        if found is None:
            found = self._objects[loop] = self._make()
        self._latest = (loop, found)
        return found
