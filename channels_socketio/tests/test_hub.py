"""Rooms and fan-out: by example, and against a model of plain sets."""

from collections.abc import Collection

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channels_socketio.hub import Hub, Packets

PACKETS: Packets = ("42[]", b"\x01")


class Mailbox:
    """A member's end: keeps what is delivered."""

    def __init__(self) -> None:
        self.received: list[tuple[Packets, int, bool]] = []

    def deliver(self, packets: Packets, size: int, volatile: bool) -> None:
        """Take a delivery."""
        self.received.append((packets, size, volatile))


def filled(rooms: dict[str, Collection[str]]) -> tuple[Hub, dict[str, Mailbox]]:
    """Return a hub with the members of `rooms`, and their mailboxes."""
    hub, boxes = Hub(), {member: Mailbox() for members in rooms.values() for member in members}
    for room, members in rooms.items():
        for member in members:
            hub.join(room, member, boxes[member].deliver)
    return hub, boxes


@pytest.mark.parametrize(
    ("target", "skip", "receivers"),
    [
        ("/tea", [], "abc"),
        ("/tea", ["b"], "ac"),
        ("/tea", ["b", "nobody"], "ac"),
        ("/tea", ["/milk"], "a"),  # a room in skip stands for its members
        ("/tea", ["/milk", "a"], ""),
        ("/tea", ["/empty"], "abc"),
        ("/tea", ["/tea"], ""),
        ("/milk", [], "bcd"),
        ("/empty", [], ""),
        ("a", [], "a"),  # a member's id is a room of its own
        ("a", ["a"], ""),
        ("a", ["/tea"], ""),
        ("a", ["/milk"], "a"),
        ("nobody", [], ""),
    ],
)
def test_a_publication_reaches_whom_it_is_addressed_to(target: str, skip: list[str], receivers: str) -> None:
    hub, boxes = filled({"/tea": "abc", "/milk": "bcd"})
    assert hub.publish(target, PACKETS, 5, skip) == len(receivers)
    assert "".join(member for member, box in boxes.items() if box.received) == receivers
    assert all(boxes[member].received == [(PACKETS, 5, False)] for member in receivers)


def test_the_packets_are_handed_on_as_they_are() -> None:
    """They are encoded once: everybody gets the same objects."""
    hub, boxes = filled({"/tea": "ab"})
    hub.publish("/tea", PACKETS, 5, volatile=True)
    (first, size, volatile), (second, _, _) = (boxes[member].received[0] for member in "ab")
    assert first is second is PACKETS
    assert (size, volatile) == (5, True)


def test_joining_again_replaces_the_way_to_the_member() -> None:
    hub, boxes = filled({"/tea": "a"})
    again = Mailbox()
    hub.join("/tea", "a", again.deliver)
    assert hub.publish("/tea", PACKETS, 5) == hub.publish("a", PACKETS, 5) == 1
    assert (len(again.received), boxes["a"].received) == (2, [])


def test_a_delivery_may_end_any_member_without_upsetting_the_others() -> None:
    hub = Hub()
    received = []

    def leave_all(packets: Packets, size: int, volatile: bool) -> None:
        received.append(packets)
        for member in "abc":
            hub.forget(member)

    for member in "abc":
        hub.join("/tea", member, leave_all)
    assert hub.publish("/tea", PACKETS, 5) == 3
    assert len(received) == 3
    assert hub.publish("/tea", PACKETS, 5) == 0


def test_a_delivery_may_bring_a_member_that_waits_for_the_next_publication() -> None:
    hub, late = Hub(), Mailbox()
    hub.join("/tea", "a", lambda packets, size, volatile: hub.join("/tea", "late", late.deliver))
    assert hub.publish("/tea", PACKETS, 5) == 1
    assert late.received == []
    assert hub.publish("/tea", PACKETS, 5) == 2


def test_of_who_has_left_nothing_is_kept() -> None:
    hub, boxes = filled({"/tea": "ab", "/milk": "b"})
    for room, member in (("/tea", "a"), ("/tea", "a"), ("/milk", "a"), ("/empty", "b"), ("/tea", "nobody")):
        hub.leave(room, member)
    assert (hub.members("/tea"), hub.rooms("a")) == (["b"], [])
    hub.leave("/tea", "b")
    assert hub.publish("/tea", PACKETS, 5) == hub.publish("a", PACKETS, 5) == 0
    hub.forget("b")
    hub.forget("b")
    assert (hub._members, hub._rooms, hub._delivers) == ({}, {}, {})
    assert all(box.received == [] for box in boxes.values())


def test_lists_of_members_and_rooms_are_copies() -> None:
    hub, _ = filled({"/tea": "ab"})
    hub.members("/tea").clear()
    hub.rooms("a").clear()
    assert (hub.members("/tea"), hub.rooms("a")) == (["a", "b"], ["/tea"])


ROOMS = st.sampled_from(["/", "/tea", "/milk"])
MEMBERS = st.sampled_from("abcd")
NAMES = st.lists(ROOMS | MEMBERS, max_size=3)


class HubMachine(RuleBasedStateMachine):
    """The hub does what a set of pairs (room, member) would do, and keeps nothing that is empty."""

    def __init__(self) -> None:
        super().__init__()
        self.hub = Hub()
        self.pairs: set[tuple[str, str]] = set()
        self.boxes = {member: Mailbox() for member in "abcd"}

    @rule(room=ROOMS, member=MEMBERS)
    def join(self, room: str, member: str) -> None:
        self.hub.join(room, member, self.boxes[member].deliver)
        self.pairs.add((room, member))

    @rule(room=ROOMS, member=MEMBERS)
    def leave(self, room: str, member: str) -> None:
        self.hub.leave(room, member)
        self.pairs.discard((room, member))

    @rule(member=MEMBERS)
    def forget(self, member: str) -> None:
        self.hub.forget(member)
        self.pairs = {pair for pair in self.pairs if pair[1] != member}

    @rule(name=ROOMS | MEMBERS, skip=NAMES)
    def publish(self, name: str, skip: list[str]) -> None:
        expected = {member for room, member in self.pairs if name in (room, member)}
        expected -= {member for room, member in self.pairs if room in skip or member in skip}
        assert self.hub.publish(name, PACKETS, 5, skip) == len(expected)
        assert {member for member, box in self.boxes.items() if box.received} == expected
        for box in self.boxes.values():
            assert len(box.received) <= 1
            box.received.clear()

    @invariant()
    def the_maps_are_mirrored(self) -> None:
        for room in ("/", "/tea", "/milk"):
            assert set(self.hub.members(room)) == {member for name, member in self.pairs if name == room}
        for member in "abcd":
            assert set(self.hub.rooms(member)) == {room for room, name in self.pairs if name == member}

    @invariant()
    def nothing_empty_is_kept(self) -> None:
        rooms, members = {room for room, _ in self.pairs}, {member for _, member in self.pairs}
        assert self.hub._members.keys() == rooms
        assert self.hub._rooms.keys() == self.hub._delivers.keys() == members


TestHubAgainstSets = HubMachine.TestCase
TestHubAgainstSets.settings = settings(deadline=None, max_examples=50, stateful_step_count=30)
