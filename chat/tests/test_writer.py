"""Many senders, one transaction; and what they are told when the database does not work."""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from channels_socketio.exceptions import Refused
from channels_socketio.history.log import Item
from channels_socketio.tests.support.people import eventually
from chat import services, writer
from chat.database import in_thread
from chat.models import Message, Room, Visitor
from chat.services import Announcement, Committed, Draft, Receipt
from chat.writer import Writer

pytestmark = pytest.mark.django_db(transaction=True)
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="breaks SQLite in its own ways")

HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


class Recorder(Writer):
    """A writer that notes its batches, and what it would announce."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []
        self.announced_before: list[int] = []
        self.announced: list[Announcement] = []
        self.gate = threading.Event()
        self.gate.set()

    def commit(self, drafts: Sequence[Draft]) -> Committed:
        self.batches.append([draft.text for draft in drafts])
        self.announced_before.append(len(self.announced))
        assert self.gate.wait(20)
        return services.commit(drafts)

    async def announce(self, namespace: str, item: Item) -> None:
        self.announced.append(Announcement(namespace, item))


@pytest.fixture
def recorder(kept_connections: None) -> Recorder:
    """A writer of its own; the connection of its thread is closed afterwards."""
    return Recorder()


@pytest.fixture
def visitor(transactional_db: None) -> int:
    """The primary key of somebody."""
    return Visitor.objects.create().pk


def drafts(visitor: int, count: int, room: str = "tea") -> list[Draft]:
    """Return messages with their place as text."""
    return [Draft(room, "42", str(number), visitor, uuid4()) for number in range(count)]


async def outcomes(sending: Sequence["asyncio.Future[Receipt]"]) -> list[int | str]:
    """Return the number of each message that was stored, and the code of each refusal."""
    found: list[int | str] = []
    for result in await asyncio.gather(*sending, return_exceptions=True):
        if isinstance(result, Receipt):
            found.append(result.seq)
        else:
            assert isinstance(result, Refused), result
            found.append(result.code)
    return found


def start(recorder: Recorder, messages: Sequence[Draft]) -> "list[asyncio.Task[Receipt]]":
    """Send messages, each by a task of its own."""
    return [asyncio.ensure_future(recorder.send(draft)) for draft in messages]


@in_thread
def stored() -> list[str]:
    """Return what is stored, in order."""
    return list(Message.objects.order_by("seq").values_list("text", flat=True))


async def test_a_batch_is_what_came_during_the_last_commit(recorder: Recorder, visitor: int) -> None:
    recorder.gate.clear()
    messages = drafts(visitor, 1200)
    first = start(recorder, messages[:1])
    await eventually(lambda: recorder.batches, "the first was being stored")
    rest = start(recorder, messages[1:])
    await eventually(lambda: len(recorder._waiting) == 1199, "the others waited")
    recorder.gate.set()
    assert await outcomes(first + rest) == list(range(1, 1201))
    assert [len(batch) for batch in recorder.batches] == [1, 500, 500, 199]
    await eventually(lambda: recorder._task is None, "the writer rested")
    assert [announcements.item.position.seq for announcements in recorder.announced] == list(range(1, 1201))


async def test_one_alone_is_stored_at_once_and_an_idle_writer_has_no_task(recorder: Recorder, visitor: int) -> None:
    for draft in drafts(visitor, 3):
        await recorder.send(draft)
        await eventually(lambda: recorder._task is None, "the writer rested")
    assert recorder.batches == [["0"], ["1"], ["2"]]


async def test_senders_have_their_answers_before_the_news(recorder: Recorder, visitor: int) -> None:
    heard_before: list[int] = []

    async def send(draft: Draft) -> None:
        await recorder.send(draft)
        heard_before.append(len(recorder.announced))

    await asyncio.gather(*(send(draft) for draft in drafts(visitor, 20)))
    assert heard_before == [0] * 20


async def test_news_wait_for_one_more_commit_if_there_is_one_and_no_longer(
    recorder: Recorder, visitor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH", 2)
    await asyncio.gather(*start(recorder, drafts(visitor, 9)))
    await eventually(lambda: recorder._task is None, "the writer rested")
    assert [len(batch) for batch in recorder.batches] == [2, 2, 2, 2, 1]
    assert recorder.announced_before == [0, 0, 4, 4, 8]
    assert [announcements.item.position.seq for announcements in recorder.announced] == list(range(1, 10))


async def test_a_full_queue_refuses_and_what_waits_is_stored(
    recorder: Recorder, visitor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "QUEUE", 10)
    recorder.gate.clear()
    messages = drafts(visitor, 15)
    first = start(recorder, messages[:1])
    await eventually(lambda: recorder.batches, "the first was being stored")
    rest = start(recorder, messages[1:])
    await eventually(lambda: sum(task.done() for task in rest) == 4, "those too many were refused")
    recorder.gate.set()
    assert await outcomes(first + rest) == [*range(1, 12), *["unavailable"] * 4]
    assert len(await stored()) == 11


async def test_everybody_is_answered_in_time_when_the_database_is_stuck(
    recorder: Recorder, visitor: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 0.2)
    recorder.gate.clear()
    messages = drafts(visitor, 3)
    first = start(recorder, messages[:1])
    await eventually(lambda: recorder.batches, "the first was being stored")
    rest = start(recorder, messages[1:])
    async with asyncio.timeout(5):
        assert await outcomes(first + rest) == ["unavailable"] * 3
    recorder.gate.set()
    # The first was on its way to the disk, the others were not; sent again, each is there once.
    again = start(recorder, [*messages, *messages])
    assert await outcomes(again) == [1, 2, 3, 1, 2, 3]
    assert await stored() == ["0", "1", "2"]
    assert [announcements.item.data["text"] for announcements in recorder.announced] == ["0", "1", "2"]


async def test_a_sender_who_has_gone_does_not_matter(recorder: Recorder, visitor: int) -> None:
    recorder.gate.clear()
    messages = drafts(visitor, 3)
    sending = start(recorder, messages)
    await eventually(lambda: recorder.batches, "they were being stored")
    sending[1].cancel()
    recorder.gate.set()
    assert (await sending[0]).seq == 1
    assert (await sending[2]).seq == 3
    assert await stored() == ["0", "1", "2"]


async def test_a_mistake_of_ours_is_logged_and_stops_nobody_else(
    recorder: Recorder, visitor: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*args: Any) -> None:
        raise LookupError("a mistake")

    with monkeypatch.context() as broken:
        broken.setattr(services, "append", fail)
        assert await outcomes(start(recorder, drafts(visitor, 2))) == ["unavailable"] * 2
    with monkeypatch.context() as broken:
        broken.setattr(recorder, "announce", fail)
        assert await outcomes(start(recorder, drafts(visitor, 2))) == [1, 2]
    assert await outcomes(start(recorder, drafts(visitor, 1))) == [3]
    assert caplog.text.count("LookupError: a mistake") == 3


# SQLite in trouble


async def in_writer(sql: str) -> None:
    """Run SQL on the connection that the writer keeps."""

    def execute() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)

    await writer.thread.run(execute)


@sqlite_only
@pytest.mark.parametrize(
    ("trouble", "cure", "error"),
    [
        ("PRAGMA max_page_count = 1", "PRAGMA max_page_count = 1073741823", "database or disk is full"),
        ("PRAGMA query_only = on", "PRAGMA query_only = off", "attempt to write a readonly database"),
    ],
)
async def test_a_database_that_takes_nothing(
    recorder: Recorder, visitor: int, caplog: pytest.LogCaptureFixture, trouble: str, cure: str, error: str
) -> None:
    messages = [Draft("tea", "42", "x" * 2000, visitor, uuid4()) for _ in range(500)]
    await in_writer("VACUUM")  # or there may be room in what other tests have left behind
    await in_writer(trouble)
    assert await outcomes(start(recorder, messages)) == ["unavailable"] * 500
    assert f"Storing 500 messages failed: {error}" in caplog.text
    assert "Traceback" not in caplog.text
    assert recorder.announced == []
    assert not await in_thread(Room.objects.exists)()
    await in_writer(cure)
    assert await outcomes(start(recorder, messages)) == list(range(1, 501))
    assert len(await stored()) == 500


@pytest.fixture
def lock_held() -> Iterator[subprocess.Popen[str]]:
    """Another process that holds SQLite's lock for writing until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(connection.settings_dict["NAME"])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@sqlite_only
@pytest.mark.parametrize("busy_ms", [50, 20_000], ids=["the database gives up", "the senders give up"])
async def test_a_database_that_another_process_has_locked(
    recorder: Recorder,
    visitor: int,
    lock_held: "subprocess.Popen[str]",
    monkeypatch: pytest.MonkeyPatch,
    busy_ms: int,
) -> None:
    monkeypatch.setattr(writer, "PATIENCE", 1.0)
    await in_writer(f"PRAGMA busy_timeout = {busy_ms}")
    messages = drafts(visitor, 20)
    assert await outcomes(start(recorder, messages)) == ["unavailable"] * 20
    assert recorder.announced == []
    lock_held.communicate()
    monkeypatch.undo()
    assert await outcomes(start(recorder, messages)) == list(range(1, 21))
    assert await stored() == [str(number) for number in range(20)]
    await eventually(lambda: len(recorder.announced) == 20, "all were announced")


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs a server that can drop a connection")
async def test_a_connection_that_broke_is_replaced(recorder: Recorder, visitor: int) -> None:
    first, second = drafts(visitor, 2)
    await recorder.send(first)
    pid = await writer.thread.run(lambda: connection.connection.info.backend_pid)

    @in_thread
    def drop() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])

    await drop()
    assert (await recorder.send(second)).seq == 2
