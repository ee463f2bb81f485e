"""Sockets and pages that read and change the same login session at the same time."""

import asyncio
from importlib import import_module
from threading import Barrier
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.middleware.sessions import AuthMiddlewareStack
from channels_socketio.server import SocketIOServer
from channels_socketio.sessions import session_data
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import Connect, close_of
from chat.consumers import require_name
from chat.database import in_thread
from chat.sessions import SessionStore
from chat.tests.people import at_once, visit

pytestmark = pytest.mark.django_db(transaction=True)


class Desk(SocketIOConsumer):
    """Reads and changes the login session."""

    @on("copy")
    async def copy(self, key: str) -> Any:
        return self.session.get(key)

    @on("fresh")
    async def fresh(self, key: str) -> Any:
        return (await self.fresh_session()).get(key)

    @on("set")
    async def set(self, key: str, value: Any) -> None:
        async with self.session_changes() as data:
            data[key] = value

    @on("add")
    async def add(self, key: str, fail: bool = False) -> int:
        async with self.session_changes() as data:
            count = int(data.get(key, 0))
            await asyncio.sleep(0)
            data[key] = count + 1
            if fail:
                raise RuntimeError("asked for")
        return int(self.session[key])

    @on("stay")
    async def stay(self) -> None:
        async with self.session_changes():
            await asyncio.Event().wait()


application = AuthMiddlewareStack(bare(SocketIOServer([Desk], require_name, {})))


async def sit_down(connect: Connect, key: str) -> SocketIOCommunicator:
    """Return a client with the login session."""
    return await connect(application, "/", cookies={"sessionid": key})


async def new_key() -> str:
    """Return the session key of somebody new."""
    return str((await in_thread(visit)()).session_key)


def page(key: str, **values: Any) -> None:
    """Change the session as a view does it: with a copy of its own."""
    session = SessionStore(key)
    session.update(values)
    session.save()


async def test_what_a_page_writes_reaches_the_handler_that_asks(connect: Connect) -> None:
    key = await new_key()
    client = await sit_down(connect, key)
    await in_thread(page)(key, colour="red")
    assert await client.call("copy", "colour") is None
    assert await client.call("fresh", "colour") == "red"
    assert await client.call("copy", "colour") == "red"


async def test_what_a_handler_writes_reaches_the_page_and_is_not_undone_by_an_older_copy(connect: Connect) -> None:
    key = await new_key()
    client = await sit_down(connect, key)
    older = SessionStore(key)
    assert await in_thread(older.get)("colour") is None
    await client.call("set", "colour", "red")
    older["size"] = 3
    await in_thread(older.save)()
    stored = SessionStore(key)
    assert await in_thread(lambda: (stored["colour"], stored["size"], "name" in stored))() == ("red", 3, True)
    assert (older["colour"], older["size"]) == ("red", 3)


async def test_a_page_that_deletes_a_key_or_changes_it_is_obeyed(connect: Connect) -> None:
    key = await new_key()
    client = await sit_down(connect, key)
    await in_thread(page)(key, colour="red", shape=[1, [2]])
    older = SessionStore(key)
    assert await in_thread(older.get)("colour") == "red"
    await client.call("set", "size", 3)
    del older["colour"]
    older["shape"][1].append(3)
    await in_thread(older.save)()
    assert await client.call("fresh", "colour") is None
    assert await client.call("fresh", "shape") == [1, [2, 3]]
    assert await client.call("fresh", "size") == 3


async def test_nobody_who_counts_at_the_same_time_is_lost(connect: Connect) -> None:
    key = await new_key()
    clients = [await sit_down(connect, key) for _ in range(6)]
    barrier = Barrier(3)

    def count(number: int) -> None:
        for _ in range(4):
            with SessionStore(key).changes() as data:
                data["count"] = data.get("count", 0) + 1
            page(key, **{f"page {number}": barrier.parties})

    counting = asyncio.create_task(asyncio.to_thread(at_once, 3, count))
    await asyncio.gather(*(client.call("add", "count", timeout=20) for client in clients for _ in range(2)))
    await counting
    assert await clients[0].call("fresh", "count") == 6 * 2 + 3 * 4
    assert [await clients[0].call("fresh", f"page {number}") for number in range(3)] == [3, 3, 3]


async def test_what_fails_or_takes_too_long_is_not_saved(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await sit_down(connect, await new_key())
    assert (await client.call("add", "count", True))["code"] == "internal"
    assert await client.call("add", "count") == 1
    monkeypatch.setattr(session_data, "SECONDS", 0.05)
    assert (await client.call("stay"))["code"] == "internal"
    monkeypatch.undo()
    assert await client.call("add", "count") == 2


async def test_a_login_session_that_is_over_cannot_be_read_or_changed(connect: Connect) -> None:
    key = await new_key()
    client = await sit_down(connect, key)
    await in_thread(SessionStore(key).flush)()
    with pytest.raises(UpdateError):
        async with session_data.changes(key):
            pytest.fail("expected no data")
    assert (await client.receive_event())[0] == "session ended"


async def test_after_a_rotation_the_handler_reads_and_changes_nothing(connect: Connect) -> None:
    key = await new_key()
    client = await sit_down(connect, key)
    await in_thread(SessionStore(key).cycle_key)()
    with pytest.raises(UpdateError):
        async with session_data.changes(key):
            pytest.fail("expected no data")
    assert (await close_of(client))["reason"] == "session rotated"


@pytest.mark.parametrize("engine", ["db", "cache"])
async def test_stores_that_cannot_lock_keep_what_others_wrote(connect: Connect, settings: Any, engine: str) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    store = import_module(settings.SESSION_ENGINE).SessionStore

    def new() -> str:
        session = store()
        session.update({"visitor": 1, "name": 1, "gone": 1})
        session.save()
        return str(session.session_key)

    def write(**values: Any) -> None:
        session = store(key)
        session.update(values)
        session.save()

    key = await in_thread(new)()
    async with session_data.changes(key) as data:
        await in_thread(write)(colour="red")
        data["size"] = 3
        del data["gone"]
    session = store(key)
    stored = await in_thread(lambda: dict(session.items()))()
    assert stored == {"visitor": 1, "name": 1, "colour": "red", "size": 3}
