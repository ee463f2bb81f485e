"""Who is typing, with a clock of the tests' own."""

from chat.typing import LASTING, MOST_NAMES, PAUSE, Typing


def test_somebody_types_for_a_while() -> None:
    typing_state = Typing()
    assert typing_state.type("tea", "v1", "42", 0)
    assert typing_state.take_changed(0) == {"tea"}
    assert typing_state.names("tea", 0) == ["42"]
    assert typing_state.names("lobby", 0) == []
    assert typing_state.take_changed(LASTING - 0.1) == set()
    assert typing_state.take_changed(LASTING) == {"tea"}
    assert typing_state.names("tea", LASTING) == []
    assert not typing_state.rooms


def test_saying_it_too_often_has_no_effect() -> None:
    typing_state = Typing()
    typing_state.type("tea", "v1", "42", 0)
    typing_state.take_changed(0)
    assert not any(typing_state.type("tea", "v1", "42", PAUSE * number / 1000) for number in range(1000))
    assert typing_state.take_changed(PAUSE) == set()
    assert typing_state.type("tea", "v1", "42", PAUSE)
    assert typing_state.names("tea", LASTING + PAUSE - 0.1) == ["42"]


def test_the_message_ends_it_and_saying_it_again_at_once_is_too_often_too() -> None:
    typing_state = Typing()
    typing_state.type("tea", "v1", "42", 0)
    typing_state.take_changed(0)
    assert typing_state.stop("tea", "v1", 1)
    assert not typing_state.stop("tea", "v1", 1)
    assert typing_state.take_changed(1) == {"tea"}
    assert typing_state.names("tea", 1) == []
    assert not typing_state.type("tea", "v1", "42", 1.1)
    assert typing_state.take_changed(PAUSE) == set()
    assert typing_state.type("tea", "v1", "42", PAUSE)


def test_who_does_not_type_cannot_stop() -> None:
    typing_state = Typing()
    assert not typing_state.stop("tea", "v1", 0)
    assert not typing_state.rooms


def test_at_most_so_many_are_named() -> None:
    typing_state = Typing()
    for number in range(20):
        typing_state.type("tea", f"v{number}", str(number), 0)
    assert typing_state.names("tea", 0) == [str(number) for number in range(MOST_NAMES)]
