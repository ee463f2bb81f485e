"""The table of handlers: what a signature says about an event's arguments, and who inherits which row."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused


class Say(msgspec.Struct):
    """An argument that is an object."""

    msg: Annotated[str, msgspec.Meta(max_length=5)]
    id: UUID | None = None


class Tree(msgspec.Struct):
    """An argument of any depth."""

    inner: "Tree | None" = None


class Room(SocketIOConsumer):
    """A method for each kind of signature."""

    @on("nothing")
    async def nothing(self) -> None: ...

    @on("anything")
    async def anything(self, value) -> None:  # type: ignore[no-untyped-def]  # what happens without types
        ...

    @on("typed")
    async def typed(self, text: str, number: int, flag: bool = False, data: bytes | None = None) -> None: ...

    @on("say")
    async def say(self, message: Say) -> None: ...

    @on("kinds")
    async def kinds(self, kind: Literal["a", "b"], at: datetime, numbers: list[float]) -> None: ...

    @on("short")
    async def short(self, text: Annotated[str, msgspec.Meta(max_length=3)]) -> None: ...

    @on("rest")
    async def rest(self, first: int, *others: str) -> None: ...

    @on("grow")
    async def grow(self, tree: Tree) -> None: ...

    async def helper(self, text: str) -> None: ...


UUID_TEXT = "12345678-1234-5678-1234-567812345678"


@pytest.mark.parametrize(
    ("event", "args", "decoded"),
    [
        ("nothing", [], []),
        ("nothing", ["more", "than", "asked"], []),
        ("anything", [0], [0]),
        ("anything", [None, "more"], [None]),
        ("typed", ["", 0], ["", 0]),
        ("typed", ["a", 1, True], ["a", 1, True]),
        ("typed", ["a", 1, False, b""], ["a", 1, False, b""]),
        ("typed", ["a", 1, False, None, "more"], ["a", 1, False, None]),
        ("say", [{"msg": "", "unknown": 1}], [Say("")]),
        ("say", [{"msg": "hello", "id": UUID_TEXT}], [Say("hello", UUID(UUID_TEXT))]),
        ("kinds", ["a", "2026-01-02T03:04:05", [1, 2.5]], ["a", datetime(2026, 1, 2, 3, 4, 5), [1.0, 2.5]]),
        ("rest", [1], [1]),
        ("rest", [1, "a", "b"], [1, "a", "b"]),
    ],
)
def test_arguments_that_fit_become_the_methods_types(event: str, args: list[Any], decoded: list[Any]) -> None:
    before = repr(args)
    assert repr(Room.handlers[event].decode(args)) == repr(decoded)
    assert repr(args) == before


@pytest.mark.parametrize(
    ("event", "args", "message"),
    [
        ("anything", [], "anything: expected 1 argument(s), got 0."),
        ("typed", ["a"], "typed: expected 2 argument(s), got 1."),
        ("rest", [], "rest: expected 1 argument(s), got 0."),
        ("typed", [1, 1], "typed: Expected `str`, got `int`."),
        ("typed", ["a", "1"], "typed: Expected `int`, got `str`."),
        ("typed", ["a", True], "typed: Expected `int`, got `bool`."),
        ("typed", ["a", 1.5], "typed: Expected `int`, got `float`."),
        ("typed", ["a", 1, 0], "typed: Expected `bool`, got `int`."),
        ("typed", [None, 1], "typed: Expected `str`, got `null`."),
        ("typed", [b"a", 1], "typed: Expected `str`, got `bytes`."),
        ("short", ["long"], "short: Expected `str` of length <= 3."),
        ("say", ["hello"], "say: Expected `object`, got `str`."),
        ("say", [[]], "say: Expected `object`, got `array`."),
        ("say", [{}], "say: Object missing required field `msg`."),
        ("say", [{"msg": 1}], "say: Expected `str`, got `int` - at `$.msg`."),
        ("say", [{"msg": "longer"}], "say: Expected `str` of length <= 5 - at `$.msg`."),
        ("say", [{"msg": "", "id": "1"}], "say: Invalid UUID - at `$.id`."),
        ("kinds", ["c", "2026-01-02", []], "kinds: Invalid enum value 'c'."),
        ("kinds", ["a", "tomorrow", []], "kinds: Invalid RFC3339 encoded datetime."),
        ("kinds", ["a", "2026-01-02T03:04:05", [1, "2"]], "kinds: Expected `float`, got `str` - at `$[1]`."),
    ],
)
def test_arguments_that_do_not_fit_are_refused_with_what_was_expected(
    event: str, args: list[Any], message: str
) -> None:
    with pytest.raises(Refused) as caught:
        Room.handlers[event].decode(args)
    assert (caught.value.code, caught.value.message, str(caught.value)) == ("invalid", message, message)


def test_endless_nesting_is_refused() -> None:
    tree: dict[str, Any] = {}
    for _ in range(100_000):
        tree = {"inner": tree}
    with pytest.raises(Refused, match="grow: maximum recursion depth exceeded"):
        Room.handlers["grow"].decode([tree])


def test_only_marked_methods_are_in_the_table() -> None:
    """Nothing is looked up by a name from the wire."""
    assert Room.handlers.keys() == {"nothing", "anything", "typed", "say", "kinds", "short", "rest", "grow"}
    assert SocketIOConsumer.handlers == {}


def test_a_handler_is_the_plain_function() -> None:
    assert Room.handlers["say"].function is Room.say
    assert Room.handlers["say"].event == "say"


def test_a_subclass_inherits_the_table_adds_to_it_and_replaces_rows() -> None:
    class Child(Room):
        @on("say")
        async def say_more(self, text: str) -> None: ...

        @on("sing")
        async def sing(self) -> None: ...

    assert Child.handlers.keys() == Room.handlers.keys() | {"sing"}
    assert Child.handlers["say"].function is Child.say_more
    assert Child.handlers["nothing"].function is Room.nothing
    assert Room.handlers["say"].function is Room.say
    assert "sing" not in Room.handlers


def test_handlers_come_from_all_bases_and_an_override_needs_no_mark() -> None:
    class Singing:
        @on("sing")
        async def sing(self) -> None: ...

    class Choir(Room, Singing):
        async def say(self, text: str, loudly: bool) -> None: ...  # type: ignore[override]

    assert Choir.handlers["sing"].function is Singing.sing
    assert Choir.handlers["say"].function is Choir.say
    assert Choir.handlers["say"].required == 2


def test_event_names_may_be_anything_a_client_can_send() -> None:
    class Odd(SocketIOConsumer):
        @on("send chat")
        async def send(self) -> None: ...

        @on("__init__")
        async def begin(self) -> None: ...

        @on("")
        async def empty(self) -> None: ...

    assert Odd.handlers.keys() == {"send chat", "__init__", ""}
