"""The newest part of a log in memory says the same as the log itself, or nothing."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio import tail as tails
from channels_socketio.log import NEWEST, Page, Position
from channels_socketio.protocol.parcel import Parcel
from channels_socketio.tail import START, News, Shown, Tail, offset_of, pack_item, pack_items
from channels_socketio.tests.ledger import Ledger


def events_of(parcels: list[Parcel]) -> list[Any]:
    """Return the events in parcels."""
    return [json.loads(str(packet)[2:]) for parcel in parcels for packet in parcel.packets]


def packed(page: Page) -> list[Any]:
    """Return the events that replay a page."""
    return events_of([news.parcel for news in pack_items("/", page.before, page.items)])


def step_of(ledger: Ledger, choice: int) -> News:
    """Commit something: a deletion of the entry `choice` if it is there, else an entry."""
    gone = {item.deletes for item in ledger.items()}
    item = ledger.delete(choice) if 0 < choice <= ledger.end().seq and choice not in gone else ledger.append(choice)
    return pack_item("/", item, item.position)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tails that hold little."""
    monkeypatch.setattr(tails, "TAIL_ITEMS", 60)
    monkeypatch.setattr(tails, "TAIL_BYTES", 2000)


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(st.lists(st.integers(-20, 70), max_size=120), st.integers(0, 120))
def test_a_tail_says_what_its_log_says_or_nothing(choices: list[int], begin: int) -> None:
    ledger = Ledger()
    for choice in choices[:begin]:
        step_of(ledger, choice)
    tail = Tail.from_newest("/", asyncio.run(ledger.newest("/")))
    for choice in choices[begin:]:
        tail.add(step_of(ledger, choice))
    end = ledger.end()
    assert tail.position == end
    for at in [Position(seq, deletions) for seq in range(end.seq + 2) for deletions in (0, end.deletions // 2)]:
        parcels = tail.after(at)
        page = asyncio.run(ledger.after("/", at, 1000))
        assert parcels is None or events_of(parcels) == packed(page), at
    shown = tail.newest()
    page = asyncio.run(ledger.newest("/"))
    assert shown is None or events_of(shown.parcels) == packed(page)
    assert tail._size == sum(news.parcel.size for news in (*tail._entries.values(), *tail._deletions))
    assert tail._size <= 2000
    assert len(tail._entries) <= 60


async def filled(entries: int, *deleted: int) -> tuple[Ledger, Tail]:
    """Return a log and its tail as a process reads it."""
    ledger = Ledger()
    for number in range(1, entries + 1):
        ledger.append(number)
    for number in deleted:
        ledger.delete(number)
    return ledger, Tail.from_newest("/", await ledger.newest("/"))


async def test_what_a_new_client_is_shown_is_joined_once() -> None:
    ledger, tail = await filled(70)
    shown = tail.newest()
    assert shown is not None
    assert tail.newest() is shown
    assert shown[:2] == ((20, 0), (70, 0))
    (parcel,) = shown.parcels
    assert events_of([parcel])[0] == ["entry", 21, "21.0./"]
    tail.add(step_of(ledger, 0))
    after = tail.newest()
    assert after is not None
    assert after[:2] == ((21, 0), (71, 0))


@pytest.mark.parametrize(
    ("entries", "deleted", "held"),
    [(0, [], True), (3, [2], True), (60, [], True), (60, [60], True), (60, list(range(1, 16)), True)],
)
async def test_a_tail_that_was_just_read_holds_what_new_clients_are_shown(
    entries: int, deleted: list[int], held: bool
) -> None:
    _, tail = await filled(entries, *deleted)
    assert (tail.newest() is not None) is held


async def test_a_deletion_leaves_too_little_to_show_if_the_log_has_more() -> None:
    ledger, tail = await filled(NEWEST + 1)
    tail.add(step_of(ledger, NEWEST))
    assert tail.newest() is None
    tail.add(step_of(ledger, 0))
    assert tail.newest() is not None


async def test_a_replay_moves_the_offset_on_as_the_client_gets_it() -> None:
    ledger, tail = await filled(3)
    for choice in (1, 0, 2, 0):
        tail.add(step_of(ledger, choice))
    assert tail.position == (5, 2)
    expected = [["deleted", 1, "2.1./"], ["deleted", 2, "2.2./"]]
    expected += [["entry", 3, "3.2./"], ["entry", 0, "4.2./"], ["entry", 0, "5.2./"]]
    assert events_of(tail.after(Position(2, 0)) or []) == expected


async def test_the_size_of_a_tail_is_that_of_its_events_also_when_offsets_grow() -> None:
    ledger, tail = await filled(30)
    for number in range(1, 11):
        tail.add(step_of(ledger, number))
    assert tail.newest() is not None
    assert tail._size == sum(news.parcel.size for news in (*tail._entries.values(), *tail._deletions))


async def test_an_empty_log_is_shown_as_nothing() -> None:
    _, tail = await filled(0)
    assert tail.newest() == Shown(START, START, [])
    assert tail.after(START) == []
    assert tail.after(Position(1, 0)) is None
    assert offset_of(START, "/tea") == "0.0./tea"
