"""Fan-out inside one process: rooms, their members, and one encoded packet for all of them.

Two mirrored maps, no `await`: what is true before a call is true after it. A member is an id and a
`Deliver`, so the hub knows neither connections nor transports.
"""

from collections.abc import Callable, Collection

Packets = tuple[str | bytes, ...]
Deliver = Callable[[Packets, int], None]


class Hub:
    """Who is in which room of this process."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Deliver]] = {}
        self._rooms: dict[str, set[str]] = {}

    def join(self, room: str, member: str, deliver: Deliver) -> None:
        """Put `member` into `room`; what is published there goes to `deliver`."""
        self._members.setdefault(room, {})[member] = deliver
        self._rooms.setdefault(member, set()).add(room)

    def leave(self, room: str, member: str) -> None:
        """Take `member` out of `room`; not being there is no error."""
        if member not in self._members.get(room, {}):
            return
        del self._members[room][member]
        if not self._members[room]:
            del self._members[room]
        self._rooms[member].remove(room)
        if not self._rooms[member]:
            del self._rooms[member]

    def forget(self, member: str) -> None:
        """Take `member` out of all its rooms."""
        for room in self._rooms.pop(member, set()):
            del self._members[room][member]
            if not self._members[room]:
                del self._members[room]

    def members(self, room: str) -> list[str]:
        """Return the ids of who is in `room`."""
        return list(self._members.get(room, ()))

    def rooms(self, member: str) -> list[str]:
        """Return the rooms that `member` is in."""
        return list(self._rooms.get(member, ()))

    def publish(self, room: str, packets: Packets, size: int, skip: Collection[str] = ()) -> int:
        """Deliver `packets` (`size` bytes) to everybody in `room` but `skip`; return to how many.

        Iterates over a snapshot: a delivery may end a connection, which leaves the room.
        """
        members = self._members.get(room)
        if members is None:
            return 0
        if not skip:
            deliveries = list(members.values())
        else:
            deliveries = [deliver for member, deliver in members.items() if member not in skip]
        for deliver in deliveries:
            deliver(packets, size)
        return len(deliveries)
