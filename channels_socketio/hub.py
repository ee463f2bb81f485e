"""Fan-out inside one process: rooms, their members, and one encoded parcel for all of them.

What is published waits for the end of the event loop's turn and is then joined: a target gets one write with
everything of that turn, in order. At low load that is no delay worth the name, for the flush is the next thing the
loop does; at high load the number of system calls falls by the size of the batch.

The alternatives: a write for each packet costs a system call for each delivery, which is most of its price; a
queue for each client costs several operations on it for each delivery, while here a room's parcels are joined once
for all members. The price is a slower path for targets that in one turn get more than one room's parcels, or some of
their own in between: theirs are collected one by one, to keep the order.

Mirrored maps, no `await`: what is true before a call is true after it. The hub knows neither connections nor
parcels: a target has `deliver`, and `join` makes one parcel of several. A target that raises is told so by `fail`, and
the others get all that is theirs.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

Parcel = TypeVar("Parcel")
Handed = TypeVar("Handed", contravariant=True)


class Target(Protocol[Handed]):
    """Whoever writes to one client. No method waits, and `fail` raises nothing."""

    def deliver(self, parcel: Handed, /) -> None:
        """Write a parcel."""

    def offer(self, parcel: Handed, /) -> None:
        """Write a parcel if it would be on its way at once, else drop it."""

    def fail(self, error: Exception, /) -> None:
        """Another method has raised `error`: end this client alone."""


class Post(NamedTuple, Generic[Parcel]):
    """A parcel that waits for the end of the turn: for a whole room, or else for `targets`."""

    parcel: Parcel
    room: str | None
    targets: Collection[Target[Parcel]]


class Hub(Generic[Parcel]):
    """Who is in which room of this process.

    `join` makes one parcel of several; `soon` calls a function at the end of the event loop's turn.
    """

    def __init__(
        self, join: Callable[[Sequence[Parcel]], Parcel], soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._join_parcels = join
        self._soon = soon
        self._members: dict[str, dict[str, Target[Parcel]]] = {}
        self._rooms: dict[str, set[str]] = {}
        self._targets: dict[str, Target[Parcel]] = {}
        self._waiting: list[Post[Parcel]] = []

    def join(self, room: str, member: str, target: Target[Parcel]) -> None:
        """Put `member` into `room`; what is published there from now on goes to `target`."""
        self.flush()
        self._members.setdefault(room, {})[member] = target
        self._rooms.setdefault(member, set()).add(room)
        self._targets[member] = target

    def leave(self, room: str, member: str) -> None:
        """Take `member` out of `room`; not being there is no error."""
        if member not in self._members.get(room, {}):
            return
        self.flush()
        del self._members[room][member]
        if not self._members[room]:
            del self._members[room]
        self._rooms[member].remove(room)
        if not self._rooms[member]:
            del self._rooms[member]
            del self._targets[member]

    def forget(self, member: str) -> None:
        """Take `member` out of all its rooms."""
        if member in self._targets:
            self.flush()
        self._targets.pop(member, None)
        for room in self._rooms.pop(member, set()):
            del self._members[room][member]
            if not self._members[room]:
                del self._members[room]

    def members(self, room: str) -> list[str]:
        """Return the ids of who is in `room`."""
        return list(self._members.get(room, ()))

    def occupied(self, room: str) -> bool:
        """Return whether anybody is in `room`."""
        return room in self._members

    def publish(self, room: str, parcel: Parcel, skip: Collection[str] = ()) -> None:
        """Deliver `parcel` to everybody in `room` but `skip` at the end of this turn.

        The id of a member is a room with only that member; `skip` holds such ids and names of rooms.
        """
        members = self._members.get(room)
        if members is not None and not skip:
            self._wait(parcel, room, ())
        elif targets := self._find(room, skip):
            self._wait(parcel, None, targets)

    def offer(self, room: str, parcel: Parcel, skip: Collection[str] = ()) -> None:
        """Publish at once, behind what waits, to those who can take it at once."""
        self.flush()
        self._offer(parcel, self._find(room, skip))

    def send(self, target: Target[Parcel], parcel: Parcel) -> None:
        """Deliver `parcel` to one target, behind what was published before: at once if that is nothing."""
        if self._waiting:
            self._wait(parcel, None, (target,))
            return
        try:
            target.deliver(parcel)
        except Exception as error:
            target.fail(error)

    def offer_to(self, target: Target[Parcel], parcel: Parcel) -> None:
        """Deliver `parcel` to one target, behind what was published before, if it can take it at once."""
        self.flush()
        self._offer(parcel, (target,))

    def flush(self) -> None:
        """Deliver what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            parcel, room, targets = waiting[0]
            self._deliver(parcel, self._in(room) if room is not None else targets)
        else:
            self._flush_joined(waiting)

    def _deliver(self, parcel: Parcel, targets: Iterable[Target[Parcel]]) -> None:
        rest = iter(targets)  # the loop goes on where it was left
        while True:
            try:
                for target in rest:
                    target.deliver(parcel)
                return
            except Exception as error:
                target.fail(error)

    def _offer(self, parcel: Parcel, targets: Iterable[Target[Parcel]]) -> None:
        for target in targets:
            try:
                target.offer(parcel)
            except Exception as error:
                target.fail(error)

    def _wait(self, parcel: Parcel, room: str | None, targets: Collection[Target[Parcel]]) -> None:
        self._waiting.append(Post(parcel, room, targets))
        if len(self._waiting) == 1:
            self._soon(self.flush)

    def _find(self, room: str, skip: Collection[str]) -> list[Target[Parcel]]:
        members = self._members.get(room)
        if members is None:
            members = {room: self._targets[room]} if room in self._targets else {}
        skipped = set(skip).union(*(self._members.get(name, ()) for name in skip))
        return [target for member, target in members.items() if member not in skipped]

    def _in(self, room: str) -> list[Target[Parcel]]:
        """Return a snapshot: a delivery may end a connection, which leaves the room."""
        return list(self._members.get(room, {}).values())

    def _flush_joined(self, waiting: list[Post[Parcel]]) -> None:
        rooms: dict[str, list[Parcel]] = {}
        mixed: set[Target[Parcel]] = set()
        for parcel, room, targets in waiting:
            if room is None:
                mixed.update(targets)
            else:
                rooms.setdefault(room, []).append(parcel)
        members = {room: self._in(room) for room in rooms}
        if len(rooms) > 1:
            mixed |= in_several(members.values())
        self._flush_mixed(waiting, mixed, members)
        for room, parcels in rooms.items():
            targets = members[room] if not mixed else [each for each in members[room] if each not in mixed]
            self._deliver(self._join_parcels(parcels), targets)

    def _flush_mixed(
        self,
        waiting: list[Post[Parcel]],
        mixed: set[Target[Parcel]],
        members: dict[str, list[Target[Parcel]]],
    ) -> None:
        queues: dict[Target[Parcel], list[Parcel]] = {target: [] for target in mixed}
        mixed_in = {room: [target for target in targets if target in mixed] for room, targets in members.items()}
        for parcel, room, targets in waiting:
            for target in targets if room is None else mixed_in[room]:
                queues[target].append(parcel)
        for target, parcels in queues.items():
            self._deliver(self._join_parcels(parcels), (target,))


def in_several(groups: Collection[list[Target[Parcel]]]) -> set[Target[Parcel]]:
    """Return the targets that are in more than one of `groups`."""
    seen: set[Target[Parcel]] = set()
    several: set[Target[Parcel]] = set()
    for group in groups:
        distinct = set(group)
        several |= seen & distinct
        seen |= distinct
    return several
