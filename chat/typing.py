"""Who is typing in which room. Without clock and network: `now` is an argument.

What a client says has an effect every `PAUSE` seconds at most, and for `LASTING` seconds unless it says it again or
the message comes. All this is fleeting: what is lost is forgotten soon.
"""

from itertools import islice

PAUSE = 1.8  # a little less than the two seconds of the page, whose clock is another one
LASTING = 5.0
STOPPED = float("-inf")
MOST_NAMES = 10
MOST_TYPING = 1000  # in one room; more are not looked at


class TypingPerson:
    """Somebody who is typing, or was a moment ago."""

    __slots__ = ("name", "pauses_until", "types_until")

    def __init__(self, name: str, now: float) -> None:
        self.name = name
        self.pauses_until = now + PAUSE
        self.types_until = now + LASTING


class Typing:
    """Who is typing, in all rooms."""

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, TypingPerson]] = {}
        self._changed: set[str] = set()

    def type(self, room: str, key: str, name: str, now: float) -> bool:
        """Note that the person under `key` is typing; return whether that has an effect."""
        typing_state = self.rooms.setdefault(room, {})
        before = typing_state.get(key)
        if (before is None and len(typing_state) >= MOST_TYPING) or (before is not None and now < before.pauses_until):
            return False
        typing_state[key] = TypingPerson(name, now)
        self._changed.add(room)
        return True

    def stop(self, room: str, key: str, now: float) -> bool:
        """Note that a person types no more; return whether they did."""
        person = self.rooms.get(room, {}).get(key)
        if person is None or person.types_until <= now:
            return False
        person.types_until = STOPPED
        self._changed.add(room)
        return True

    def names(self, room: str, now: float) -> list[str]:
        """Return the names of who is typing, at most some of them."""
        typing = (person.name for person in self.rooms.get(room, {}).values() if person.types_until > now)
        return list(islice(typing, MOST_NAMES))

    def take_changed(self, now: float) -> set[str]:
        """Return the rooms in which anything has changed since this was asked last, and forget who is done."""
        for room, typing_state in list(self.rooms.items()):
            for key, person in list(typing_state.items()):
                if person.types_until <= now and person.pauses_until <= now:
                    del typing_state[key]
                    if person.types_until != STOPPED:
                        self._changed.add(room)
            if not typing_state:
                del self.rooms[room]
        changed, self._changed = self._changed, set()
        return changed
