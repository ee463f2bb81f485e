"""Rooms and fan-out: by example, and against a model of plain sets."""

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain, repeat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from channels_socketio.fanout.hub import Hub

PreparedMessage = tuple[str, ...]
LOG: PreparedMessage = ("news",)


class Box:
    """A target: keeps what is delivered, each parcel as it came."""

    def __init__(self, busy: bool = False) -> None:
        self.received: list[PreparedMessage] = []
        self.busy = busy

    def deliver(self, prepared: PreparedMessage) -> None:
        """Take a parcel."""
        self.received.append(prepared)

    def send_volatile(self, prepared: PreparedMessage) -> None:
        """Take a parcel unless busy."""
        if not self.busy:
            self.deliver(prepared)

    def fail(self, error: Exception) -> None:
        """Take no error."""
        raise AssertionError from error


class Turns:
    """The end of the loop's turn, when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def soon(self, call: Callable[[], None]) -> None:
        """Have `call` called at the end of the turn."""
        self.due.append(call)

    def end(self) -> None:
        """End the turn."""
        due, self.due = self.due, []
        for call in due:
            call()


def join(messages: Sequence[PreparedMessage]) -> PreparedMessage:
    """Make one parcel of several."""
    return messages[0] if len(messages) == 1 else tuple(word for prepared in messages for word in prepared)


def filled(rooms: dict[str, Collection[str]]) -> tuple[Hub[PreparedMessage], Turns, dict[str, Box]]:
    """Return a hub with the members of `rooms`, its turns, and their boxes."""
    turns = Turns()
    hub: Hub[PreparedMessage] = Hub(join, turns.soon)
    boxes = {member: Box() for members in rooms.values() for member in members}
    for room, members in rooms.items():
        for member in members:
            hub.join(room, member, boxes[member])
    return hub, turns, boxes


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
    hub, turns, boxes = filled({"/tea": "abc", "/milk": "bcd"})
    hub.publish(target, LOG, skip)
    turns.end()
    hub.send_volatile(target, LOG, skip)
    expected = {member: [LOG, LOG] if member in receivers else [] for member in boxes}
    assert {member: box.received for member, box in boxes.items()} == expected


def test_nothing_is_delivered_before_the_turn_ends_and_nothing_twice() -> None:
    hub, turns, boxes = filled({"/tea": "ab"})
    hub.publish("/tea", LOG)
    assert boxes["a"].received == []
    turns.end()
    turns.end()
    assert boxes["a"].received == boxes["b"].received == [LOG]
    assert boxes["a"].received[0] is boxes["b"].received[0] is LOG


def test_what_a_room_gets_in_one_turn_is_joined_once_for_all() -> None:
    hub, turns, boxes = filled({"/tea": "abc"})
    for word in ("one", "two", "three"):
        hub.publish("/tea", (word,))
    assert len(turns.due) == 1
    turns.end()
    (prepared,) = boxes["a"].received
    assert prepared == ("one", "two", "three")
    assert all(box.received[0] is prepared for box in boxes.values())


def test_a_target_gets_one_parcel_a_turn_in_the_order_of_all_that_is_for_it() -> None:
    hub, turns, boxes = filled({"/tea": "ab", "/milk": "bc"})
    hub.publish("/tea", ("1",))
    hub.send(boxes["a"], ("2",))
    hub.publish("/milk", ("3",))
    hub.publish("/tea", ("4",), skip=["b"])
    hub.publish("b", ("5",))
    hub.publish("/tea", ("6",))
    turns.end()
    expected = {"a": [("1", "2", "4", "6")], "b": [("1", "3", "5", "6")], "c": [("3",)]}
    assert {member: box.received for member, box in boxes.items()} == expected


def test_what_is_sent_to_one_target_goes_at_once_unless_something_waits() -> None:
    hub, turns, boxes = filled({"/tea": "a"})
    hub.send(boxes["a"], ("1",))
    assert boxes["a"].received == [("1",)]
    hub.publish("/tea", ("2",))
    hub.send(boxes["a"], ("3",))
    assert boxes["a"].received == [("1",)]
    turns.end()
    assert boxes["a"].received == [("1",), ("2", "3")]


def test_an_offer_goes_behind_what_waits_and_not_to_the_busy() -> None:
    hub, _, boxes = filled({"/tea": "ab"})
    boxes["b"].busy = True
    hub.publish("/tea", ("1",))
    hub.send_volatile("/tea", ("2",))
    assert (boxes["a"].received, boxes["b"].received) == ([("1",), ("2",)], [("1",)])


def test_who_joins_gets_nothing_of_before_and_who_leaves_all_of_it() -> None:
    hub, turns, boxes = filled({"/tea": "abc"})
    late = Box()
    hub.publish("/tea", LOG)
    hub.join("/tea", "late", late)
    hub.publish("/tea", LOG)
    hub.leave("/tea", "a")
    hub.publish("/tea", LOG)
    hub.forget("b")
    hub.publish("/tea", LOG)
    turns.end()
    assert [len(box.received) for box in (boxes["a"], boxes["b"], boxes["c"], late)] == [2, 3, 4, 3]


def test_joining_again_replaces_the_way_to_the_member() -> None:
    hub, turns, boxes = filled({"/tea": "a"})
    again = Box()
    hub.join("/tea", "a", again)
    hub.publish("/tea", LOG)
    hub.publish("a", LOG)
    turns.end()
    assert (again.received, boxes["a"].received) == ([("news", "news")], [])


@pytest.mark.parametrize("posts", [1, 2])
def test_a_delivery_may_end_any_member_without_upsetting_the_others(posts: int) -> None:
    hub, turns, _ = filled({})

    class LeavingBox(Box):
        def deliver(self, prepared: PreparedMessage) -> None:
            super().deliver(prepared)
            for member in "abc":
                hub.forget(member)

    boxes = [LeavingBox() for _ in "abc"]
    for member, box in zip("abc", boxes, strict=True):
        hub.join("/tea", member, box)
    for _ in range(posts):
        hub.publish("/tea", LOG)
    turns.end()
    assert [len(box.received) for box in boxes] == [1, 1, 1]
    assert hub.members("/tea") == []


def test_of_who_has_left_nothing_is_kept() -> None:
    hub, turns, boxes = filled({"/tea": "ab", "/milk": "b"})
    for room, member in (("/tea", "a"), ("/tea", "a"), ("/milk", "a"), ("/empty", "b"), ("/tea", "nobody")):
        hub.leave(room, member)
    assert hub.members("/tea") == ["b"]
    hub.leave("/tea", "b")
    for target in ("/tea", "a"):
        hub.publish(target, LOG)
    hub.forget("b")
    hub.forget("b")
    assert (hub._members, hub._rooms, hub._targets, turns.due) == ({}, {}, {}, [])
    assert all(box.received == [] for box in boxes.values())


def test_a_list_of_members_is_a_copy() -> None:
    hub, _, _ = filled({"/tea": "ab"})
    hub.members("/tea").clear()
    assert hub.members("/tea") == ["a", "b"]


class Faulty(Box):
    """A target that raises now and then, as `faults` says, and then no more."""

    def __init__(self, faults: Iterator[bool]) -> None:
        super().__init__()
        self.faults = faults
        self.errors: list[Exception] = []

    def deliver(self, prepared: PreparedMessage) -> None:
        if not self.errors and next(self.faults):
            raise LookupError(prepared)
        super().deliver(prepared)

    def fail(self, error: Exception) -> None:
        self.errors.append(error)


FAULTY_STEPS = st.lists(
    st.sampled_from(["publish /a", "publish /b", "publish 1", "offer /a", "offer 2", "send", "offer to", "end turn"]),
    max_size=12,
)


@given(FAULTY_STEPS, st.lists(st.booleans(), max_size=12))
def test_whoever_raises_all_others_get_everything_in_order(steps: list[str], faults: list[bool]) -> None:
    """Each faulty target is told of its error once for each; the twins that never raise are the measure."""
    hubs = []
    for chances in (chain(faults, repeat(False)), repeat(False)):
        turns = Turns()
        hub: Hub[PreparedMessage] = Hub(join, turns.soon)
        boxes = [Faulty(chances) if number % 2 else Box() for number in range(5)]
        for number, box in enumerate(boxes):
            hub.join("/a", str(number), box)
            if number != 3:
                hub.join("/b", str(number), box)
        for number, step in enumerate(steps):
            do(hub, turns, boxes, step, (str(number),))
        turns.end()
        hubs.append(boxes)
    for mine, twin in zip(*hubs, strict=True):
        if isinstance(mine, Faulty) and mine.errors:
            assert len(mine.errors) == 1
        else:
            assert mine.received == twin.received


def do(hub: Hub[PreparedMessage], turns: Turns, boxes: list[Box], step: str, prepared: PreparedMessage) -> None:
    """Do one of FAULTY_STEPS."""
    match step.split():
        case "publish", room:
            hub.publish(room, prepared)
        case "offer", "to":
            hub.send_volatile_to(boxes[1], prepared)
        case "offer", room:
            hub.send_volatile(room, prepared)
        case "send", *_:
            hub.send(boxes[1], prepared)
        case _:
            turns.end()


ROOMS = st.sampled_from(["/", "/tea", "/milk"])
MEMBERS = st.sampled_from("abcd")
NAMES = st.lists(ROOMS | MEMBERS, max_size=3)


class HubMachine(RuleBasedStateMachine):
    """Over any number of turns, each member gets what a set of pairs (room, member) says, in order, once."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = Turns()
        self.hub: Hub[PreparedMessage] = Hub(join, self.turns.soon)
        self.pairs: set[tuple[str, str]] = set()
        self.boxes = {member: Box() for member in "abcd"}
        self.expected: dict[str, list[str]] = {member: [] for member in "abcd"}
        self.words = map(str, itertools.count())

    @rule(room=ROOMS, member=MEMBERS)
    def join(self, room: str, member: str) -> None:
        self.hub.join(room, member, self.boxes[member])
        self.pairs.add((room, member))

    @rule(room=ROOMS, member=MEMBERS)
    def leave(self, room: str, member: str) -> None:
        self.hub.leave(room, member)
        self.pairs.discard((room, member))

    @rule(member=MEMBERS)
    def forget(self, member: str) -> None:
        self.hub.forget(member)
        self.pairs = {pair for pair in self.pairs if pair[1] != member}

    @rule(name=ROOMS | MEMBERS, skip=NAMES, volatile=st.booleans())
    def publish(self, name: str, skip: list[str], volatile: bool) -> None:
        receivers = {member for room, member in self.pairs if name in (room, member)}
        receivers -= {member for room, member in self.pairs if room in skip or member in skip}
        word = next(self.words)
        (self.hub.send_volatile if volatile else self.hub.publish)(name, (word,), skip)
        for member in receivers:
            self.expected[member].append(word)

    @rule(member=MEMBERS)
    def send(self, member: str) -> None:
        word = next(self.words)
        self.hub.send(self.boxes[member], (word,))
        self.expected[member].append(word)

    @rule()
    def end_turn(self) -> None:
        before = {member: len(box.received) for member, box in self.boxes.items()}
        self.turns.end()
        for member, box in self.boxes.items():
            assert len(box.received) - before[member] <= 1
            assert [word for prepared in box.received for word in prepared] == self.expected[member]

    @invariant()
    def the_maps_are_mirrored(self) -> None:
        for room in ("/", "/tea", "/milk"):
            assert set(self.hub.members(room)) == {member for name, member in self.pairs if name == room}
        for member in "abcd":
            assert self.hub._rooms.get(member, set()) == {room for room, name in self.pairs if name == member}

    @invariant()
    def nothing_empty_is_kept(self) -> None:
        rooms, members = {room for room, _ in self.pairs}, {member for _, member in self.pairs}
        assert self.hub._members.keys() == rooms
        assert self.hub._rooms.keys() == self.hub._targets.keys() == members


TestHubAgainstSets = HubMachine.TestCase
TestHubAgainstSets.settings = settings(deadline=None, max_examples=100, stateful_step_count=30)
