"""The newest part of a log in memory says the same as the log itself, or nothing."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels_socketio.fanout.prepared import PreparedMessage
from channels_socketio.history import cache as tails
from channels_socketio.history import log as logs
from channels_socketio.history.cache import (
    START,
    HistoryCache,
    Publication,
    Replay,
    format_offset,
    pack_item,
    pack_items,
)
from channels_socketio.history.log import NEWEST, REPLAY_BYTES, Item, Page, Position, count_fitting
from channels_socketio.tests.support.sqlite_log import SQLiteLog


def events_of(messages: list[PreparedMessage]) -> list[Any]:
    """Return the events in parcels."""
    return [json.loads(str(packet)[2:]) for prepared in messages for packet in prepared.packets]


def packed(page: Page) -> list[Any]:
    """Return the events that replay a page."""
    return events_of([publication.prepared for publication in pack_items("/", page.before, page.items)])


def step_of(sqlite_log: SQLiteLog, choice: int) -> Publication:
    """Commit something: a deletion of the entry `choice` if it is there, else an entry."""
    gone = {item.deletes for item in sqlite_log.items()}
    item = (
        sqlite_log.delete(choice)
        if 0 < choice <= sqlite_log.end().seq and choice not in gone
        else sqlite_log.append(choice)
    )
    return pack_item("/", item, item.position)


@pytest.fixture(params=[20, 500, 1200, 2000])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tails that hold little."""
    monkeypatch.setattr(logs, "REPLAY_BYTES", request.param)
    monkeypatch.setattr(tails, "REPLAY_BYTES", request.param)


def fitting(page: Page) -> tuple[list[Any], tuple[int, int] | None]:
    """Return the events that show a page to a new client, and the gap up to them, found one by one."""
    packed_page = pack_items("/", page.before, page.items)
    fits = count_fitting(one.prepared.size for one in reversed(packed_page))
    sent, left = packed_page[-fits:], packed_page[:-fits]
    gap = (left[0].position.seq, sent[0].position.seq - 1) if left else None
    return events_of([one.prepared for one in sent]), gap


@pytest.mark.usefixtures("small")
@settings(deadline=None)
@given(st.lists(st.integers(-20, 70), max_size=120), st.integers(0, 120))
@example([0] * 12 + [11], 0)  # what lies between the gap and the first entry was deleted
def test_a_cache_says_what_its_log_says_or_nothing(choices: list[int], begin: int) -> None:
    sqlite_log = SQLiteLog()
    for choice in choices[:begin]:
        step_of(sqlite_log, choice)
    cache = HistoryCache.from_newest("/", asyncio.run(sqlite_log.newest("/")), 60)
    assert cache.newest() is not None
    for choice in choices[begin:]:
        cache.add(step_of(sqlite_log, choice))
    end = sqlite_log.end()
    assert cache.position == end
    for at in [Position(seq, deletions) for seq in range(end.seq + 2) for deletions in (0, end.deletions // 2)]:
        messages = cache.after(at)
        page = asyncio.run(sqlite_log.after("/", at, 1000))
        assert messages is None or events_of(messages) == packed(page), at
    newest = cache.newest()
    page = asyncio.run(sqlite_log.newest("/"))
    if newest is not None:
        assert (events_of(newest.messages), newest.missed) == fitting(page)
        assert newest.before.seq == (newest.missed[0] - 1 if newest.missed else page.before.seq)
        told_of = newest.before._replace(seq=newest.missed[1] if newest.missed else newest.before.seq)
        assert cache.after(told_of) is not None
    assert cache._size == sum(publication.prepared.size for publication in cache._entries.values())
    assert cache._deletions_size == sum(publication.prepared.size for publication in cache._deletions)
    assert len(cache._entries) == 1 or count_fitting(
        publication.prepared.size for publication in cache._entries.values()
    ) == len(cache._entries)
    assert len(cache._entries) + len(cache._sizes) <= 60


async def filled(entries: int, *deleted: int) -> tuple[SQLiteLog, HistoryCache]:
    """Return a log and its tail as a process reads it."""
    sqlite_log = SQLiteLog()
    for number in range(1, entries + 1):
        sqlite_log.append(number)
    for number in deleted:
        sqlite_log.delete(number)
    return sqlite_log, HistoryCache.from_newest("/", await sqlite_log.newest("/"))


async def test_what_a_new_client_is_shown_is_joined_once() -> None:
    sqlite_log, cache = await filled(70)
    cached_newest = cache.newest()
    assert cached_newest is not None
    assert cache.newest() is cached_newest
    assert cached_newest[:2] == ((20, 0), (70, 0))
    (prepared,) = cached_newest.messages
    assert events_of([prepared])[0] == ["entry", 21, "21.0./"]
    cache.add(step_of(sqlite_log, 0))
    after = cache.newest()
    assert after is not None
    assert after[:2] == ((21, 0), (71, 0))


@pytest.mark.parametrize(
    ("entries", "deleted", "held"),
    [(0, [], True), (3, [2], True), (60, [], True), (60, [60], True), (60, list(range(1, 16)), True)],
)
async def test_a_tail_that_was_just_read_holds_what_new_clients_are_shown(
    entries: int, deleted: list[int], held: bool
) -> None:
    _, cache = await filled(entries, *deleted)
    assert (cache.newest() is not None) is held


async def test_a_deletion_leaves_too_little_to_show_if_the_log_has_more() -> None:
    sqlite_log, cache = await filled(NEWEST + 1)
    cache.add(step_of(sqlite_log, NEWEST))
    assert cache.newest() is None
    cache.add(step_of(sqlite_log, 0))
    assert cache.newest() is not None


async def test_a_replay_moves_the_offset_on_as_the_client_gets_it() -> None:
    sqlite_log, cache = await filled(3)
    for choice in (1, 0, 2, 0):
        cache.add(step_of(sqlite_log, choice))
    assert cache.position == (5, 2)
    expected = [["deleted", 1, "2.1./"], ["deleted", 2, "2.2./"]]
    expected += [["entry", 3, "3.2./"], ["entry", 0, "4.2./"], ["entry", 0, "5.2./"]]
    assert events_of(cache.after(Position(2, 0)) or []) == expected


async def test_the_size_of_a_tail_is_that_of_its_events_also_when_offsets_grow() -> None:
    sqlite_log, cache = await filled(30)
    for number in range(1, 11):
        cache.add(step_of(sqlite_log, number))
    assert cache.newest() is not None
    assert cache._size == sum(publication.prepared.size for publication in cache._entries.values())


LONG = "文" * 2000  # 6000 bytes


def sized(*sizes: int) -> HistoryCache:
    """Return the tail of a log with entries of so many bytes."""
    sqlite_log = SQLiteLog()
    for number, size in enumerate(sizes, 1):
        empty = pack_item("/", Item(Position(number, 0), "entry", ""), Position(number, 0)).prepared.size
        sqlite_log.append("x" * (size - empty))
    return HistoryCache.from_newest("/", asyncio.run(sqlite_log.newest("/")))


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
        cached_newest = sized(*sizes).newest()
        assert cached_newest is not None, sizes
        assert (cached_newest.missed, cached_newest.before) == (missed, (before, 0)), sizes
        assert [int(offset.split(".")[0]) for _, _, offset in events_of(cached_newest.messages)] == numbers


async def test_long_entries_that_come_one_by_one_are_shown_as_if_they_were_read() -> None:
    sqlite_log, cache = await filled(0)
    for _ in range(120):
        item = sqlite_log.append(LONG)
        cache.add(pack_item("/", item, item.position))
        again = HistoryCache.from_newest("/", await sqlite_log.newest("/")).newest()
        assert again is not None
        cached_newest = cache.newest()
        assert cached_newest is not None
        assert (cached_newest[:2], cached_newest.missed) == (again[:2], again.missed)
        assert events_of(cached_newest.messages) == events_of(again.messages)
        assert cached_newest.missed is None or cached_newest.missed[0] == max(1, item.position.seq - 49)


async def test_after_deletions_the_log_is_asked_for_entries_that_fit_again() -> None:
    sqlite_log, cache = await filled(0)
    for _ in range(60):
        item = sqlite_log.append(LONG)
        cache.add(pack_item("/", item, item.position))
    before = cache.newest()
    assert before is not None
    cache.add(step_of(sqlite_log, 12))  # one of those that were too long
    after = cache.newest()
    assert after is not None
    assert (before.missed, after.missed) == ((11, 17), (10, 17))
    cache.add(step_of(sqlite_log, 60))
    assert cache.newest() is None
    again = HistoryCache.from_newest("/", await sqlite_log.newest("/")).newest()
    assert again is not None
    assert again.missed == (9, 16)


async def test_an_empty_log_is_shown_as_nothing() -> None:
    _, cache = await filled(0)
    assert cache.newest() == Replay(START, START, [])
    assert cache.after(START) == []
    assert cache.after(Position(1, 0)) is None
    assert format_offset(START, "/tea") == "0.0./tea"
