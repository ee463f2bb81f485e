"""Fan-out inside one process: rooms, their members, and one encoded message for all of them.

What is published waits for the end of the event loop's turn and is then joined: a target gets one write with
everything of that turn, in order. At low load that is no delay worth the name, for the flush is the next thing the
loop does; at high load the number of system calls falls by the size of the batch.

The alternatives: a write for each packet costs a system call for each delivery, which is most of its price; a
queue for each client costs several operations on it for each delivery, while here a room's messages are joined once
for all members. The price is a slower path for targets that in one turn get more than one room's messages, or some of
their own in between: theirs are collected one by one, to keep the order.

Mirrored maps, no `await`: what is true before a call is true after it. The hub knows neither connections nor
messages: a target has `deliver`, and `join` makes one message of several. A target that raises is told so by `fail`,
and the others get all that is theirs.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

Prepared = TypeVar("Prepared")
Handed = TypeVar("Handed", contravariant=True)


class Target(Protocol[Handed]):
    """Whoever writes to one client. No method waits, and `fail` raises nothing."""

    def deliver(self, prepared: Handed, /) -> None:
        """Write a message."""

    def send_volatile(self, prepared: Handed, /) -> None:
        """Write a message if it would be on its way at once, else drop it."""

    def fail(self, error: Exception, /) -> None:
        """Another method has raised `error`: end this client alone."""


class Post(NamedTuple, Generic[Prepared]):
    """A message that waits for the end of the turn: for a whole room, or else for `targets`."""

    prepared: Prepared
    room: str | None
    targets: Collection[Target[Prepared]]


class Hub(Generic[Prepared]):
    """Who is in which room of this process.

    `join` makes one message of several; `soon` calls a function at the end of the event loop's turn.
    """

    def __init__(
        self, join: Callable[[Sequence[Prepared]], Prepared], soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._join_prepared = join
        self._soon = soon
        self._members: dict[str, dict[str, Target[Prepared]]] = {}
        self._rooms: dict[str, set[str]] = {}
        self._targets: dict[str, Target[Prepared]] = {}
        self._waiting: list[Post[Prepared]] = []

    def join(self, room: str, member: str, target: Target[Prepared]) -> None:
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

    def publish(self, room: str, prepared: Prepared, skip: Collection[str] = ()) -> None:
        """Deliver `prepared` to everybody in `room` but `skip` at the end of this turn.

        The id of a member is a room with only that member; `skip` holds such ids and names of rooms.
        """
        members = self._members.get(room)
        if members is not None and not skip:
            self._wait(prepared, room, ())
        elif targets := self._find(room, skip):
            self._wait(prepared, None, targets)

    def send_volatile(self, room: str, prepared: Prepared, skip: Collection[str] = ()) -> None:
        """Publish at once, behind what waits, to those who can take it at once."""
        self.flush()
        self._send_volatile(prepared, self._find(room, skip))

    def send(self, target: Target[Prepared], prepared: Prepared) -> None:
        """Deliver `prepared` to one target, behind what was published before: at once if that is nothing."""
        if self._waiting:
            self._wait(prepared, None, (target,))
            return
        try:
            target.deliver(prepared)
        except Exception as error:
            target.fail(error)

    def send_volatile_to(self, target: Target[Prepared], prepared: Prepared) -> None:
        """Deliver `prepared` to one target, behind what was published before, if it can take it at once."""
        self.flush()
        self._send_volatile(prepared, (target,))

    def flush(self) -> None:
        """Deliver what waits."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        if len(waiting) == 1:
            prepared, room, targets = waiting[0]
            self._deliver(prepared, self._in(room) if room is not None else targets)
        else:
            self._flush_joined(waiting)

    def _deliver(self, prepared: Prepared, targets: Iterable[Target[Prepared]]) -> None:
        rest = iter(targets)  # the loop goes on where it was left
        while True:
            try:
                for target in rest:
                    target.deliver(prepared)
                return
            except Exception as error:
                target.fail(error)

    def _send_volatile(self, prepared: Prepared, targets: Iterable[Target[Prepared]]) -> None:
        for target in targets:
            try:
                target.send_volatile(prepared)
            except Exception as error:
                target.fail(error)

    def _wait(self, prepared: Prepared, room: str | None, targets: Collection[Target[Prepared]]) -> None:
        self._waiting.append(Post(prepared, room, targets))
        if len(self._waiting) == 1:
            self._soon(self.flush)

    def _find(self, room: str, skip: Collection[str]) -> list[Target[Prepared]]:
        members = self._members.get(room)
        if members is None:
            members = {room: self._targets[room]} if room in self._targets else {}
        skipped = set(skip).union(*(self._members.get(name, ()) for name in skip))
        return [target for member, target in members.items() if member not in skipped]

    def _in(self, room: str) -> list[Target[Prepared]]:
        """Return a snapshot: a delivery may end a connection, which leaves the room."""
        return list(self._members.get(room, {}).values())

    def _flush_joined(self, waiting: list[Post[Prepared]]) -> None:
        rooms: dict[str, list[Prepared]] = {}
        mixed: set[Target[Prepared]] = set()
        for prepared, room, targets in waiting:
            if room is None:
                mixed.update(targets)
            else:
                rooms.setdefault(room, []).append(prepared)
        members = {room: self._in(room) for room in rooms}
        if len(rooms) > 1:
            seen: set[Target[Prepared]] = set()
            for found in members.values():  # who is in several
                mixed |= seen.intersection(found)
                seen.update(found)
        self._flush_mixed(waiting, mixed, members)
        for room, messages in rooms.items():
            targets = members[room] if not mixed else [each for each in members[room] if each not in mixed]
            self._deliver(self._join_prepared(messages), targets)

    def _flush_mixed(
        self,
        waiting: list[Post[Prepared]],
        mixed: set[Target[Prepared]],
        members: dict[str, list[Target[Prepared]]],
    ) -> None:
        queues: dict[Target[Prepared], list[Prepared]] = {target: [] for target in mixed}
        mixed_in = {room: [target for target in targets if target in mixed] for room, targets in members.items()}
        for prepared, room, targets in waiting:
            for target in targets if room is None else mixed_in[room]:
                queues[target].append(prepared)
        for target, messages in queues.items():
            self._deliver(self._join_prepared(messages), (target,))
