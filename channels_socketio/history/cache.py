"""The newest part of a log as packed events: what most clients lack when they come, without asking the log.

Every event carries a position as its offset. Live it is that of the log behind the event. In a replay, where deletions
come first and deleted entries not at all, it is what the client has got so far: so a client whose link dies
in the middle comes back for the rest. `prepared.change_offset` makes the one of the other.
"""

from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import Any, NamedTuple

from ..fanout.prepared import PreparedMessage, change_offset, event_packets, join
from .log import NEWEST, REPLAY_BYTES, Item, Page, Position

CACHED_ITEMS = 100  # entries, and as many deletions

START = Position(0, 0)


class Publication(NamedTuple):
    """An entry or a deletion, packed once for all clients; `position` is its offset."""

    position: Position
    deletes: int | None
    prepared: PreparedMessage

    @property
    def before(self) -> Position:
        """The place in the log that it follows directly."""
        seq, deletions = self.position
        return Position(seq - 1, deletions) if self.deletes is None else Position(seq, deletions - 1)

    def at(self, namespace: str, position: Position) -> "Publication":
        """Return the same with another offset."""
        if position == self.position:
            return self
        old, new = format_offset(self.position, namespace), format_offset(position, namespace)
        prepared = change_offset(self.prepared, old, new)
        return Publication(position, self.deletes, prepared)


class Replay(NamedTuple):
    """What a client lacks of a log: it is at `before`, and at `position` once it has got `messages`.

    `missed` are the first and the last of the entries that are not sent, for they are too many or too long.
    """

    before: Position
    position: Position
    messages: list[PreparedMessage]
    missed: tuple[int, int] | None = None


class HistoryCache:
    """The entries and deletions from `before` to `position`, without entries that were deleted.

    It holds at most `most` of each, and as many entries as fit in REPLAY_BYTES, at least the newest. Of entries
    that were too long it knows the sizes.
    """

    def __init__(self, namespace: str, before: Position, most: int = CACHED_ITEMS) -> None:
        self.namespace = namespace
        self.before = before
        self.position = before
        self._most = most
        self._known = before.seq  # all entries behind it are here, or at least their sizes
        self._entries: dict[int, Publication] = {}
        self._size = 0
        self._sizes: dict[int, int] = {}  # of entries too many, all older than those that are here
        self._deletions: deque[Publication] = deque()
        self._deletions_size = 0
        self._newest: Replay | None = None

    @classmethod
    def from_newest(cls, namespace: str, page: Page, most: int = CACHED_ITEMS) -> "HistoryCache":
        """Return the tail of a log that has `page` for its newest."""
        before = page.before if len(page.items) >= NEWEST else Position(0, page.before.deletions)
        cache = cls(namespace, before, most)
        for publication in pack_items(namespace, before, page.items):
            cache.add(publication)
        cache.skip_to(page.position)
        return cache

    def add(self, publication: Publication) -> None:
        """Take the next entry or deletion, and forget the oldest if there are too many."""
        self._newest = None
        self.position = publication.position
        if publication.deletes is None:
            self._entries[publication.position.seq] = publication
            self._size += publication.prepared.size
            if self._size > REPLAY_BYTES or len(self._entries) + len(self._sizes) > self._most:
                self._forget_entries()
        else:
            self._forget(publication.deletes)
            self._deletions.append(publication)
            self._deletions_size += publication.prepared.size
            self._forget_deletions()

    def skip_to(self, position: Position) -> None:
        """Note that up to `position` there is nothing but entries that were deleted."""
        self._newest = None
        self.position = farther(self.position, position)

    def newest(self) -> Replay | None:
        """Return what a new client is shown; None if the log must be asked."""
        if self._newest is None:
            self._newest = self._find_newest()
        return self._newest

    def after(self, at: Position) -> list[PreparedMessage] | None:
        """Return what a client lacks that is at `at`; None if the log must be asked, or is itself behind."""
        if at == self.position:
            return []
        if not (at.covers(self.before) and self.position.covers(at)):
            return None
        missed = [publication for publication in self._deletions if publication.position.deletions > at.deletions]
        deletions = [
            publication.at(self.namespace, at._replace(deletions=publication.position.deletions))
            for publication in missed
        ]
        return [publication.prepared for publication in (*deletions, *self._since(at.seq))]

    def _find_newest(self) -> Replay | None:
        entries = self._since(0, NEWEST)
        if self._size > REPLAY_BYTES and len(entries) > 1:  # longer offsets make longer entries
            self._forget_entries()
            entries = self._since(0, NEWEST)
        missed = list(islice(reversed(self._sizes), NEWEST - len(entries)))
        if self._known and len(entries) + len(missed) < NEWEST:
            return None
        if missed and (not entries or self._size + self._sizes[missed[0]] <= REPLAY_BYTES):
            return None  # since something was deleted, there is room for more
        last = entries[0].position.seq - 1 if entries else self.position.seq  # that is not sent
        first = missed[-1] if missed else last + 1
        return Replay(
            Position(first - 1, self.position.deletions),
            self.position,
            [join([entry.prepared for entry in entries])] if entries else [],
            (first, last) if missed else None,
        )

    def _forget(self, seq: int) -> None:
        """Note that an entry was deleted."""
        if (entry := self._entries.pop(seq, None)) is not None:
            self._size -= entry.prepared.size
        self._sizes.pop(seq, None)

    def _forget_entries(self) -> None:
        """Forget the oldest entries, and then the oldest sizes, until there are no longer too many."""
        while len(self._entries) > self._most or (len(self._entries) > 1 and self._size > REPLAY_BYTES):
            oldest = next(iter(self._entries))
            self._sizes[oldest] = self._entries.pop(oldest).prepared.size
            self._size -= self._sizes[oldest]
            self.before = self.before._replace(seq=oldest)
        while len(self._entries) + len(self._sizes) > self._most:
            self._known = next(iter(self._sizes))
            del self._sizes[self._known]

    def _forget_deletions(self) -> None:
        while len(self._deletions) > self._most or self._deletions_size > REPLAY_BYTES:
            first = self._deletions.popleft()
            self._deletions_size -= first.prepared.size
            self.before = self.before._replace(deletions=first.position.deletions)

    def _since(self, seq: int, count: int | None = None) -> list[Publication]:
        """Return the newest entries behind `seq`, at most `count`, with offsets for who has got all deletions."""
        found: list[int] = []
        for number in reversed(self._entries):
            if number <= seq or len(found) == count:
                break
            found.append(number)
        for number in found:
            old = self._entries[number]
            new = self._entries[number] = old.at(self.namespace, Position(number, self.position.deletions))
            self._size += new.prepared.size - old.prepared.size
        return [self._entries[number] for number in reversed(found)]


def format_offset(position: Position, namespace: str) -> str:
    """Return `position` in the log of a namespace as the offset that clients keep."""
    return f"{position.seq}.{position.deletions}.{namespace}"


def announcement(namespace: str, item: Item) -> tuple[Any, ...]:
    """Return what is published of an item: the arguments of `Feeds.receive`. Raises as `event_packets` does."""
    seq, deletions = item.position
    packets, size = event_packets(namespace, [item.event, item.data, f"{seq}.{deletions}.{namespace}"])
    return namespace, seq, deletions, item.deletes, packets, size


def pack_item(namespace: str, item: Item, position: Position) -> Publication:
    """Return an item as an event with the offset `position`. Raises as `event_packets` does."""
    packets, size = event_packets(namespace, [item.event, item.data, format_offset(position, namespace)])
    return Publication(position, item.deletes, PreparedMessage(packets, size))


def pack_items(namespace: str, at: Position, items: Iterable[Item]) -> list[Publication]:
    """Return a replay of `items` to who is at `at`."""
    packed = []
    for item in items:
        at = step(at, item)
        packed.append(pack_item(namespace, item, at))
    return packed


def step(at: Position, placed: Item | Publication) -> Position:
    """Return where somebody at `at` is after an entry or a deletion."""
    seq, deletions = placed.position
    return Position(seq, at.deletions) if placed.deletes is None else Position(at.seq, deletions)


def is_covered(placed: Item | Publication, position: Position) -> bool:
    """Return whether who is at `position` has got an entry or a deletion."""
    return position.covers(step(position, placed))


def farther(one: Position, other: Position) -> Position:
    """Return the position that covers both."""
    return Position(max(one.seq, other.seq), max(one.deletions, other.deletions))
