"""The newest part of a log in memory says the same as the log itself, or nothing."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio import log as logs
from channels_socketio import tail as tails
from channels_socketio.log import NEWEST, REPLAY_BYTES, Item, Page, Position, count_fitting
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


@pytest.fixture(params=[20, 500, 1200, 2000])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tails that hold little."""
    monkeypatch.setattr(logs, "REPLAY_BYTES", request.param)
    monkeypatch.setattr(tails, "REPLAY_BYTES", request.param)


def fitting(page: Page) -> tuple[list[Any], tuple[int, int] | None]:
    """Return the events that show a page to a new client, and the gap before them, found one by one."""
    news = pack_items("/", page.before, page.items)
    shown = news[-count_fitting(one.parcel.size for one in reversed(news)) :] if news else []
    missed = news[: -len(shown)] if shown else []
    return events_of([one.parcel for one in shown]), (
        missed[0].position.seq,
        missed[-1].position.seq,
    ) if missed else None


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(st.lists(st.integers(-20, 70), max_size=120), st.integers(0, 120))
def test_a_tail_says_what_its_log_says_or_nothing(choices: list[int], begin: int) -> None:
    ledger = Ledger()
    for choice in choices[:begin]:
        step_of(ledger, choice)
    tail = Tail.from_newest("/", asyncio.run(ledger.newest("/")), 60)
    assert tail.newest() is not None
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
    if shown is not None:
        assert (events_of(shown.parcels), shown.missed) == fitting(page)
        assert shown.before.seq == (shown.missed[0] - 1 if shown.missed else page.before.seq)
        assert tail.after(shown.before._replace(seq=shown.missed[1] if shown.missed else shown.before.seq)) is not None
    assert tail._size == sum(news.parcel.size for news in tail._entries.values())
    assert tail._deletions_size == sum(news.parcel.size for news in tail._deletions)
    assert len(tail._entries) == 1 or count_fitting(news.parcel.size for news in tail._entries.values()) == len(
        tail._entries
    )
    assert len(tail._entries) + len(tail._sizes) <= 60


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
    assert tail._size == sum(news.parcel.size for news in tail._entries.values())


LONG = "文" * 2000  # 6000 bytes


def sized(*sizes: int) -> Tail:
    """Return the tail of a log with entries of so many bytes."""
    ledger = Ledger()
    for number, size in enumerate(sizes, 1):
        empty = pack_item("/", Item(Position(number, 0), "entry", ""), Position(number, 0)).parcel.size
        ledger.append("x" * (size - empty))
    return Tail.from_newest("/", asyncio.run(ledger.newest("/")))


def test_of_long_entries_the_newest_that_fit_are_shown_and_the_gap_before_them() -> None:
    """Exactly as many bytes fit as are allowed; one entry is shown whatever its size."""
    half = REPLAY_BYTES // 2
    expected: dict[tuple[int, ...], tuple[Any, int, list[int]]] = {
        (half, half): (None, 0, [1, 2]),
        (half, half + 1): ((1, 1), 0, [2]),
        (100, half, half): ((1, 1), 0, [2, 3]),
        (REPLAY_BYTES,): (None, 0, [1]),
        (2 * REPLAY_BYTES,): (None, 0, [1]),
        (100, 2 * REPLAY_BYTES): ((1, 1), 0, [2]),
        (2 * REPLAY_BYTES, 100): ((1, 1), 0, [2]),
        (2 * REPLAY_BYTES, 100, 100): ((1, 1), 0, [2, 3]),
        (100, 2 * REPLAY_BYTES, 100): ((1, 2), 0, [3]),
        (*[100] * 60, half, half): ((13, 60), 12, [61, 62]),
    }
    for sizes, (missed, before, numbers) in expected.items():
        shown = sized(*sizes).newest()
        assert shown is not None, sizes
        assert (shown.missed, shown.before) == (missed, (before, 0)), sizes
        assert [int(offset.split(".")[0]) for _, _, offset in events_of(shown.parcels)] == numbers


async def test_long_entries_that_come_one_by_one_are_shown_as_if_they_were_read() -> None:
    ledger, tail = await filled(0)
    for _ in range(120):
        item = ledger.append(LONG)
        tail.add(pack_item("/", item, item.position))
        again = Tail.from_newest("/", await ledger.newest("/")).newest()
        assert again is not None
        shown = tail.newest()
        assert shown is not None
        assert (shown[:2], shown.missed) == (again[:2], again.missed)
        assert events_of(shown.parcels) == events_of(again.parcels)
        assert shown.missed is None or shown.missed[0] == max(1, item.position.seq - 49)


async def test_after_deletions_the_log_is_asked_for_entries_that_fit_again() -> None:
    ledger, tail = await filled(0)
    for _ in range(60):
        item = ledger.append(LONG)
        tail.add(pack_item("/", item, item.position))
    before = tail.newest()
    assert before is not None
    tail.add(step_of(ledger, 12))  # one of those that were too long
    after = tail.newest()
    assert after is not None
    assert (before.missed, after.missed) == ((11, 17), (10, 17))
    tail.add(step_of(ledger, 60))
    assert tail.newest() is None
    again = Tail.from_newest("/", await ledger.newest("/")).newest()
    assert again is not None
    assert again.missed == (9, 16)


async def test_an_empty_log_is_shown_as_nothing() -> None:
    _, tail = await filled(0)
    assert tail.newest() == Shown(START, START, [])
    assert tail.after(START) == []
    assert tail.after(Position(1, 0)) is None
    assert offset_of(START, "/tea") == "0.0./tea"
