"""Who is in which room: people, not tabs, on one process and on several, with a clock of the tests' own."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat.presence_state import GRACE, MOST_NAMES, Presence

HEARTBEAT, LEASE = 5.0, 20.0


class Network:
    """Processes that tell each other what they have to say; every `lost`th word is lost."""

    def __init__(self, *names: str, lost: float = 0.0) -> None:
        self.processes = {name: Presence(name, HEARTBEAT, LEASE) for name in names}
        self.now = 0.0
        self.lost = lost
        self.words = 0
        self._chance = random.Random(1)

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, a tick a second, as `RoomPresence` has it."""
        end = self.now + seconds
        while self.now < end:
            self.now += 1.0
            for process in list(self.processes.values()):
                process.take_changed(self.now)
                self.speak(process)

    def speak(self, process: Presence) -> None:
        word = process.word(self.now)
        if word is None:
            return
        self.words += 1
        for other in self.processes.values():
            if other is not process and self._chance.random() >= self.lost and other.hear(word, self.now):
                process.asked = True

    def counts(self, room: str) -> set[int]:
        """Return how many people each process knows in a room."""
        return {process.attendance(room)["count"] for process in self.processes.values()}


@pytest.fixture
def alone() -> Presence:
    """One process."""
    return Presence("a", HEARTBEAT, LEASE)


def test_somebody_is_there_from_the_first_socket_to_a_while_after_the_last(alone: Presence) -> None:
    alone.enter("tea", "v1", "42")
    assert alone.take_changed(0) == {"tea"}
    assert alone.attendance("tea") == {"room": "tea", "count": 1, "names": ["42"]}
    alone.leave("tea", "v1", 10)
    assert alone.take_changed(10 + GRACE - 0.1) == set()
    assert alone.attendance("tea")["count"] == 1
    assert alone.take_changed(10 + GRACE) == {"tea"}
    assert alone.attendance("tea") == {"room": "tea", "count": 0, "names": []}
    assert not alone.waits or alone.word(20) is not None
    assert not alone.rooms


def test_two_tabs_of_one_person_count_once(alone: Presence) -> None:
    alone.enter("tea", "v1", "42")
    alone.take_changed(0)
    alone.enter("tea", "v1", "42")
    alone.leave("tea", "v1", 1)
    assert alone.take_changed(60) == set()
    assert alone.attendance("tea")["names"] == ["42"]


def test_a_reload_changes_nothing(alone: Presence) -> None:
    alone.enter("tea", "v1", "42")
    alone.take_changed(0)
    alone.word(0)
    for number in range(5):
        alone.leave("tea", "v1", number)
        alone.enter("tea", "v1", "42")
    assert alone.take_changed(3600) == set()
    assert alone.attendance("tea")["count"] == 1


def test_rooms_know_nothing_of_each_other(alone: Presence) -> None:
    alone.enter("tea", "v1", "1")
    alone.enter("lobby", "v2", "2")
    assert alone.take_changed(0) == {"tea", "lobby"}
    assert alone.attendance("lobby")["names"] == ["2"]
    assert alone.attendance("tea")["names"] == ["1"]


def test_at_most_so_many_are_named_those_first_who_came_first(alone: Presence) -> None:
    for number in range(150):
        alone.enter("tea", f"v{number}", str(number))
    attendance = alone.attendance("tea")
    assert attendance["count"] == 150
    assert attendance["names"] == [str(number) for number in range(MOST_NAMES)]


def test_a_new_name_is_news(alone: Presence) -> None:
    alone.enter("tea", "v1", "42")
    alone.take_changed(0)
    alone.enter("tea", "v1", "ada")
    assert alone.take_changed(1) == {"tea"}
    assert alone.attendance("tea")["names"] == ["ada"]


def test_two_thousand_come_and_go_within_ten_seconds(alone: Presence) -> None:
    chance = random.Random(2)
    there: set[str] = set()
    changes = 0
    for tick in range(100):
        for _ in range(20):
            key = f"v{chance.randrange(2000)}"
            if key in there:
                there.remove(key)
                alone.leave("tea", key, tick / 10)
            else:
                there.add(key)
                alone.enter("tea", key, key)
        if tick % 10 == 0:
            changes += len(alone.take_changed(tick / 10))
    assert changes == 10
    assert alone.take_changed(10 + GRACE) == {"tea"}
    assert alone.attendance("tea")["count"] == len(there)


def test_somebody_on_two_processes_counts_once() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.processes["b"].enter("tea", "v1", "42")
    network.processes["b"].enter("tea", "v2", "7")
    network.tick(2)
    assert network.counts("tea") == {2}
    network.processes["a"].leave("tea", "v1", network.now)
    network.tick(10)
    assert network.counts("tea") == {2}
    network.processes["b"].leave("tea", "v1", network.now)
    network.tick(10)
    assert network.counts("tea") == {1}


def test_who_comes_back_at_another_process_was_never_away() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.tick(2)
    network.processes["a"].leave("tea", "v1", network.now)
    network.processes["b"].enter("tea", "v1", "42")
    for _ in range(10):
        network.now += 1
        for process in network.processes.values():
            assert "tea" not in process.take_changed(network.now)
            network.speak(process)


def test_a_reload_is_no_news_for_other_processes() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.tick(2)
    network.processes["a"].leave("tea", "v1", network.now)
    network.tick(1)
    network.processes["a"].enter("tea", "v1", "42")
    network.tick(2 * GRACE)
    assert network.counts("tea") == {1}


def test_a_process_that_starts_learns_who_is_there() -> None:
    network = Network("a")
    for number in range(50):
        network.processes["a"].enter("tea", f"v{number}", str(number))
    network.tick(3)
    network.processes["b"] = Presence("b", HEARTBEAT, LEASE)
    network.tick(HEARTBEAT + 2)
    assert network.counts("tea") == {50}


def test_a_quiet_process_says_little_and_is_not_forgotten() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.tick(2)
    network.words = 0
    network.tick(100)
    assert network.words == 100 / HEARTBEAT
    assert network.counts("tea") == {1}


def test_the_people_of_a_process_that_is_silent_leave_after_its_lease() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.processes["b"].enter("tea", "v2", "7")
    network.tick(2)
    del network.processes["a"]
    network.tick(LEASE - HEARTBEAT - 2)
    assert network.counts("tea") == {2}
    network.tick(HEARTBEAT + 3)
    assert network.counts("tea") == {1}
    assert network.processes["b"].attendance("tea")["names"] == ["7"]
    assert not network.processes["b"].peers


def test_the_people_of_a_process_that_says_goodbye_leave_after_the_grace() -> None:
    network = Network("a", "b")
    network.processes["a"].enter("tea", "v1", "42")
    network.tick(2)
    del network.processes["a"]
    network.processes["b"].remove_process("a", network.now)
    network.tick(GRACE - 1)
    assert network.counts("tea") == {1}
    network.tick(2)
    assert network.counts("tea") == {0}


STEP = st.tuples(st.sampled_from("abc"), st.sampled_from(["tea", "lobby"]), st.integers(0, 4), st.booleans())


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, max_size=60), lost=st.sampled_from([0.0, 0.5]))
def test_whatever_happens_and_is_lost_all_agree_in_the_end(
    steps: list[tuple[str, str, int, bool]], lost: float
) -> None:
    network = Network("a", "b", "c", lost=lost)
    sockets: list[tuple[str, str, str]] = []
    for process, room, person, enters in steps:
        socket = (process, room, f"v{person}")
        if enters:
            sockets.append(socket)
            network.processes[process].enter(room, f"v{person}", str(person))
        elif socket in sockets:
            sockets.remove(socket)
            network.processes[process].leave(room, f"v{person}", network.now)
        network.tick(person % 3)
    network.lost = 0.0
    network.tick(LEASE + 2 * HEARTBEAT)
    for room in ("tea", "lobby"):
        there = {person for _, where, person in sockets if where == room}
        assert network.counts(room) == {len(there)}
        for knows in network.processes.values():
            assert {f"v{name}" for name in knows.attendance(room)["names"]} == there
