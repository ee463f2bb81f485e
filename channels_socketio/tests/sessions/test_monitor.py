"""Login sessions and their connections inside one process, for any site: with Django's own sessions in the database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    alogin,
    get_user_model,
    login,
    logout,
    update_session_auth_hash,
)
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.db import connection as database
from django.db import transaction
from django.db.models.signals import post_delete
from django.http import HttpRequest
from django.utils import timezone

from channels_socketio import signals
from channels_socketio.connections import runtime
from channels_socketio.connections.connection import Connection
from channels_socketio.connections.runtime import current_runtime
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused
from channels_socketio.history.log import Page
from channels_socketio.middleware.sessions import AuthMiddlewareStack
from channels_socketio.revocation import end_sessions, end_user, look_at_all, look_at_sessions
from channels_socketio.server import SocketIOServer
from channels_socketio.sessions import monitor
from channels_socketio.sessions.end_reasons import ENDED, EndReason
from channels_socketio.sessions.monitor import SessionMonitor
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import Connect, close_of, eventually, settle
from channels_socketio.tests.support.sqlite_log import SQLiteLog

pytestmark = pytest.mark.django_db(transaction=True)

User: Any = get_user_model()


class Gate:
    """Something that may be made to wait, and says whether it does."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()
        self.waiting = 0

    def shut(self) -> None:
        self._open.clear()

    def open(self) -> None:
        self._open.set()

    async def pass_through(self) -> None:
        self.waiting += 1
        await self._open.wait()
        self.waiting -= 1


class SlowLog(SQLiteLog):
    """A log behind a gate."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def newest(self, namespace: str) -> Page:
        await self.gate.pass_through()
        return await super().newest(namespace)


class House:
    """A server, and where its visitors can be made to wait. `notes` says what its consumers heard."""

    def __init__(self, **options: float) -> None:
        self.admission, self.entrance, self.work, self.sqlite_log = Gate(), Gate(), Gate(), SlowLog()
        notes: list[Any] = []
        self.notes, house = notes, self
        self.unwanted: set[str] = set()  # paths of handshakes

        class Guest(SocketIOConsumer):
            async def connect(self, auth: dict[str, Any]) -> None:
                await house.entrance.pass_through()

            async def renamed(self) -> None:
                await self.emit("renamed", self.user.get_username(), self.session.get("colour"))

            async def disconnect(self, reason: str) -> None:
                notes.append(reason)

            @on("work")
            async def work(self, number: int) -> None:
                await house.work.pass_through()
                notes.append(number)

        class Reader(SocketIOConsumer):
            namespaces = ["/log"]
            log = house.sqlite_log

        self.server = SocketIOServer([Guest, Reader], self.admit, options, self.review)
        self.application = AuthMiddlewareStack(bare(self.server))

    async def admit(self, scope: Any) -> None:
        await self.admission.pass_through()

    def review(self, scope: Any) -> EndReason | None:
        return EndReason("rude", "Go away.") if scope["path"] in self.unwanted else None

    @property
    def monitor(self) -> SessionMonitor:
        return current_runtime().monitor


@pytest.fixture(autouse=True)
async def django_sessions(settings: Any) -> AsyncIterator[None]:
    """Use Django's own session store, and check that nothing of it is kept here in the end."""
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    signals.install()
    yield
    post_delete.disconnect(sender=Session, dispatch_uid=signals.NAME)


def make_session(user: Any = None, **data: Any) -> str:
    """Return the key of a login session, of a user if not None."""
    request = HttpRequest()
    request.session = SessionStore()
    if user is not None:
        login(request, user, "django.contrib.auth.backends.ModelBackend")
    request.session.update({"colour": "red"} | data)
    request.session.save()
    return str(request.session.session_key)


new_session = sync_to_async(make_session)


@sync_to_async
def new_user(name: str = "ada") -> Any:
    """Return a user."""
    return User.objects.create_user(name, password="before")


@sync_to_async
def execute(sql: str, *values: Any) -> None:
    """Do something that no signal tells of."""
    with database.cursor() as cursor:
        cursor.execute(sql, values)


async def come(connect: Connect, house: House, key: str, *namespaces: str) -> SocketIOCommunicator:
    """Return a client with the login session, in namespaces."""
    return await connect(house.application, *namespaces, cookies={"sessionid": key})


async def told(client: SocketIOCommunicator) -> str:
    """Return the reason that a client is told; check that it is put out and the connection closed."""
    event, data = await client.receive_event()
    assert event == "session ended"
    assert await client.receive_from(5) == "41"
    assert (await close_of(client))["reason"] == "session ended"
    return str(data["reason"])


def is_empty(house: House) -> bool:
    """Return whether nothing is registered."""
    return house.monitor.registry.logins == {} == house.monitor.registry._users


async def test_all_connections_of_a_login_session_end_and_no_other(connect: Connect) -> None:
    house = House()
    key, other = await new_session(), await new_session()
    clients = [await come(connect, house, key, "/") for _ in range(2)]
    bystander = await come(connect, house, other, "/")
    await sync_to_async(end_sessions)([key], EndReason("rude", "Go away."))
    assert [await told(client) for client in clients] == ["rude", "rude"]
    await settle()
    assert bystander.output_queue.empty()
    assert len(house.monitor.registry.logins) == 1
    await eventually(lambda: house.notes == ["session ended"] * 2, "their consumers had heard of it")


async def test_a_connection_without_a_namespace_ends_too(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key)
    await sync_to_async(SessionStore(key).flush)()
    assert (await close_of(client))["reason"] == "session ended"
    assert is_empty(house)


@pytest.mark.parametrize("session", [True, False])
async def test_who_leaves_is_not_registered_any_more(connect: Connect, session: bool) -> None:
    house = House()
    client = await come(connect, house, await new_session(await new_user()) if session else "unknown1", "/")
    assert is_empty(house) is not session
    await client.disconnect()
    await eventually(lambda: is_empty(house), "nothing was registered")
    assert house.monitor.next_deadline() is None


async def test_engine_ids_that_ended_with_their_login_session_are_known_for_a_while_only(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "ENDED_SECONDS", 0.1)
    house = House()
    key = await new_session()
    client, other = await come(connect, house, key), await come(connect, house, await new_session())
    [sid, _] = current_runtime().connections
    await sync_to_async(SessionStore(key).flush)()
    assert (await close_of(client))["reason"] == "session ended"
    assert current_runtime().ended == {sid: house.server.application}
    await eventually(lambda: not current_runtime().ended, "it was forgotten")
    await other.disconnect()
    assert not current_runtime().ended


async def test_one_that_cannot_say_why_it_ends_is_closed_and_the_others_are_told(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house, order = House(), list[str]()
    user, keys = await new_user(), []
    for _ in range(3):
        keys.append(await new_session(user))
    clients = [await come(connect, house, key, "/") for key in keys for _ in range(2)]
    victims = list(current_runtime().connections.values())[::2]
    end = Connection.end

    def fail(connection: Connection, end_reason: EndReason) -> None:
        order.append("here")
        if connection in victims:
            raise LookupError("asked for")
        end(connection, end_reason)

    monkeypatch.setattr(Connection, "end", fail)
    backplane = current_runtime().backplane
    monkeypatch.setattr(backplane, "crosses_processes", True)
    monkeypatch.setattr(backplane, "publish_to_others", lambda kind, *args: order.append("others"))
    await sync_to_async(end_user)(user, EndReason("rude", "Go away."))
    assert [await told(client) for client in clients[1::2]] == ["rude"] * 3
    for client in clients[::2]:
        assert (await close_of(client))["reason"] == "session ended"
    assert order == ["others"] + ["here"] * 6
    assert caplog.text.count("LookupError: asked for") == len(victims)
    assert is_empty(house)


async def test_after_a_failed_review_the_client_stays_and_the_others_are_reviewed(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    key = await new_session()
    clients = [await come(connect, house, key, "/") for _ in range(3)]
    calls = 0

    def review(scope: Any) -> EndReason | None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("asked for")
        return EndReason("rude", "Go away.")

    house.server.application.review = review
    await sync_to_async(look_at_all)()
    await eventually(lambda: calls == 3, "all were reviewed")
    await eventually(lambda: len(current_runtime().connections) == 1, "two had to go")
    assert caplog.text.count("LookupError: asked for") == 1
    await sync_to_async(look_at_all)()
    assert [await told(client) for client in clients] == ["rude"] * 3


async def test_a_login_session_that_cannot_be_judged_leaves_those_of_its_batch_alone(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    clients = [await come(connect, house, await new_session(await new_user(name)), "/") for name in ("ada", "bob")]
    judge = SessionMonitor._judge
    calls = 0

    async def fail_once(self: SessionMonitor, *args: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("asked for")
        await judge(self, *args)

    monkeypatch.setattr(SessionMonitor, "_judge", fail_once)
    await execute("UPDATE auth_user SET is_active = false")
    await sync_to_async(look_at_all)()
    await eventually(lambda: len(current_runtime().connections) == 1, "the other had to go")
    assert caplog.text.count("LookupError: asked for") == 1
    await sync_to_async(look_at_all)()
    assert [await told(client) for client in clients] == ["user inactive"] * 2


async def test_one_that_cannot_be_renamed_is_closed_and_the_others_are_renamed(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    house = House()
    user = await new_user("ada")
    key = await new_session(user)
    clients = [await come(connect, house, key, "/") for _ in range(3)]
    victim, *_ = current_runtime().connections.values()
    rename = Connection.rename

    def fail(connection: Connection, *args: Any) -> None:
        if connection is victim:
            raise LookupError("asked for")
        rename(connection, *args)

    monkeypatch.setattr(Connection, "rename", fail)
    await execute("UPDATE auth_user SET username = 'eve'")
    await sync_to_async(look_at_all)()
    for client in clients[1:]:
        assert await client.receive_event() == ["renamed", "eve", "red"]
    assert (await close_of(clients[0]))["reason"] == "internal error"
    assert caplog.text.count("LookupError: asked for") == 1


async def test_nothing_more_is_handled_of_one_that_ended_with_its_login_session_and_did_not_keep_up(
    connect: Connect,
) -> None:
    house = House()
    client = await come(connect, house, await new_session(), "/")
    house.work.shut()
    for number in range(3):
        await client.emit("work", number)
    await eventually(lambda: house.work.waiting, "the first was at work")
    [connection] = current_runtime().connections.values()
    connection._unconfirmed = 10**9
    [login_session] = house.monitor.registry.logins.values()
    monitor.end(login_session.connections, ENDED)
    house.work.open()
    await eventually(lambda: "slow consumer" in house.notes, "the socket was cleaned up")
    assert house.notes == [0, "slow consumer"]


async def test_a_client_that_does_not_keep_up_ends_too(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/", "/log")
    [connection] = current_runtime().connections.values()
    connection._unconfirmed = 10**9
    [login_session] = house.monitor.registry.logins.values()
    monitor.end(login_session.connections, ENDED)
    assert (await close_of(client))["reason"] == "slow consumer"
    assert is_empty(house)


async def test_the_sweep_goes_on_after_nobody_was_here(connect: Connect) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.2)
    client = await come(connect, house, await new_session())
    [login_session] = house.monitor.registry.logins.values()
    house.monitor._look_later(login_session, current_runtime().now())
    await client.disconnect()
    await eventually(lambda: house.monitor.scheduled_at == float("inf"), "nothing was to be done")
    client = await come(connect, house, await new_session(), "/")
    await execute("DELETE FROM django_session")
    assert await told(client) == "ended"


async def test_a_users_login_sessions_end(connect: Connect) -> None:
    house = House()
    user, other = await new_user("ada"), await new_user("bob")
    client = await come(connect, house, await new_session(user), "/")
    bystander = await come(connect, house, await new_session(other), "/")
    await sync_to_async(end_user)(user, EndReason("rude", "Go away."))
    assert await told(client) == "rude"
    await settle()
    assert bystander.output_queue.empty()


async def test_events_that_wait_for_their_handler_are_not_handled(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/")
    house.work.shut()
    for number in range(3):
        await client.emit("work", number)
    await eventually(lambda: house.work.waiting, "the first was at work")
    await sync_to_async(SessionStore(key).flush)()
    assert await told(client) == "ended"
    house.work.open()
    await eventually(lambda: "session ended" in house.notes, "the socket was cleaned up")
    assert house.notes == [0, "session ended"]


async def test_who_is_about_to_enter_a_namespace_is_refused_for_good(connect: Connect) -> None:
    house = House()
    key = await new_session()
    house.entrance.shut()
    client = await come(connect, house, key)
    joining = asyncio.create_task(client.join("/"))
    await eventually(lambda: house.entrance.waiting, "the consumer was asked")
    await sync_to_async(SessionStore(key).flush)()
    assert await joining == {"message": "Your session has ended.", "data": {"code": "session ended"}}
    assert (await close_of(client))["reason"] == "session ended"
    house.entrance.open()
    await settle()
    assert house.notes == []


async def test_who_is_about_to_recover_is_refused_for_good(connect: Connect) -> None:
    house = House()
    key = await new_session()
    first = await come(connect, house, key)
    auth = {"pid": (await first.join("/log"))["pid"], "offset": "0.0./log"}
    await first.disconnect()
    house.sqlite_log.gate.shut()
    client = await come(connect, house, key)
    joining = asyncio.create_task(client.join("/log", auth))
    await eventually(lambda: house.sqlite_log.gate.waiting, "the log was asked")
    await sync_to_async(SessionStore(key).flush)()
    assert (await joining)["data"] == {"code": "session ended"}
    assert (await close_of(client))["reason"] == "session ended"
    house.sqlite_log.gate.open()
    await settle()
    assert current_runtime().sockets == {}


async def test_a_handshake_does_not_survive_an_end_that_overtakes_it(connect: Connect) -> None:
    house = House()
    key = await new_session()
    await come(connect, house, await new_session())  # so that this process listens
    house.admission.shut()
    coming = asyncio.create_task(come(connect, house, key))
    await eventually(lambda: house.admission.waiting, "the login session had been read")
    await sync_to_async(SessionStore(key).flush)()
    house.admission.open()
    assert (await close_of(await coming))["reason"] == "session ended"


async def test_news_are_not_kept_for_ever(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House()
    client = await come(connect, house, await new_session())
    monkeypatch.setattr(monitor, "HANDSHAKE_SECONDS", 0.0)
    await sync_to_async(end_sessions)(["unknown1"])
    await eventually(lambda: len(house.monitor._recent) == 1, "there was news")
    await sync_to_async(look_at_sessions)(["unknown2"])
    await settle()
    assert len(house.monitor._recent) == 1
    await client.disconnect()


SWEPT: list[tuple[str, str]] = [
    ("DELETE FROM django_session", "ended"),
    ("UPDATE django_session SET expire_date = '2000-01-01 00:00:00'", "expired"),
    ("UPDATE auth_user SET is_active = false", "user inactive"),
    ("UPDATE auth_user SET password = 'other'", "password changed"),
    ("DELETE FROM auth_user", "user deleted"),
]


@pytest.mark.parametrize(("sql", "reason"), SWEPT)
async def test_the_sweep_finds_what_nobody_tells_of(connect: Connect, sql: str, reason: str) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    user = await new_user()
    key = await new_session(user)
    client = await come(connect, house, key, "/")
    await execute(sql)
    assert await told(client) == reason


async def test_the_sweep_asks_one_question_for_all(connect: Connect) -> None:
    house = House()
    user = await new_user()
    for _ in range(5):
        await come(connect, house, await new_session(user))
    asked: list[str] = []

    def note(run: Callable[..., Any], sql: str, *rest: Any) -> Any:
        asked.append(sql)
        return run(sql, *rest)

    logins = list(house.monitor.registry.logins.values())
    await sync_to_async(lambda: database.execute_wrappers.append(note))()
    try:
        await house.monitor._look(logins)
    finally:
        await sync_to_async(database.execute_wrappers.clear)()
    assert len(logins) == 5
    assert ["django_session" in sql for sql in asked] == [True, False]


async def come_by(connect: Connect, house: House, key: str, path: str) -> SocketIOCommunicator:
    """Return a client in the main namespace whose handshake asked for a path."""
    return await connect(house.application, "/", cookies={"sessionid": key}, path=f"{path}?EIO=4&transport=websocket")


async def test_the_sweep_ends_connections_that_the_server_does_not_let_stay(connect: Connect) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    key = await new_session()
    client, other = await come_by(connect, house, key, "/here"), await come_by(connect, house, key, "/there")
    house.unwanted.add("/here")
    assert await told(client) == "rude"
    await settle()
    assert other.output_queue.empty()
    house.unwanted.add("/there")
    assert await told(other) == "rude"
    assert is_empty(house)


async def test_all_are_looked_at_when_somebody_says_so_and_so_is_who_comes_in_meanwhile(connect: Connect) -> None:
    house = House()
    client = await come_by(connect, house, await new_session(), "/here")
    house.admission.shut()
    coming = asyncio.create_task(come(connect, house, await new_session()))
    await eventually(lambda: house.admission.waiting, "somebody had been admitted")
    house.unwanted |= {"/here", "/socket.io/"}
    await sync_to_async(look_at_all)()
    assert await told(client) == "rude"
    house.admission.open()
    assert (await close_of(await coming))["reason"] == "session ended"


async def test_a_database_that_fails_puts_nobody_out(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    client = await come(connect, house, await new_session(), "/")
    await execute("ALTER TABLE django_session RENAME TO away")
    try:
        await eventually(lambda: "could not be looked at" in caplog.text, "the sweep had failed")
    finally:
        await execute("ALTER TABLE away RENAME TO django_session")
    assert client.output_queue.empty()
    await execute("DELETE FROM django_session")
    assert await told(client) == "ended"


async def test_a_session_that_expires_ends_its_sockets(connect: Connect) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    key = await new_session()
    client = await come(connect, house, key, "/")
    soon = timezone.now() + timedelta(seconds=0.5)
    await Session.objects.filter(session_key=key).aupdate(expire_date=soon)
    assert await told(client) == "expired"
    assert timezone.now() >= soon


async def test_a_session_that_was_renewed_goes_on(connect: Connect) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    key = await new_session()
    client = await come(connect, house, key, "/")
    [login_session] = house.monitor.registry.logins.values()
    row = Session.objects.filter(session_key=key)
    await row.aupdate(expire_date=timezone.now() + timedelta(seconds=10))
    await eventually(lambda: login_session.expires < current_runtime().now() + 20, "the nearer end was known")
    await row.aupdate(expire_date=timezone.now() + timedelta(hours=1))
    await eventually(lambda: login_session.expires > current_runtime().now() + 20, "the later end was known")
    await settle()
    assert client.output_queue.empty()


async def test_rows_that_have_expired_are_deleted_without_news(connect: Connect) -> None:
    house = House()
    client = await come(connect, house, await new_session(), "/")
    key = await new_session()
    rows = Session.objects.filter(session_key=key)
    await rows.aupdate(expire_date=timezone.now() - timedelta(seconds=1))
    await rows.adelete()
    await settle()
    assert house.monitor._recent == {}
    await client.disconnect()


def log_out(key: str) -> None:
    """Log out, as the view does it."""
    request = HttpRequest()
    request.session = SessionStore(key)
    logout(request)


async def test_signals_say_why(connect: Connect) -> None:
    house = House()
    users = [await new_user(name) for name in ("ada", "bob", "eve", "joe")]
    keys = [await new_session(user) for user in users]
    clients = [await come(connect, house, key, "/") for key in keys]
    await sync_to_async(log_out)(keys[0])
    users[1].is_active = False
    await users[1].asave()
    await users[2].adelete()
    users[3].set_password("after")
    await users[3].asave()
    assert [await told(client) for client in clients] == [
        "logged out",
        "user inactive",
        "user deleted",
        "password changed",
    ]


async def test_a_login_itself_is_no_news(connect: Connect) -> None:
    house = House()
    user = await new_user()
    client = await come(connect, house, await new_session(user), "/")
    user.last_login = timezone.now()
    await user.asave(update_fields=["last_login"])
    await settle()
    assert house.monitor._recent == {}
    await client.disconnect()


async def test_a_renamed_user_is_the_new_one_without_a_disconnect(connect: Connect) -> None:
    house = House()
    user = await new_user()
    client = await come(connect, house, await new_session(user), "/")
    user.username = "lovelace"
    await user.asave()
    assert await client.receive_event() == ["renamed", "lovelace", "red"]


async def test_who_says_that_a_session_has_changed_has_its_sockets_know_it(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/")
    session = await sync_to_async(store)(key, colour="blue")
    await sync_to_async(look_at_sessions)([str(session.session_key)])
    assert await client.receive_event() == ["renamed", "", "blue"]


def store(key: str, **data: Any) -> SessionStore:
    """Store something in a session; return it."""
    session = SessionStore(key)
    session.update(data)
    session.save()
    return session


def log_in(key: str, user: Any) -> None:
    """Log a user in, as the view does it, and the middleware behind it."""
    request = HttpRequest()
    request.session = SessionStore(key)
    login(request, user, "django.contrib.auth.backends.ModelBackend")
    request.session.save()


def change_password(key: str, user: Any) -> None:
    """Change a user's password, as the view does it, and the middleware behind it."""
    request = HttpRequest()
    request.session, request.user = SessionStore(key), user
    user.set_password("after")
    user.save()
    update_session_auth_hash(request, user)
    request.session.save()


def become(key: str, user: Any) -> None:
    """Put another user into a session and keep its key, as no view of Django's does it."""
    backend = "django.contrib.auth.backends.ModelBackend"
    auth_hash = user.get_session_auth_hash()
    store(key, **{SESSION_KEY: str(user.pk), BACKEND_SESSION_KEY: backend, HASH_SESSION_KEY: auth_hash})


def store_password(key: str, user: Any) -> None:
    """Change a user's password and keep the session's key, as no view of Django's does it."""
    user.set_password("after")
    user.save()
    store(key, **{HASH_SESSION_KEY: user.get_session_auth_hash()})


ROTATIONS: list[Any] = [
    (False, log_in),
    (True, log_in),
    (True, change_password),
    (False, lambda key, user: SessionStore(key).cycle_key()),
    (False, lambda key, user: async_to_sync(SessionStore(key).acycle_key)()),
    (False, lambda key, user: async_to_sync(async_to_login)(key, user)),
    (True, lambda key, user: async_to_sync(async_to_login)(key, user)),
    (True, store_password),
]


async def async_to_login(key: str, user: Any) -> None:
    """Log a user in, as an asynchronous view does it."""
    request = HttpRequest()
    request.session = SessionStore(key)
    await alogin(request, user, "django.contrib.auth.backends.ModelBackend")
    await request.session.asave()


async def rotated(client: SocketIOCommunicator) -> None:
    """Check that a client is told nothing, and closed so that it comes back."""
    message = await client.receive_output(5)
    assert (message["type"], message.get("reason")) == ("websocket.close", "session rotated")


@pytest.mark.parametrize(("logged_in", "rotate"), ROTATIONS, ids=range(len(ROTATIONS)))
async def test_a_rotated_key_closes_what_came_by_it_so_that_it_comes_back(
    connect: Connect, logged_in: bool, rotate: Callable[[str, Any], None]
) -> None:
    """Another user logs in, or the same one changes the password."""
    house = House()
    before, other = await new_user("ada"), await new_user("bob")
    key = await new_session(before if logged_in else None)
    client, bystander = await come(connect, house, key, "/"), await come(connect, house, await new_session(), "/")
    await sync_to_async(rotate)(key, before if rotate in (change_password, store_password) else other)
    await rotated(client)
    await settle()
    assert bystander.output_queue.empty()
    assert "session rotated" in house.notes


@pytest.mark.parametrize("logged_in", [True, False])
async def test_the_sweep_finds_another_user_under_the_same_key(connect: Connect, logged_in: bool) -> None:
    house = House(SESSION_CHECK_INTERVAL=0.05)
    before, other = await new_user("ada"), await new_user("bob")
    key = await new_session(before if logged_in else None)
    client = await come(connect, house, key, "/")
    await sync_to_async(become)(key, other)
    await rotated(client)


async def test_who_comes_by_the_same_key_as_another_user_closes_what_came_before(connect: Connect) -> None:
    house = House()
    user = await new_user()
    key = await new_session()
    client = await come(connect, house, key, "/")
    await sync_to_async(become)(key, user)
    newcomer = await come(connect, house, key, "/")
    await rotated(client)
    await settle()
    # The look that follows may find the newcomer in the namespace already, who is told of the session as it is then.
    told = [newcomer.output_queue.get_nowait() for _ in range(newcomer.output_queue.qsize())]
    assert {message.get("text", "closed") for message in told} <= {'42["renamed","ada","red"]'}
    assert [login.user for login in house.monitor.registry.logins.values()] == [str(user.pk)]


async def test_a_rotated_key_opens_nothing_and_says_for_a_while_when_to_ask_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House()
    key = await new_session()
    await come(connect, house, await new_session())  # so that this process listens
    await sync_to_async(SessionStore(key).cycle_key)()
    scope = {"cookies": {"sessionid": key}}
    with pytest.raises(Refused) as refusal:
        house.server.admission.refuse_rotated(scope)
    assert refusal.value.headers == [(b"retry-after", b"1")]
    monkeypatch.setattr(monitor, "LATE_SECONDS", 0.0)
    with pytest.raises(Refused) as refusal:
        house.server.admission.refuse_rotated(scope)
    assert refusal.value.headers == []
    house.server.admission.refuse_rotated({"cookies": {"sessionid": "unknown1"}})
    house.server.admission.refuse_rotated({})


def take_back(change: Callable[[], None]) -> None:
    """Change something in a transaction that is rolled back."""
    with transaction.atomic():
        change()
        transaction.set_rollback(True)


async def test_a_rotation_that_is_taken_back_closes_nothing_and_refuses_nobody(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/")
    await sync_to_async(take_back)(SessionStore(key).cycle_key)
    await settle()
    assert client.output_queue.empty()
    await come(connect, house, key, "/")


async def test_a_handler_does_not_get_another_users_session(connect: Connect) -> None:
    house = House()
    user = await new_user()
    key = await new_session()
    client = await come(connect, house, key, "/")
    [connection] = current_runtime().connections.values()
    await sync_to_async(become)(key, user)
    with pytest.raises(Refused):
        await connection.read_session()
    await rotated(client)


async def test_a_handshake_does_not_survive_a_rotation_that_overtakes_it(connect: Connect) -> None:
    house = House()
    key = await new_session()
    await come(connect, house, await new_session())  # so that this process listens
    house.admission.shut()
    coming = asyncio.create_task(come(connect, house, key))
    await eventually(lambda: house.admission.waiting, "the login session had been read")
    await sync_to_async(SessionStore(key).cycle_key)()
    house.admission.open()
    await rotated(await coming)


async def test_events_that_wait_for_their_handler_are_not_handled_after_a_rotation(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/")
    house.work.shut()
    for number in range(3):
        await client.emit("work", number)
    await eventually(lambda: house.work.waiting, "the first was at work")
    await sync_to_async(SessionStore(key).cycle_key)()
    await rotated(client)
    house.work.open()
    await eventually(lambda: "session rotated" in house.notes, "the socket was cleaned up")
    assert house.notes == [0, "session rotated"]


async def test_a_transaction_that_is_taken_back_ends_nothing(connect: Connect) -> None:
    house = House()
    key = await new_session()
    client = await come(connect, house, key, "/")
    await sync_to_async(take_back)(SessionStore(key).delete)
    await settle()
    assert client.output_queue.empty()
