"""Reading rooms' logs: pages of them, and where they end."""

from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import QuerySet
from pytest_django import DjangoAssertNumQueries

from channels_socketio.history.log import Item, Log, Page, Position
from chat import log
from chat.database import in_thread
from chat.log import START, MessageLog
from chat.models import Message, Room
from chat.services import Draft, commit, delete_message

pytestmark = pytest.mark.django_db


def say(count: int, room: str = "tea") -> list[Item]:
    """Store messages and return their items."""
    return [
        announcements.item
        for announcements in commit([Draft(room, "42", f"text {uuid4()}") for _ in range(count)]).announcements
    ]


def seqs(items: Sequence[Item]) -> list[int]:
    """Return the numbers of messages, and those of deleted ones negative."""
    return [-item.deletes if item.deletes is not None else item.position.seq for item in items]


def test_a_room_nobody_has_written_in_is_empty_and_stays_unmade() -> None:
    assert log.newest("tea") == Page(START, [], START)
    assert log.after("tea", Position(3, 1), 10) == Page(Position(3, 1), [], START)
    assert log.positions(["tea"]) == {}
    assert log.older("tea", None, 10) == ([], None)
    assert not Room.objects.exists()


def test_the_newest_are_what_was_announced_in_the_order_of_the_log() -> None:
    announced = say(60)
    say(3, "lobby")
    page = log.newest("tea")
    assert page == Page(Position(10, 0), announced[10:], Position(60, 0))


def test_what_is_deleted_is_not_among_the_newest() -> None:
    say(5)
    delete_message("tea", 2)
    delete_message("tea", 5)
    page = log.newest("tea", 3)
    assert seqs(page.items) == [1, 3, 4]
    assert (page.before, page.position) == (Position(0, 2), Position(5, 2))
    assert [item.position for item in page.items] == [Position(1, 2), Position(3, 2), Position(4, 2)]


def test_a_log_of_deleted_messages_only() -> None:
    say(2)
    delete_message("tea", 1)
    delete_message("tea", 2)
    assert log.newest("tea") == Page(Position(2, 2), [], Position(2, 2))


def test_after_a_position_come_the_deletions_then_the_messages() -> None:
    say(4)
    delete_message("tea", 1)
    delete_message("tea", 4)
    page = log.after("tea", Position(2, 0), 10)
    assert [(item.event, item.data.get("seq"), item.position) for item in page.items] == [
        ("chat deleted", 1, Position(2, 1)),
        ("chat deleted", 4, Position(2, 2)),
        ("new chat", 3, Position(3, 2)),
    ]
    assert (page.before, page.position) == (Position(2, 0), Position(4, 2))


def test_of_more_than_the_limit_the_oldest_come_first() -> None:
    say(7)
    for seq in (6, 2, 1):
        delete_message("tea", seq)
    position, heard = Position(3, 0), []
    while position != Position(7, 3):
        page = log.after("tea", position, 2)
        assert page.before == position
        heard.append(seqs(page.items))
        position = page.position
    assert heard == [[-6, -2, 4, 5], [-1, 7]]
    assert log.after("tea", position, 2) == Page(position, [], position)


def test_a_position_behind_the_end_gets_the_end() -> None:
    say(2)
    page = log.after("tea", Position(9, 9), 2)
    assert (page.items, page.position) == ([], Position(2, 0))


def test_the_ends_of_many_logs() -> None:
    say(2)
    say(1, "lobby")
    delete_message("tea", 1)
    asked = ["tea", "lobby", *(f"room-{number}" for number in range(1200))]
    assert log.positions(asked) == {"/rooms/tea": Position(2, 1), "/": Position(1, 0)}


@pytest.mark.django_db(transaction=True)
async def test_it_is_a_log_by_namespace() -> None:
    contract: Log = MessageLog()
    (item,) = await in_thread(say)(1)
    assert await contract.newest("/rooms/tea") == Page(START, [item], Position(1, 0))
    assert await contract.after("/rooms/tea", START, 1) == Page(START, [item], Position(1, 0))
    assert await contract.positions(["/", "/rooms/tea"]) == {"/rooms/tea": Position(1, 0)}
    assert (await contract.newest("/")).items == []


def test_older_messages_page_by_page() -> None:
    say(7)
    delete_message("tea", 4)
    before, pages = None, []
    while True:
        items, before = log.older("tea", before, 2)
        pages.append(seqs(items))
        if before is None:
            break
    assert pages == [[6, 7], [3, 5], [1, 2]]
    assert log.older("tea", 1, 2) == ([], None)
    assert seqs(log.older("tea", 2**63 - 1, 100)[0]) == [1, 2, 3, 5, 6, 7]


@pytest.mark.parametrize("count", [1, 300])
def test_a_page_costs_two_queries(count: int, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    say(count)
    with django_assert_num_queries(2):
        log.newest("tea")
    with django_assert_num_queries(3):
        log.after("tea", START, 100)
    with django_assert_num_queries(1):
        log.positions(["tea", "lobby"])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="asks SQLite for its plan")
@pytest.mark.parametrize(
    ("index", "find"),
    [
        ("message_shown (room_id=? AND seq<?)", lambda rows: rows.filter(seq__lte=9, deletion=None).order_by("-seq")),
        ("message_shown (room_id=? AND seq>?)", lambda rows: rows.filter(seq__gt=9, deletion=None).order_by("seq")),
        (
            "message_deletion (room_id=? AND deletion>? AND deletion<?)",
            lambda rows: rows.filter(deletion__gt=1, deletion__lte=9).order_by("deletion"),
        ),
    ],
)
def test_every_read_is_a_range_of_an_index(index: str, find: Callable[[QuerySet[Message]], QuerySet[Message]]) -> None:
    plan = find(Message.objects.filter(room_id=1))[:50].explain()
    assert f"USING INDEX {index}" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan
