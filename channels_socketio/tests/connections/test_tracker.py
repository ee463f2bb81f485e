"""What a follower is told of the connections of a process."""

from channels_socketio.connections.tracker import ConnectionTracker


class Follower:
    """Keeps a list of the connections in `living`, and counts how often it was woken."""

    def __init__(self, *living: str) -> None:
        self.living = set(living)
        self.listed: set[str] = set()
        self.woken = 0
        self.tracker = ConnectionTracker(self.living)

    def follow(self) -> "Follower":
        """Begin."""
        self.tracker.follow(self.wake)
        return self

    def wake(self) -> None:
        """Be woken."""
        self.woken += 1

    def open(self, sid: str) -> None:
        """Add a connection."""
        self.living.add(sid)
        self.tracker.note(sid)

    def close(self, sid: str) -> None:
        """End a connection."""
        self.living.remove(sid)
        self.tracker.note(sid)

    def look(self) -> tuple[set[str], set[str]]:
        """Take the changes, present and gone, and go by them."""
        present, gone = (set(ids) for ids in self.tracker.take())
        assert gone <= self.listed
        self.listed = (self.listed - gone) | present
        return present, gone


def test_what_lives_already_is_new_to_the_follower() -> None:
    follower = Follower("a", "b").follow()
    assert follower.woken == 1
    assert follower.look() == ({"a", "b"}, set())
    assert follower.look() == (set(), set())


def test_changes_wake_the_follower_once_until_it_looks() -> None:
    follower = Follower().follow()
    follower.open("a")
    follower.open("b")
    assert follower.woken == 1
    assert follower.look() == ({"a", "b"}, set())
    follower.close("a")
    follower.tracker.note("b")
    assert follower.woken == 2
    assert follower.look() == ({"b"}, {"a"})
    assert follower.listed == {"b"}


def test_who_comes_and_goes_unseen_is_never_told_of_and_costs_nothing() -> None:
    follower = Follower().follow()
    for number in range(1000):
        follower.open(str(number))
        follower.close(str(number))
    assert follower.look() == (set(), set())
    assert follower.tracker.empty


def test_a_follower_that_lost_its_list_is_told_of_all_that_lives() -> None:
    follower = Follower("a", "b").follow()
    follower.look()
    follower.close("a")
    follower.tracker.forget()
    follower.listed = set()
    assert follower.look() == ({"b"}, set())
    assert not follower.tracker.empty


def test_the_roll_is_empty_once_the_follower_knows_that_nobody_is_left() -> None:
    follower = Follower("a").follow()
    follower.look()
    follower.close("a")
    assert not follower.tracker.empty
    follower.look()
    assert follower.tracker.empty


def test_without_a_follower_nothing_is_kept() -> None:
    follower = Follower()
    follower.open("a")
    assert follower.tracker.take() == ([], [])
    assert follower.woken == 0
