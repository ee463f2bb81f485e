"""What an application stores of a namespace's events, so that nothing is lost: the contract of a log.

A log numbers its entries 1, 2, 3 ... without holes (`seq`), in the order in which they were committed, and it counts
its deletions, each of which takes one entry back. Together they are a position; every entry and every deletion
moves it on by one, so that whoever follows the log finds out by arithmetic that something is missing.
The log is the truth, what crosses processes is only news of it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

NEWEST = 50  # entries that a new client is shown, at most
REPLAY_BYTES = 262_144  # of entries that a client is sent at once, at most, but for one that is longer by itself


class Position(NamedTuple):
    """A place in a log: the `seq` of the newest entry, 0 before the first, and the number of deletions so far."""

    seq: int
    deletions: int

    def covers(self, other: "Position") -> bool:
        """Whether everything up to `other` lies before this position."""
        return self.seq >= other.seq and self.deletions >= other.deletions


@dataclass(frozen=True, slots=True)
class Item:
    """An entry or a deletion as the event that tells clients of it; `position` is that of the log behind it.

    `deletes` is the `seq` of the entry that a deletion takes back, None for an entry. `data` is the event's
    one argument, anything that JSON can carry.
    """

    position: Position
    event: str
    data: Any
    deletes: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a log: `items` in order, without entries that were deleted, and the position behind them.

    `before` is the position that a client must be at for the items to be all that it lacks.
    """

    before: Position
    items: Sequence[Item]
    position: Position


def count_fitting(sizes: Iterable[int]) -> int:
    """Return how many entries fit in REPLAY_BYTES, at least one; `sizes` are their bytes, the newest first."""
    total = count = 0
    for size in sizes:
        total += size
        if count and total > REPLAY_BYTES:
            break
        count += 1
    return count


class Log(Protocol):
    """The stored events of the namespaces of a consumer. Its methods read committed data, and wait for nobody else."""

    async def newest(self, namespace: str) -> Page:
        """Return the newest entries, up to the end of the log: NEWEST, fewer only if there are no more."""

    async def after(self, namespace: str, position: Position, limit: int) -> Page:
        """Return what came after `position`: the deletions first, then the entries, at most `limit` of each.

        Of more, the oldest are returned, and the page's position is not the log's end yet.
        """

    async def positions(self, namespaces: Collection[str]) -> Mapping[str, Position]:
        """Return the ends of several logs; those without entries may be missing."""
