"""The writer of rooms and messages: numbers without holes, repeats, deletions, and failures of one for itself."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from channels_socketio.exceptions import Refused
from channels_socketio.history.log import Position
from chat import services, sql
from chat.models import Message, Room, Visitor
from chat.services import Announcement, Draft, Receipt, clean_text, commit, delete_message, post
from chat.sessions import SessionStore
from chat.tests.people import at_once, holder, row_of

ID = UUID("0b9d8a7c-1111-4222-8333-444455556666")

pytestmark = pytest.mark.django_db


@pytest.fixture
def visitor() -> int:
    """The primary key of somebody."""
    return Visitor.objects.create().pk


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What synchronous callers announce."""
    heard: list[Announcement] = []
    monkeypatch.setattr(services, "announce", heard.append)
    return heard


def draft(visitor: int | None, client_id: UUID = ID, text: str = "hello", room: str = "tea") -> Draft:
    """Return a message of 42."""
    return Draft(room, "42", text, visitor, client_id)


def stored(room: str = "tea") -> list[tuple[int, str]]:
    """Return numbers and texts of what is in a room, checked against its row."""
    rows = list(Message.objects.filter(room__slug=room).order_by("seq").values_list("seq", "text"))
    head = Room.objects.filter(slug=room).values_list("head", flat=True).first() or 0
    assert [seq for seq, _ in rows] == list(range(1, head + 1))
    return rows


def test_a_batch_gets_numbers_in_its_order_by_room(visitor: int) -> None:
    where = [("tea", "one"), ("lobby", "two"), ("tea", "three"), ("tea", "four")]
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    outcomes, announcements = commit([draft(visitor, uuid4(), text, room) for room, text in where])
    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert [receipt.seq for receipt in receipts] == [1, 1, 2, 3]
    assert stored() == [(1, "one"), (2, "three"), (3, "four")]
    assert stored("lobby") == [(1, "two")]
    assert [entry.namespace for entry in announcements] == ["/rooms/tea", "/", "/rooms/tea", "/rooms/tea"]
    assert [entry.item.position for entry in announcements] == [
        Position(1, 0),
        Position(1, 0),
        Position(2, 0),
        Position(3, 0),
    ]
    assert before <= datetime.fromisoformat(receipts[0].at) <= datetime.now(UTC)


def test_the_item_is_the_event_of_the_contract(visitor: int) -> None:
    (receipt,), (announcements,) = commit([draft(visitor)])
    assert isinstance(receipt, Receipt)
    assert (announcements.item.event, announcements.item.deletes) == ("new chat", None)
    assert announcements.item.data == {
        "msg": "42: hello",
        "name": "42",
        "text": "hello",
        "room": "tea",
        "seq": 1,
        "at": receipt.at,
        "id": str(ID),
    }


@pytest.mark.parametrize("room", ["tea", "coffee"])
@pytest.mark.parametrize("together", [True, False])
def test_a_repeat_stores_nothing_and_gets_the_first_ones_receipt(visitor: int, together: bool, room: str) -> None:
    first, again = draft(visitor), draft(visitor, text="something else", room=room)
    if together:
        outcomes, announcements = commit([first, again, first])
        assert len(announcements) == 1
    else:
        outcomes = commit([first]).outcomes
        late = commit([again, first])
        assert late.announcements == []
        outcomes += late.outcomes
    assert outcomes[0] == outcomes[1] == outcomes[2]
    assert stored() == [(1, "hello")]
    assert not Room.objects.exclude(slug="tea").exists()


def test_the_same_id_of_another_visitor_or_of_nobody_is_no_repeat(visitor: int) -> None:
    other = Visitor.objects.create().pk
    outcomes = commit([draft(visitor), draft(other), Draft("tea", "server", "hello"), Draft("tea", "server", "hello")])
    assert [outcome.seq for outcome in outcomes.outcomes if isinstance(outcome, Receipt)] == [1, 2, 3, 4]


def test_one_that_cannot_be_stored_is_refused_alone(visitor: int) -> None:
    bad = draft(visitor, uuid4(), "half a pair: \ud800", "bad")
    outcomes, announcements = commit([draft(visitor, uuid4(), "one"), bad, draft(visitor, uuid4(), "two")])
    assert [getattr(outcome, "code", "stored") for outcome in outcomes] == ["stored", "invalid", "stored"]
    assert stored() == [(1, "one"), (2, "two")]
    assert len(announcements) == 2
    assert not Room.objects.filter(slug="bad").exists()


def test_a_visitor_who_is_gone_is_refused_and_makes_no_room(visitor: int) -> None:
    outcomes, _ = commit([draft(visitor), draft(visitor + 1, room="other")])
    assert isinstance(outcomes[0], Receipt)
    assert isinstance(outcomes[1], Refused)
    assert (outcomes[1].code, outcomes[1].message) == ("no session", "Session unknown or expired.")
    assert not Room.objects.filter(slug="other").exists()


def test_messages_outlive_their_visitor() -> None:
    session = holder(42, expires_in=timedelta(seconds=-1))
    commit([draft(row_of(session).visitor_id)])
    SessionStore.clear_expired()
    assert not Visitor.objects.exists()
    message = Message.objects.get()
    assert (message.name, message.text, message.visitor) == ("42", "hello", None)


def test_the_queries_of_a_batch_do_not_grow_with_it(visitor: int, django_assert_num_queries: Any) -> None:
    commit([draft(visitor, uuid4())])
    drafts = [draft(visitor, uuid4()) for _ in range(500)]
    with django_assert_num_queries(7):  # two of them begin and end the transaction
        commit(drafts)
    assert len(stored()) == 501


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "expected 1 to 2000 characters, got 0"),
        (" \t\n\u2003", "expected 1 to 2000 characters, got 0"),
        ("x" * 2001, "expected 1 to 2000 characters, got 2001"),
        ("a\x00b", "expected text without NUL"),
        ("\udfff \ud83d", "expected text without NUL"),
    ],
)
def test_what_is_no_text(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        clean_text(text)


def test_what_is_text() -> None:
    for text in ("x" * 2000, "☕" * 2000, "a\nb", "\x01", "\ufffd", "\U0010ffff"):
        assert clean_text(f" {text}\n") == text


def test_a_synchronous_caller_announces_after_its_transaction(
    visitor: int, announced: list[Announcement], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        assert post(draft(visitor)).seq == 1
        assert post(draft(visitor)).seq == 1
        assert delete_message("tea", 1)
        assert announced == []
    assert [(announcements.item.event, announcements.item.position) for announcements in announced] == [
        ("new chat", Position(1, 0)),
        ("chat deleted", Position(1, 1)),
    ]


def test_a_synchronous_caller_is_refused_by_an_exception(announced: list[Announcement]) -> None:
    with pytest.raises(Refused, match="Session unknown or expired"):
        post(draft(4711))
    assert announced == []


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_is_neither_there_nor_announced(visitor: int, announced: list[Announcement]) -> None:
    with transaction.atomic():
        post(draft(visitor))
        transaction.set_rollback(True)
    assert announced == []
    assert post(draft(visitor, text="again")).seq == 1
    assert stored() == [(1, "again")]
    assert len(announced) == 1


@pytest.mark.django_db(transaction=True)
def test_deleting(visitor: int, announced: list[Announcement]) -> None:
    commit([draft(visitor, uuid4(), text) for text in ("one", "two", "three")])
    assert delete_message("tea", 2)
    assert not delete_message("tea", 2)
    assert not delete_message("tea", 4)
    assert not delete_message("tea", 0)
    assert not delete_message("coffee", 1)
    assert delete_message("tea", 1)
    assert [
        (announcements.namespace, announcements.item.position, announcements.item.data, announcements.item.deletes)
        for announcements in announced
    ] == [
        ("/rooms/tea", Position(3, 1), {"room": "tea", "seq": 2}, 2),
        ("/rooms/tea", Position(3, 2), {"room": "tea", "seq": 1}, 1),
    ]
    assert stored() == [(1, ""), (2, ""), (3, "three")]
    assert Message.objects.filter(deleted_at=None).get().seq == 3
    _, (announcements,) = commit([draft(visitor)])
    assert announcements.item.position == Position(4, 2)


def test_a_repeat_of_a_deleted_message_gets_its_receipt(visitor: int) -> None:
    first = commit([draft(visitor)]).outcomes
    delete_message("tea", 1)
    assert commit([draft(visitor)]) == (first, [])


# At the same time, in threads with connections of their own

THREADS = 4
ROOMS = ["tea", "lobby", "coffee"]


@pytest.mark.django_db(transaction=True)
def test_batches_at_once_leave_no_holes_and_nothing_twice(visitor: int) -> None:
    shared = [uuid4() for _ in range(40)]

    def work(number: int) -> dict[UUID, Receipt]:
        chance = random.Random(number)
        seen: dict[UUID, Receipt] = {}
        for start in range(0, len(shared), 5):
            ids = [*chance.sample(shared[start : start + 5], 5), *(uuid4() for _ in range(5))]
            drafts = [draft(visitor, client_id, str(number), chance.choice(ROOMS)) for client_id in ids]
            for client_id, outcome in zip(ids, commit(drafts).outcomes, strict=True):
                assert isinstance(outcome, Receipt)
                seen[client_id] = outcome
        return seen

    seen = at_once(THREADS, work)
    assert sum(len(stored(room)) for room in ROOMS) == len(shared) + THREADS * 40
    for client_id in shared:
        assert all(receipts[client_id] == seen[0][client_id] for receipts in seen)


@pytest.mark.django_db(transaction=True)
def test_deletions_at_once_are_counted_once(visitor: int, announced: list[Announcement]) -> None:
    commit([draft(visitor, uuid4()) for _ in range(20)])
    done = at_once(THREADS, lambda number: [delete_message("tea", seq) for seq in range(1, 21)])
    assert all(sum(column) == 1 for column in zip(*done, strict=True))
    numbers = Message.objects.order_by("deletion").values_list("deletion", flat=True)
    assert list(numbers) == list(range(1, 21))
    assert Room.objects.get().deletions == 20


# Every read is a range of an index


@pytest.mark.skipif(connection.vendor != "sqlite", reason="asks SQLite for its plan")
def test_finding_repeats_searches_the_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN QUERY PLAN " + sql.FIND_REPEATS.format("(1, 'a'), (2, 'b')"))
        plan = [row[3] for row in cursor.fetchall()]
    assert any("SEARCH chat_message USING INDEX" in line and "client_id=?" in line for line in plan)
