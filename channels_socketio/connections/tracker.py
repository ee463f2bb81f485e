"""Which connections have changed, for somebody who keeps a list of them elsewhere: in a database, say.

Connections note themselves here, for the price of a set's operation, and only if there is a follower. What waits for
the follower is never more than there are connections and what it has been told of before, however slow it is.
"""

from collections.abc import Callable, Collection
from typing import NamedTuple


class Changes(NamedTuple):
    """Engine ids of connections that are new or other than before, and of those that the follower knew and are gone."""

    present: list[str]
    gone: list[str]


class ConnectionTracker:
    """What the follower does not know yet of the connections of a process; `living` holds the engine ids of all."""

    def __init__(self, living: Collection[str]) -> None:
        self._living = living
        self._wake: Callable[[], object] | None = None
        self._known: set[str] = set()
        self._changed: set[str] = set()
        self._gone: set[str] = set()

    def follow(self, wake: Callable[[], object]) -> None:
        """Have `wake` called at the first change, and at the first one after each `take`; all that lives is new."""
        self._wake = wake
        self.forget()

    def note(self, sid: str) -> None:
        """Note that a connection has come, has changed, or is gone."""
        if self._wake is None:
            return
        waits = bool(self._changed or self._gone)
        if sid in self._living:
            self._changed.add(sid)
        else:
            self._changed.discard(sid)
            if sid in self._known:
                self._known.remove(sid)
                self._gone.add(sid)
        if not waits and (self._changed or self._gone):
            self._wake()

    def take(self) -> Changes:
        """Return what the follower does not know; from now on it does."""
        changes = Changes(list(self._changed), list(self._gone))
        self._known |= self._changed
        self._changed.clear()
        self._gone.clear()
        return changes

    def forget(self) -> None:
        """The follower has lost its list: it knows nothing any more."""
        self._known.clear()
        self._gone.clear()
        self._changed = set(self._living)
        if self._changed and self._wake is not None:
            self._wake()

    @property
    def empty(self) -> bool:
        """Whether the follower's list is empty and should be."""
        return not (self._known or self._changed or self._gone)
