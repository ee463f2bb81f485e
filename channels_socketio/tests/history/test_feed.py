"""What a process's sockets get of a log: all of it, once, in order, whatever becomes of the news and the readings."""

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.connections.replay import since
from channels_socketio.fanout.backplane import Backplane, publications_message
from channels_socketio.fanout.hub import Hub
from channels_socketio.fanout.prepared import PreparedMessage, join
from channels_socketio.history import cache as tails
from channels_socketio.history import feed as feeds
from channels_socketio.history.cache import START, Publication, Replay, announcement, format_offset, pack_items
from channels_socketio.history.feed import HELD, LOG, PAGE, Feed, FeedClosed, Feeds
from channels_socketio.history.log import REPLAY_BYTES, Page, Position
from channels_socketio.history.recovery import parse_offset
from channels_socketio.tests.history.test_cache import events_of, step_of
from channels_socketio.tests.support.people import eventually, settle
from channels_socketio.tests.support.sqlite_log import SQLiteLog


class SlowLog(SQLiteLog):
    """Reads at once and answers when it is let; fails while `broken`."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Event] = []
        self.patient = True

    async def newest(self, namespace: str) -> Page:
        """Part of Log."""
        page = await super().newest(namespace)
        await self._wait()
        return page

    async def after(self, namespace: str, position: Position, limit: int) -> Page:
        """Part of Log, a few at once."""
        page = await super().after(namespace, position, min(limit, 3))
        await self._wait()
        return page

    async def positions(self, namespaces: Collection[str]) -> Mapping[str, Position]:
        """Part of Log."""
        ends = await super().positions(namespaces)
        await self._wait()
        return ends

    def answer(self) -> None:
        """Let the oldest question be answered."""
        if self.waiting:
            self.waiting.pop(0).set()

    async def _wait(self) -> None:
        if self.patient:
            answered = asyncio.Event()
            self.waiting.append(answered)
            await answered.wait()


class Client:
    """A socket: what it got, and where it was before."""

    def __init__(self, before: Position) -> None:
        self.before = before
        self.events: list[Any] = []

    @property
    def at(self) -> Position:
        """What an official client would come back with."""
        found = parse_offset(self.events[-1][2], "/") if self.events else self.before
        return Position(*found) if found is not None else START


async def complete(feed: Feed, replay: Replay, before: Position) -> list[Any]:
    """Return the events that a socket gets that was at `before`, as `entry.prepare` has it; may raise LookupError."""
    gaps: list[Any] = []
    while True:
        if replay.missed is not None:
            before = before._replace(seq=replay.missed[1])
            gaps.append(["gap", replay.missed, format_offset(before, "/")])
        if (rest := feed.cache.after(replay.position)) is not None:
            return gaps + events_of(replay.messages + rest)
        found = await since(feed, before, 1000)
        if found is None:
            raise LookupError("expected fewer deletions")
        replay = found


class World:
    """One feed, its log, news that are under way, and clients."""

    def __init__(self) -> None:
        self.sqlite_log = SlowLog()
        self.publication: list[Publication] = []
        self.feed = Feed("/", self.sqlite_log, self._publish)
        self.live: list[Client] = []
        self.dead: list[Client] = []
        self.entering: list[asyncio.Task[None]] = []

    def _publish(self, room: str, prepared: PreparedMessage) -> None:
        for client in self.live:
            client.events += events_of([prepared])

    async def enter(self, at: Position | None) -> None:
        """Come in, as new or from where an older client was."""
        replay = None if at is None else await since(self.feed, at, 1000)
        before = at
        if replay is None or before is None:
            replay = await self.feed.newest()
            before = replay.before
        client = Client(before)
        try:
            client.events += await complete(self.feed, replay, before)
        except LookupError:  # the link is closed, and the client comes as a new one
            await self.enter(None)
        else:
            self.live.append(client)

    async def do(self, what: str, number: int) -> None:
        """Let something happen."""
        match what:
            case "commit":
                self.publication.append(step_of(self.sqlite_log, number % 40 - 20))
            case "hear" if self.publication:
                self.feed.receive(self.publication[-1 - number % min(len(self.publication), 5)])
            case "turn":
                await asyncio.sleep(0)
            case "answer":
                self.sqlite_log.answer()
            case "enter":
                self.entering.append(asyncio.create_task(self.enter(None)))
            case "vanish" if self.live:
                self.dead.append(self.live.pop(number % len(self.live)))
            case "return" if self.dead:
                client = self.dead[number % len(self.dead)]
                self.entering.append(asyncio.create_task(self.enter(client.at)))
            case "look":
                self.feed.expect(self.sqlite_log.end())
            case "break":
                self.sqlite_log.broken = not self.sqlite_log.broken

    async def end(self) -> None:
        """Let all that is under way come to its end."""
        self.sqlite_log.broken = self.sqlite_log.patient = False
        while self.sqlite_log.waiting:
            self.sqlite_log.answer()
        self.feed.expect(self.sqlite_log.end())
        await asyncio.gather(*self.entering)
        await self.feed.reach(self.sqlite_log.end())
        self.feed.close()

    def check(self, client: Client) -> None:
        """Compare what a client got with the log."""
        items = self.sqlite_log.items()
        deleted = {item.deletes for item in items} - {None}
        entries = [int(offset.split(".")[0]) for event, _, offset in client.events if event == "entry"]
        deletions = [int(offset.split(".")[1]) for event, _, offset in client.events if event == "deleted"]
        gaps = [range(data[0], data[1] + 1) for event, data, _ in client.events if event == "gap"]
        missed = {number for gap in gaps for number in gap}
        assert len(missed) == sum(map(len, gaps))
        assert all(number > client.before.seq for number in missed)
        assert max(missed, default=0) < min(entries, default=1 + max(missed, default=0))
        assert entries == sorted(set(entries))
        assert set(range(client.before.seq + 1, self.sqlite_log.end().seq + 1)) - deleted <= set(entries) | missed
        assert all(seq > client.before.seq for seq in entries)
        assert deletions == list(range(client.before.deletions + 1, self.sqlite_log.end().deletions + 1))
        gone: set[int] = set()
        for event, data, offset in client.events:
            gone |= {data} if event == "deleted" else set()
            assert event != "entry" or int(offset.split(".")[0]) not in gone


WHAT = [
    "commit",
    "commit",
    "hear",
    "hear",
    "hear",
    "turn",
    "turn",
    "answer",
    "enter",
    "vanish",
    "return",
    "look",
    "break",
]


@pytest.fixture(params=[(REPLAY_BYTES, PAGE), (150, 5)], ids=["all fit", "few fit"])
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Feeds that wait for nothing; some send few entries at once."""
    size, page = request.param
    monkeypatch.setattr(tails, "REPLAY_BYTES", size)
    monkeypatch.setattr(feeds, "PAGE", page)
    monkeypatch.setattr(feeds, "GRACE_SECONDS", 0)
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0)
    caplog.set_level(logging.CRITICAL)


@pytest.mark.usefixtures("quick")
@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(WHAT), st.integers(0, 1000)), min_size=50, max_size=200))
def test_every_client_gets_the_log_once_and_in_order_whatever_happens(steps: list[tuple[str, int]]) -> None:
    async def play() -> World:
        world = World()
        for what, number in steps:
            # A log that fails while a client comes in ends that client: see history/test_recovery.py.
            if what != "break" or all(task.done() for task in world.entering):
                await world.do(what, number)
            if world.sqlite_log.broken and what in ("enter", "return"):
                world.sqlite_log.broken = False
        await world.end()
        return world

    world = asyncio.run(play())
    for client in world.live:
        world.check(client)


# One thing at a time


@pytest.mark.usefixtures("quick")
async def test_a_page_that_was_read_before_there_was_news_says_nothing_of_it() -> None:
    slow_log = SlowLog()
    feed = Feed("/", slow_log, lambda room, prepared: None)
    await eventually(lambda: slow_log.waiting, "the newest were read")
    slow_log.answer()
    await feed.reach(START)
    slow_log.broken = True
    [first] = pack_items("/", START, [slow_log.append("one")])
    feed.expect(first.position)
    await eventually(lambda: slow_log.readings > 1, "a page was asked for in vain")
    feed.receive(first)
    slow_log.broken = False
    await eventually(lambda: slow_log.waiting, "an empty page was read")
    slow_log.append("two")
    reaching = asyncio.create_task(feed.reach(slow_log.end()))
    await settle()
    slow_log.answer()
    await eventually(lambda: slow_log.waiting, "the page with the second was read")
    slow_log.answer()
    await reaching
    feed.close()


class Listener:
    """A target of the hub."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def deliver(self, prepared: PreparedMessage) -> None:
        """Take a parcel."""
        self.events += events_of([prepared])

    send_volatile = deliver

    def fail(self, error: Exception) -> None:
        """Take no error."""
        raise AssertionError from error


class Process:
    """The feeds of one process, with one listener in `/`, whose feed has read its log."""

    def __init__(self, sqlite_log: SQLiteLog, interval: float = 60.0) -> None:
        self.hub: Hub[PreparedMessage] = Hub(join, lambda call: call())
        self.backplane = Backplane(self.hub, InMemoryChannelLayer(), "one")
        self.feeds = Feeds(self.hub, self.backplane)
        self.listener = Listener()
        self.hub.join("/", "a", self.listener)
        self.feed = self.feeds.enter("/", sqlite_log, interval)


@pytest.fixture
async def sqlite_log() -> SQLiteLog:
    """A log with two entries."""
    sqlite_log = SQLiteLog()
    sqlite_log.append("one")
    sqlite_log.append("two")
    return sqlite_log


@pytest.fixture
async def process(sqlite_log: SQLiteLog) -> AsyncIterator[Process]:
    """A process that is up to date."""
    process = Process(sqlite_log)
    await process.feed.reach(sqlite_log.end())
    yield process
    if process.feed.users:
        process.feeds.leave(process.feed)


def announce(process: Process, item: Any) -> None:
    """Publish an item, as any process does."""
    process.backplane.publish(LOG, *announcement("/", item))


def entries(*numbers: int, deletions: int = 0) -> list[Any]:
    """Return the events of entries whose data is their number."""
    return [["entry", number, f"{number}.{deletions}./"] for number in numbers]


async def test_news_in_order_are_delivered_at_once_and_ask_nobody(sqlite_log: SQLiteLog, process: Process) -> None:
    readings = sqlite_log.readings
    for data in ("three", "four"):
        announce(process, sqlite_log.append(data))
    announce(process, sqlite_log.delete(3))
    assert process.listener.events == [
        ["entry", "three", "3.0./"],
        ["entry", "four", "4.0./"],
        ["deleted", 3, "4.1./"],
    ]
    await process.feed.newest()
    assert sqlite_log.readings == readings


async def test_news_that_overtook_others_wait_for_them_and_ask_nobody(sqlite_log: SQLiteLog, process: Process) -> None:
    readings = sqlite_log.readings
    three, four, five = (sqlite_log.append(data) for data in ("three", "four", "five"))
    for item in (five, four, four, three, three):
        announce(process, item)
    assert [data for _, data, _ in process.listener.events] == ["three", "four", "five"]
    await process.feed.reach(sqlite_log.end())
    await asyncio.sleep(0)
    await eventually(lambda: process.feed._reader is None, "the reader has found nothing to do")
    assert sqlite_log.readings == readings


async def test_news_that_never_come_are_read_from_the_log(sqlite_log: SQLiteLog, process: Process) -> None:
    sqlite_log.append("three")
    announce(process, sqlite_log.append("four"))
    assert process.listener.events == []
    await process.feed.reach(sqlite_log.end())
    assert [data for _, data, _ in process.listener.events] == ["three", "four"]


async def test_what_nobody_told_is_found_by_looking(sqlite_log: SQLiteLog) -> None:
    process = Process(sqlite_log, interval=0.01)
    await process.feed.reach(sqlite_log.end())
    sqlite_log.append("three")
    await eventually(lambda: process.listener.events, "the entry was found")
    assert process.listener.events == [["entry", "three", "3.0./"]]
    process.feeds.leave(process.feed)


async def test_more_news_than_can_wait_are_read_from_the_log(sqlite_log: SQLiteLog, process: Process) -> None:
    sqlite_log.append("never told")
    for number in range(HELD + 10):
        announce(process, sqlite_log.append(number))
    assert len(process.feed._held) == HELD
    await process.feed.reach(sqlite_log.end())
    assert [data for _, data, _ in process.listener.events] == ["never told", *range(HELD + 10)]
    assert process.feed._held == {}


async def test_a_log_that_fails_is_asked_again_and_the_log_says_so_once(
    sqlite_log: SQLiteLog, process: Process, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "RETRY_SECONDS", 0.0001)
    sqlite_log.broken = True
    sqlite_log.append("never told")
    announce(process, sqlite_log.append("four"))
    readings = sqlite_log.readings
    await eventually(lambda: sqlite_log.readings > readings + 3, "the log was asked several times")
    assert process.listener.events == []
    sqlite_log.broken = False
    await process.feed.reach(sqlite_log.end())
    assert [data for _, data, _ in process.listener.events] == ["never told", "four"]
    assert caplog.text.count("cannot be read") == 1
    assert caplog.text.count("can be read again") == 1


async def test_looking_survives_a_log_that_fails(sqlite_log: SQLiteLog, caplog: pytest.LogCaptureFixture) -> None:
    process = Process(sqlite_log, interval=0.001)
    await process.feed.reach(sqlite_log.end())
    sqlite_log.broken = True
    readings = sqlite_log.readings
    await eventually(lambda: sqlite_log.readings > readings + 3, "the log was asked several times")
    sqlite_log.append("three")
    sqlite_log.broken = False
    await eventually(lambda: len(process.listener.events) == 1, "the entry was found")
    assert caplog.text.count("cannot be asked where they end") == 1
    process.feeds.leave(process.feed)


async def test_news_of_what_the_log_does_not_hold_are_forgotten(
    sqlite_log: SQLiteLog, process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    item = sqlite_log.append("three")
    lost = replace(item, position=Position(9, 0))
    announce(process, lost)
    with pytest.raises(LookupError, match=r"expected the log to go to \(9, 0\), got \(3, 0\)"):
        await process.feed.reach(Position(9, 0))
    assert "news spoke of" in caplog.text
    announce(process, sqlite_log.append("four"))
    assert [data for _, data, _ in process.listener.events] == ["three", "four"]


async def test_a_feed_lives_as_long_as_it_has_sockets(sqlite_log: SQLiteLog, process: Process) -> None:
    tasks = asyncio.all_tasks()
    assert process.feeds.enter("/", sqlite_log, 60.0) is process.feed
    other = process.feeds.enter("/tea", sqlite_log, 60.0)
    assert len(process.feeds) == 2
    process.feeds.leave(other)
    with pytest.raises(FeedClosed):
        await other.reach(START)
    process.feeds.leave(process.feed)
    assert len(process.feeds) == 1
    process.feeds.leave(process.feed)
    assert len(process.feeds) == 0
    await settle()
    assert len(asyncio.all_tasks()) < len(tasks)
    announce(process, sqlite_log.append("three"))
    assert process.listener.events == []


async def test_new_clients_who_find_too_little_in_memory_share_one_reading() -> None:
    sqlite_log = SQLiteLog()
    for number in range(60):
        sqlite_log.append(number)
    process = Process(sqlite_log)
    await process.feed.reach(sqlite_log.end())
    announce(process, sqlite_log.delete(60))
    readings = sqlite_log.readings
    cached_newest = await asyncio.gather(*(process.feed.newest() for _ in range(10)))
    assert sqlite_log.readings == readings + 1
    assert all(replay == cached_newest[0] for replay in cached_newest)
    assert len(events_of(cached_newest[0].messages)) == 50
    await process.feed.newest()
    assert sqlite_log.readings == readings + 1
    process.feeds.leave(process.feed)


async def test_news_that_come_while_the_log_is_read_are_not_doubled() -> None:
    sqlite_log = SlowLog()
    process = Process(sqlite_log)
    await eventually(lambda: sqlite_log.waiting, "the log is read")
    sqlite_log.answer()
    await process.feed.reach(START)
    items = [sqlite_log.append(number) for number in (1, 2)]
    announce(process, items[1])
    await eventually(lambda: sqlite_log.waiting, "the log is read")
    announce(process, items[0])
    assert process.listener.events == entries(1, 2)
    announce(process, sqlite_log.append(3))
    sqlite_log.answer()
    await eventually(lambda: process.feed._reader is None, "the log was read")
    announce(process, sqlite_log.append(4))
    assert process.listener.events == entries(1, 2, 3, 4)
    process.feeds.leave(process.feed)


async def test_news_that_come_while_the_newest_are_read_are_neither_lost_nor_doubled() -> None:
    sqlite_log = SlowLog()
    sqlite_log.patient = False
    for number in range(1, 61):
        sqlite_log.append(number)
    process = Process(sqlite_log)
    await process.feed.reach(sqlite_log.end())
    announce(process, sqlite_log.delete(60))
    sqlite_log.patient = True
    entering = asyncio.create_task(process.feed.newest())
    await eventually(lambda: sqlite_log.waiting, "the log is read")
    announce(process, sqlite_log.append(61))
    sqlite_log.answer()
    replay = await entering
    assert (await complete(process.feed, replay, replay.before))[-1:] == entries(61, deletions=1)
    announce(process, sqlite_log.append(62))
    assert process.listener.events == [["deleted", 60, "60.1./"], *entries(61, 62, deletions=1)]
    process.feeds.leave(process.feed)


async def test_who_missed_much_gets_all_pages_of_it() -> None:
    sqlite_log = SlowLog()
    sqlite_log.patient = False
    for number in range(1, 201):
        sqlite_log.append(number)
    process = Process(sqlite_log)
    replay = await since(process.feed, Position(10, 0), 500)
    assert replay is not None
    assert await complete(process.feed, replay, Position(10, 0)) == entries(*range(11, 201))
    process.feeds.leave(process.feed)


LONG = "文" * 4000  # 12,000 bytes: 21 entries fit


@pytest.mark.parametrize(
    ("at", "missed", "first"),
    [
        (Position(0, 0), (1, 279), 280),
        (Position(278, 0), (279, 279), 280),
        (Position(279, 0), None, 280),
        (Position(299, 0), None, 300),
    ],
)
async def test_of_long_entries_the_newest_are_sent_and_the_gap_before_them_is_told(
    at: Position, missed: tuple[int, int] | None, first: int
) -> None:
    """However many were missed, few are read and kept; a client that got a part of it lacks the rest."""
    sqlite_log = SQLiteLog()
    for _ in range(300):
        sqlite_log.append(LONG)
    process = Process(sqlite_log)
    replay = await since(process.feed, at, 500)
    assert replay is not None
    assert (replay.missed, replay.position.seq) == (missed, 300)
    assert sqlite_log.readings <= 4
    sent = [event for event in await complete(process.feed, replay, at) if event[0] == "entry"]
    assert [offset for _, _, offset in sent] == [f"{number}.0./" for number in range(first, 301)]
    for _, _, offset in sent[:-1]:
        found = parse_offset(offset, "/")
        assert found is not None
        again = await since(process.feed, Position(*found), 500)
        assert again is not None
        assert again.missed is None
        rest = await complete(process.feed, again, Position(*found))
        assert rest == sent[sent.index(["entry", LONG, offset]) + 1 :]
    process.feeds.leave(process.feed)


async def test_long_entries_among_short_ones_are_the_gap_that_the_log_is_asked_for() -> None:
    sqlite_log = SQLiteLog()
    for number in range(1, 301):
        sqlite_log.append(LONG if number < 150 else number)
    sqlite_log.delete(200)
    sqlite_log.delete(140)
    process = Process(sqlite_log)
    replay = await since(process.feed, START, 500)
    assert replay is not None
    assert replay.missed == (1, 127)
    events = await complete(process.feed, replay, START)
    assert [(event, data) for event, data, _ in events[:3]] == [
        ("gap", (1, 127)),
        ("deleted", 200),
        ("deleted", 140),
    ]
    assert [offset for _, _, offset in events[:4]] == ["127.0./", "127.1./", "127.2./", "128.2./"]
    assert len(events) == 3 + 173 - 2
    process.feeds.leave(process.feed)


async def test_deletions_that_are_too_long_make_a_client_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tails, "REPLAY_BYTES", 250)
    sqlite_log = SQLiteLog()
    for number in range(30):
        sqlite_log.append(number)
    for number in range(1, 21):
        sqlite_log.delete(number)
    process = Process(sqlite_log)
    assert await since(process.feed, Position(30, 0), 500) is None
    assert await since(process.feed, Position(30, 15), 500) is not None
    process.feeds.leave(process.feed)


async def test_who_missed_little_gets_it_from_memory(sqlite_log: SQLiteLog, process: Process) -> None:
    at = sqlite_log.end()
    for number in range(80):
        announce(process, sqlite_log.append(number))
    readings = sqlite_log.readings
    replay = await since(process.feed, at, 500)
    assert replay is not None
    assert [data for _, data, _ in await complete(process.feed, replay, at)] == list(range(80))
    assert sqlite_log.readings == readings


@pytest.mark.parametrize(
    ("at", "missed", "rest"),
    [
        (Position(5, 3), None, []),
        (Position(4, 3), None, [5]),
        (Position(3, 2), None, [2, 4, 5]),
        (Position(5, 1), None, [3, 2]),
        (Position(2, 3), (3, 5), []),
        (Position(0, 2), (1, 5), [2]),
        (Position(5, 0), "fresh", []),
        (Position(6, 3), "fresh", []),
        (Position(5, 4), "fresh", []),
        (Position(10**14, 0), "fresh", []),
    ],
)
async def test_who_missed_too_much_or_was_never_there_is_told(
    process: Process, sqlite_log: SQLiteLog, at: Position, missed: Any, rest: list[int]
) -> None:
    for data in (3, 4, 5):
        announce(process, sqlite_log.append(data))
    for seq in (1, 3, 2):
        announce(process, sqlite_log.delete(seq))
    replay = await since(process.feed, at, 2)
    if replay is None:
        assert missed == "fresh"
        return
    assert replay.missed == missed
    assert replay.position.seq == 5
    events = await complete(process.feed, replay, at)
    assert [data for event, data, _ in events if event != "gap"] == rest


async def test_news_from_another_process_are_the_same(sqlite_log: SQLiteLog, process: Process) -> None:
    publication = [LOG, *announcement("/", sqlite_log.append("three"))]
    process.backplane._receive(publications_message("another", [publication]))
    assert process.listener.events == [["entry", "three", "3.0./"]]
