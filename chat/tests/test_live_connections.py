"""The live connections in the database."""

import asyncio
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.db.models.functions import Now
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.protocol.reasons import Reason
from channels_socketio.tests.support.people import Connect, eventually
from channels_socketio.tests.support.processes import wait_until
from channels_socketio.tests.support.ws_client import Dial
from chat import live_connections
from chat.database import in_thread
from chat.live_connections import write
from chat.models import LiveConnection, ServerProcess
from chat.tests.people import row_of, visit
from chat.tests.site import Site
from chatproject.asgi import application

PATH = "/socket.io/?EIO=4&transport=websocket"


def a_row(process: str, number: int = 1, **values: Any) -> live_connections.Row:
    """Return what is written of a connection."""
    row: dict[str, Any] = {
        "id": f"c{number}",
        "process": process,
        "login_session": None,
        "user": None,
        "rooms": "lobby",
    }
    row |= {"transport": "websocket", "address": "127.0.0.1", "user_agent": "a browser"}
    row["since"] = connection.ops.adapt_datetimefield_value(timezone.now())
    return tuple((row | values).values())


def age(process: str, seconds: float) -> None:
    """Make a process's heartbeat older."""
    ServerProcess.objects.filter(pk=process).update(heartbeat=Now() - timedelta(seconds=seconds))


def live() -> list[str]:
    """Return the ids of the connections that live."""
    return sorted(LiveConnection.objects.live().values_list("pk", flat=True))


@pytest.mark.django_db
class TestRows:
    """What one transaction writes."""

    def test_connections_are_written_changed_and_deleted(self) -> None:
        assert not write("p", [a_row("p", 1), a_row("p", 2)], [], False)
        assert live() == ["c1", "c2"]
        assert write("p", [a_row("p", 1, rooms="lobby tea", transport="polling")], ["c2", "c3"], False)
        (row,) = LiveConnection.objects.live()
        assert (row.pk, row.rooms, row.transport, row.process_id) == ("c1", "lobby tea", "polling", "p")
        assert abs(row.since - timezone.now()) < timedelta(seconds=10)

    def test_a_crowd_costs_as_many_queries_as_one(self, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        write("p", [], [], False)
        with django_assert_num_queries(5):  # savepoints, heartbeat, deletion, rows
            write("p", [a_row("p", number) for number in range(300)], ["x"], False)
        assert LiveConnection.objects.count() == 300

    def test_a_heartbeat_that_is_too_old_vouches_for_nothing(self) -> None:
        write("p", [a_row("p")], [], False)
        age("p", 19)
        assert live() == ["c1"]
        age("p", 21)
        assert live() == []

    def test_the_dead_are_removed_with_their_rows_and_nobody_else(self) -> None:
        write("dead", [a_row("dead", 1)], [], False)
        write("alive", [a_row("alive", 2)], [], False)
        age("dead", 21)
        age("alive", 19)
        write("p", [], [], True)
        assert set(ServerProcess.objects.values_list("pk", flat=True)) == {"alive", "p"}
        assert list(LiveConnection.objects.values_list("pk", flat=True)) == ["c2"]

    def test_a_process_that_was_taken_for_dead_is_told_so(self) -> None:
        write("p", [a_row("p")], [], False)
        ServerProcess.objects.filter(pk="p").delete()
        assert not write("p", [], [], False)
        assert not LiveConnection.objects.exists()

    def test_the_end_of_a_login_session_leaves_the_row_to_its_process(self) -> None:
        session = row_of(visit())
        write("p", [a_row("p", login_session=session.pk)], [], False)
        session.delete()
        (row,) = LiveConnection.objects.live().select_related("login_session")
        assert row.login_session is None


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Write several times a second."""
    monkeypatch.setattr(live_connections, "INTERVAL", 0.02)
    settings.CHAT_HEARTBEAT = 0.1


async def rows() -> list[LiveConnection]:
    """Return the rows of connections that live."""
    return await in_thread(lambda: list(LiveConnection.objects.live().select_related("login_session", "process")))()


async def until_rows(condition: Any, what: str) -> list[LiveConnection]:
    """Return the rows once they fulfil a condition."""
    async with asyncio.timeout(10):
        while not condition(found := await rows()):
            await asyncio.sleep(0.01)
    assert found is not None, what
    return found


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
class TestLiveConnections:
    """What a process keeps writing."""

    async def test_a_connection_is_there_while_it_lives(self, connect: Connect) -> None:
        session = await in_thread(visit)()
        client = await connect(
            application,
            "/",
            cookies={"sessionid": str(session.session_key)},
            headers=[(b"user-agent", b"Browser \xe9 " + b"x" * 300)],
        )
        (row,) = await until_rows(len, "the connection was written")
        assert row.login_session_id == (await in_thread(row_of)(session)).pk
        assert (row.rooms, row.transport, row.process.pk) == ("lobby", "websocket", current_runtime().process)
        assert row.user_agent == "Browser é " + "x" * 190
        assert (await client.receive_event())[0] == "welcome"
        await client.join("/rooms/tea")
        await until_rows(lambda found: found[0].rooms == "lobby tea", "the second room was written")
        await client.disconnect()
        await until_rows(lambda found: not found, "the connection was deleted")
        await eventually(lambda: not is_running(), "the task ended")
        assert not await in_thread(ServerProcess.objects.exists)()

    async def test_nothing_is_written_while_nothing_happens_but_heartbeats(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        settings.CHAT_HEARTBEAT = 3600.0
        await self.come(connect)
        await until_rows(len, "the connection was written")
        calls: list[Any] = []
        monkeypatch.setattr(live_connections, "write", lambda *args: calls.append(args))
        turns = current_runtime().now() + 5 * live_connections.INTERVAL
        await eventually(lambda: current_runtime().now() > turns, "time had passed")
        assert not calls

    async def test_who_was_taken_for_dead_writes_everything_again(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lock = Lock()

        def wait_and_write(*args: Any) -> bool:
            with lock:
                return write(*args)

        monkeypatch.setattr(live_connections, "write", wait_and_write)
        await self.come(connect)
        await until_rows(len, "the connection was written")
        with lock:
            await in_thread(ServerProcess.objects.filter(pk=current_runtime().process).delete)()
            assert not await rows()
        await until_rows(len, "the connection was written again")

    async def test_many_changes_are_several_transactions(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(live_connections, "AT_ONCE", 2)
        sizes: list[tuple[int, int]] = []

        def note_and_write(process: str, rows: Any, gone: Any, sweeps: bool) -> bool:
            sizes.append((len(rows), len(gone)))
            return write(process, rows, gone, sweeps)

        first = await self.come(connect)
        await until_rows(len, "the connection was written")
        monkeypatch.setattr(live_connections, "write", note_and_write)
        monkeypatch.setattr(live_connections, "INTERVAL", 0.5)
        await first.disconnect()
        clients = [await self.come(connect) for _ in range(5)]
        await until_rows(lambda found: len(found) == 5, "all were written")
        for client in clients[1:]:
            await client.disconnect()
        await until_rows(lambda found: len(found) == 1, "those who left were deleted")
        assert sum(rows for rows, _ in sizes) == 5
        assert sum(gone for _, gone in sizes) == 5
        assert max(map(max, sizes)) == 2

    async def test_a_database_that_is_stuck_holds_nobody_up(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stuck, release = Event(), Event()

        def wait_and_write(*args: Any) -> bool:
            stuck.set()
            release.wait(10)
            return write(*args)

        monkeypatch.setattr(live_connections, "write", wait_and_write)
        client = await self.come(connect)
        await eventually(stuck.is_set, "the database was stuck")
        for _ in range(3):
            await (await self.come(connect)).disconnect()
        stays = await self.come(connect)
        assert (await stays.call("send chat", {"msg": "hello"}))["ok"]
        release.set()
        await until_rows(lambda found: len(found) == 2, "those who stayed were written")
        await client.disconnect()

    async def test_after_a_failure_everything_is_written_again(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        failures = 3

        def fail_and_write(*args: Any) -> bool:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise DatabaseError("no")
            return write(*args)

        monkeypatch.setattr(live_connections, "write", fail_and_write)
        await self.come(connect)
        await until_rows(len, "the connection was written")
        assert caplog.text.count("Live connections cannot be written") == 1

    async def test_a_process_that_ends_takes_its_rows_with_it(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await self.come(connect)
        await until_rows(len, "the connection was written")
        monkeypatch.setattr(live_connections, "INTERVAL", 3600.0)
        turn = current_runtime().now() + 0.1
        await eventually(lambda: current_runtime().now() > turn, "the roster slept for long")
        await current_runtime().close(Reason.SERVER_SHUTTING_DOWN, 5)
        assert not await in_thread(ServerProcess.objects.exists)()
        assert not await rows()

    async def come(self, connect: Connect) -> Any:
        """Return the client of a new visitor."""
        session = await in_thread(visit)()
        return await connect(application, "/", cookies={"sessionid": str(session.session_key)})


def is_running() -> bool:
    """Return whether the roster of this loop has a task."""
    return live_connections.keep_live_connections()._task is not None


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Site]:
    """The chat with short leases."""
    site = Site(tmp_path, "serve", {"DJANGO_SETTINGS_MODULE": "chat.tests.live_settings"}).start()
    yield site
    site.kill()


async def test_a_process_that_is_killed_leaves_no_ghosts(short: Site, dial: Dial, tmp_path: Path) -> None:
    cookie = await asyncio.to_thread(short.new_cookie)
    await dial(short.ws_url + PATH, additional_headers={"Cookie": f"sessionid={cookie}"})
    count = "from chat.models import *; print(LiveConnection.objects.live().count(), ServerProcess.objects.count())"

    def counted() -> str:
        return short.manage("shell", "-v", "0", "-c", count).strip()

    await asyncio.to_thread(wait_until, lambda: counted() == "1 1", "the connection was written")
    short.stop(signal.SIGKILL)
    await asyncio.to_thread(wait_until, lambda: counted() == "0 1", "nobody vouched for it")
    await asyncio.to_thread(short.start)
    cookie = await asyncio.to_thread(short.new_cookie)
    await dial(short.ws_url + PATH, additional_headers={"Cookie": f"sessionid={cookie}"})
    await asyncio.to_thread(wait_until, lambda: counted() == "1 1", "the next process had cleaned up")
    assert await asyncio.to_thread(short.stop) == 0
    assert counted() == "0 0"
