"""Who is in which room, on all processes, as one of them knows it. Without clock and network: `now` is an argument.

A person is counted once, however many tabs and processes they are on, and stays for `GRACE` seconds after the last tab
has gone, so that a reload is no event. Each process knows its own people and tells the others what changes, at most
once a second. A change costs the same in any room: people are kept in the order in which they came, and the
count is the length of that.

News may be lost. So all that a process says carries the digest of all its people, and it says something every few
seconds. Who finds that what it knows has another digest asks for all of it. The alternative, saying all of it every few
seconds, costs by the number of people, for nothing most of the time. A process that says nothing for the time
of a lease is dead, and its people leave.
"""

from collections import deque
from hashlib import blake2b
from itertools import islice
from typing import Any, NamedTuple

GRACE = 3.0
MOST_NAMES = 100

Rooms = dict[str, dict[str, str | None]]  # by slug and person the name, None for somebody who has left


class Person:
    """Somebody in a room: so many sockets here, so many other processes that say so."""

    __slots__ = ("elsewhere", "leaves_at", "name", "sockets")

    def __init__(self, name: str) -> None:
        self.name = name
        self.sockets = 0
        self.elsewhere = 0
        self.leaves_at: float | None = None  # of this process

    @property
    def here(self) -> bool:
        """Whether this process counts them."""
        return self.sockets > 0 or self.leaves_at is not None


class Word(NamedTuple):
    """What a process says to the others: changes, or with `full` all of its people, and the digest of these."""

    process: str
    digest: int
    full: bool
    rooms: Rooms


class Peer:
    """Another process: what it has said."""

    def __init__(self) -> None:
        self.people: dict[tuple[str, str], str] = {}  # by room and person the name
        self.digest = 0
        self.expires = 0.0
        self.asked_at = float("-inf")


class Presence:
    """The people of all rooms. `heartbeat`: seconds between words; `lease`: seconds until a silent process is dead."""

    def __init__(self, process: str, heartbeat: float, lease: float) -> None:
        self.process, self.heartbeat, self.lease = process, heartbeat, lease
        self.rooms: dict[str, dict[str, Person]] = {}
        self.peers: dict[str, Peer] = {}
        self.asked = False  # whether somebody wants to hear everything
        self._changed: set[str] = set()
        self._leaving: deque[tuple[float, str, str]] = deque()
        self._unsent: Rooms = {}
        self._digest = 0
        self._speaks_at = 0.0

    @property
    def waits(self) -> bool:
        """Whether there is something to be taken, or will be when time passes."""
        return bool(self._changed or self._leaving or self._unsent or self.peers or self.asked)

    def enter(self, room: str, key: str, name: str) -> None:
        """A socket of the person under `key` has entered."""
        person = self._find(room, key, name)
        if person.here and person.name != name:
            self._digest ^= mark(room, key, person.name) ^ mark(room, key, name)
            self._tell(room, key, name)
        elif not person.here:
            self._digest ^= mark(room, key, name)
            self._tell(room, key, name)
        self._rename(room, person, name)
        person.sockets += 1
        person.leaves_at = None

    def leave(self, room: str, key: str, now: float, grace: float | None = None) -> None:
        """A socket of a person has left that had entered; `grace` is by default that of a reload."""
        person = self.rooms[room][key]
        person.sockets -= 1
        if not person.sockets:
            person.leaves_at = now + (GRACE if grace is None else grace)
            entry = (person.leaves_at, room, key)
            (self._leaving.append if grace is None else self._leaving.appendleft)(entry)

    def attendance(self, room: str) -> dict[str, Any]:
        """Return what clients hear of who is in a room."""
        people = self.rooms.get(room, {})
        names = [person.name for person in islice(people.values(), MOST_NAMES)]
        return {"room": room, "count": len(people), "names": names}

    def take_changed(self, now: float) -> set[str]:
        """Return the rooms in which anything has changed since this was asked last."""
        while self._leaving and self._leaving[0][0] <= now:
            self._depart(*self._leaving.popleft())
        for process in [process for process, peer in self.peers.items() if peer.expires <= now]:
            self._forget(process)
        changed, self._changed = self._changed, set()
        return changed

    def word(self, now: float) -> Word | None:
        """Return what the other processes have to hear now, if anything."""
        if not (self._unsent or self.asked or (self._digest and now >= self._speaks_at)):
            return None
        rooms = self._own() if self.asked else self._unsent
        word = Word(self.process, self._digest, self.asked, rooms)
        self._unsent, self.asked, self._speaks_at = {}, False, now + self.heartbeat
        return word

    def hear(self, word: Word, now: float) -> bool:
        """Take another process's word; return whether to ask it for everything."""
        peer = self.peers.setdefault(word.process, Peer())
        peer.expires = now + self.lease
        if word.full:
            gone = [(room, key) for room, key in peer.people if key not in word.rooms.get(room, {})]
            for room, key in gone:
                self._take(peer, room, key, None)
        for room, people in word.rooms.items():
            for key, name in people.items():
                self._take(peer, room, key, name)
        if peer.digest == word.digest or now < peer.asked_at + self.heartbeat:
            return False
        peer.asked_at = now
        return True

    def remove_process(self, process: str, now: float) -> None:
        """Another process says that it ends: its people have the time of a reload to appear elsewhere."""
        if (peer := self.peers.get(process)) is not None:
            peer.expires = min(peer.expires, now + GRACE)

    def _find(self, room: str, key: str, name: str) -> Person:
        people = self.rooms.setdefault(room, {})
        if (person := people.get(key)) is None:
            person = people[key] = Person(name)
            self._changed.add(room)
        return person

    def _rename(self, room: str, person: Person, name: str) -> None:
        if person.name != name:
            person.name = name
            self._changed.add(room)

    def _tell(self, room: str, key: str, name: str | None) -> None:
        self._unsent.setdefault(room, {})[key] = name

    def _depart(self, due: float, room: str, key: str) -> None:
        """The grace of somebody is over, unless they came back."""
        person = self.rooms.get(room, {}).get(key)
        if person is None or person.leaves_at != due:
            return
        person.leaves_at = None
        self._digest ^= mark(room, key, person.name)
        self._tell(room, key, None)
        self._drop_if_gone(room, key, person)

    def _drop_if_gone(self, room: str, key: str, person: Person) -> None:
        if person.here or person.elsewhere:
            return
        people = self.rooms[room]
        del people[key]
        if not people:
            del self.rooms[room]
        self._changed.add(room)

    def _take(self, peer: Peer, room: str, key: str, name: str | None) -> None:
        """Note what a process says of one person."""
        before = peer.people.pop((room, key), None)
        if before is not None:
            peer.digest ^= mark(room, key, before)
        if name is not None:
            peer.digest ^= mark(room, key, name)
            peer.people[room, key] = name
            person = self._find(room, key, name)
            person.elsewhere += before is None
            if not person.here:
                self._rename(room, person, name)
        elif before is not None:
            person = self.rooms[room][key]
            person.elsewhere -= 1
            self._drop_if_gone(room, key, person)

    def _forget(self, process: str) -> None:
        peer = self.peers.pop(process)
        for room, key in list(peer.people):
            self._take(peer, room, key, None)

    def _own(self) -> Rooms:
        own: Rooms = {}
        for room, people in self.rooms.items():
            if here := {key: person.name for key, person in people.items() if person.here}:
                own[room] = dict(here)
        return own


def mark(room: str, key: str, name: str) -> int:
    """Return the part of one person in a room in a digest, which is the exclusive or of all of them."""
    text = f"{room}\0{key}\0{name}".encode(errors="replace")
    return int.from_bytes(blake2b(text, digest_size=8).digest())
