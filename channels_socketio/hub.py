"""Fan-out inside one process: rooms, their members, and one encoded packet for all of them.

Two mirrored maps, no `await`: what is true before a call is true after it. A member is an id and a
`Deliver`, so the hub knows neither connections nor transports.
"""

from collections.abc import Callable, Collection

Packets = tuple[str | bytes, ...]
Deliver = Callable[[Packets, int, bool], None]


class Hub:
    """Who is in which room of this process."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, Deliver]] = {}
        self._delivers: dict[str, Deliver] = {}
        self._rooms: dict[str, set[str]] = {}

    def join(self, room: str, member: str, deliver: Deliver) -> None:
        """Put `member` into `room`; what is published there goes to `deliver`."""
        self._members.setdefault(room, {})[member] = deliver
        self._rooms.setdefault(member, set()).add(room)
        self._delivers[member] = deliver

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
            del self._delivers[member]

    def forget(self, member: str) -> None:
        """Take `member` out of all its rooms."""
        self._delivers.pop(member, None)
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

    def publish(
        self, room: str, packets: Packets, size: int, skip: Collection[str] = (), volatile: bool = False
    ) -> int:
        """Deliver `packets` (`size` bytes) to everybody in `room` but `skip`; return to how many.

        The id of a member is a room with only that member; `skip` holds such ids and names of rooms. Iterates
        over a snapshot: a delivery may end a connection, which leaves the room.
        """
        members = self._members.get(room)
        if members is None:
            if room not in self._delivers or room in skip:
                return 0
            members = {room: self._delivers[room]}
        if not skip:
            deliveries = list(members.values())
        else:
            skipped = set(skip).union(*(self._members.get(name, ()) for name in skip))
            deliveries = [deliver for member, deliver in members.items() if member not in skipped]
        for deliver in deliveries:
            deliver(packets, size, volatile)
        return len(deliveries)
