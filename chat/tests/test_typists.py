"""Who is typing, with a clock of the tests' own."""

from chat.typists import LASTING, MOST_NAMES, PAUSE, Typists


def test_somebody_types_for_a_while() -> None:
    typists = Typists()
    assert typists.type("tea", "v1", "42", 0)
    assert typists.take_changed(0) == {"tea"}
    assert typists.names("tea", 0) == ["42"]
    assert typists.names("lobby", 0) == []
    assert typists.take_changed(LASTING - 0.1) == set()
    assert typists.take_changed(LASTING) == {"tea"}
    assert typists.names("tea", LASTING) == []
    assert not typists.rooms


def test_saying_it_too_often_has_no_effect() -> None:
    typists = Typists()
    typists.type("tea", "v1", "42", 0)
    typists.take_changed(0)
    assert not any(typists.type("tea", "v1", "42", PAUSE * number / 1000) for number in range(1000))
    assert typists.take_changed(PAUSE) == set()
    assert typists.type("tea", "v1", "42", PAUSE)
    assert typists.names("tea", LASTING + PAUSE - 0.1) == ["42"]


def test_the_message_ends_it_and_saying_it_again_at_once_is_too_often_too() -> None:
    typists = Typists()
    typists.type("tea", "v1", "42", 0)
    typists.take_changed(0)
    assert typists.stop("tea", "v1", 1)
    assert not typists.stop("tea", "v1", 1)
    assert typists.take_changed(1) == {"tea"}
    assert typists.names("tea", 1) == []
    assert not typists.type("tea", "v1", "42", 1.1)
    assert typists.take_changed(PAUSE) == set()
    assert typists.type("tea", "v1", "42", PAUSE)


def test_who_does_not_type_cannot_stop() -> None:
    typists = Typists()
    assert not typists.stop("tea", "v1", 0)
    assert not typists.rooms


def test_at_most_so_many_are_named() -> None:
    typists = Typists()
    for number in range(20):
        typists.type("tea", f"v{number}", str(number), 0)
    assert typists.names("tea", 0) == [str(number) for number in range(MOST_NAMES)]
