"""Clients without a cookie, which show a token instead: it is an authority as a login session is."""

import asyncio
import logging
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import HttpCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from channels_socketio import Credential, SocketIOConsumer, SocketIOServer, end_sessions, end_user, on, rotate_sessions
from channels_socketio.connections.runtime import current_runtime
from channels_socketio.sessions import credentials
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import close_of, eventually

pytestmark = pytest.mark.django_db(transaction=True)

TOKEN = "a token of ada's"


class Desk(SocketIOConsumer):
    """Says who is here."""

    @on("who")
    async def who(self) -> str:
        await self.fresh_session()
        return str(self.user.get_username())


class Tokens:
    """A site that knows tokens: `living` has them by text. It may fail to say what one stands for, or never say it."""

    def __init__(self, **options: Any) -> None:
        self.living: dict[str, Credential] = {}
        self.asked = 0
        self.fails = self.hangs = False
        self.application = SocketIOServer([Desk], options=options).asgi(self.pages, authenticate=self.authenticate)

    async def pages(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("expected no page to be asked for")

    async def authenticate(self, scope: Any) -> Credential | None:
        assert set(scope) <= {"type", "path", "query_string", "headers", "client"}
        self.asked += 1
        if self.fails:
            raise RuntimeError("asked for")
        if self.hangs:
            await asyncio.Event().wait()
        header = dict(scope["headers"]).get(b"authorization", b"").decode()
        return self.living.get(header.removeprefix("Token "))

    async def add(self, name: str = "ada", **more: Any) -> User:
        """Have the token stand for a user."""
        user = await sync_to_async(User.objects.create_user)(name)
        self.living[TOKEN] = Credential(TOKEN, user, **more)
        return user

    async def come(self, token: str = TOKEN, *cookies: tuple[bytes, bytes]) -> tuple[SocketIOCommunicator, Any]:
        """Return a client, and what became of its handshake."""
        headers = [(b"host", b"testserver"), (b"authorization", f"Token {token}".encode()), *cookies]
        client = SocketIOCommunicator(self.application, headers=headers)
        answer = await client.connect()
        if answer[0]:
            await client.join("/")
        return client, answer


async def told(client: SocketIOCommunicator) -> str:
    """Return the reason that a client is told; check that it is put out and the connection closed."""
    event, data = await client.receive_event()
    assert event == "session ended"
    assert await client.receive_from(5) == "41"
    assert (await close_of(client))["reason"] == "session ended"
    assert not current_runtime().monitor.registry.logins
    return str(data["reason"])


async def test_a_token_opens_a_connection_for_its_user() -> None:
    tokens = Tokens()
    await tokens.add()
    client, answer = await tokens.come()
    assert answer == (True, None)
    assert await client.call("who") == "ada"
    await client.disconnect()


async def test_no_token_or_a_wrong_one_opens_nothing() -> None:
    tokens = Tokens()
    await tokens.add()
    assert (await tokens.come("another"))[1] == (False, 1008)


async def test_a_session_cookie_goes_before_a_token() -> None:
    tokens = Tokens()
    await tokens.add()
    assert (await tokens.come(TOKEN, (b"cookie", b"sessionid=unknown")))[1] == (False, 1008)
    assert tokens.asked == 0


@pytest.mark.parametrize(("key", "user"), [(None, User(pk=1)), ("", User(pk=1)), (TOKEN, None), (TOKEN, User())])
def test_a_credential_that_could_not_be_ended_is_none(key: Any, user: Any) -> None:
    with pytest.raises(ValueError, match=r"^Credential\.(key|user): expected "):
        Credential(key, user)


async def test_a_deactivated_user_opens_nothing_by_a_token() -> None:
    tokens = Tokens()
    user = await tokens.add()
    user.is_active = False
    assert (await tokens.come())[1] == (False, 1008)


@pytest.mark.parametrize("shown", [TOKEN, "another"])
async def test_polls_need_the_token_of_the_handshake(shown: str) -> None:
    tokens = Tokens()
    await tokens.add()
    tokens.living["another"] = Credential("another", tokens.living[TOKEN].user)

    async def get(token: str, query: str = "") -> Any:
        headers = [(b"host", b"testserver"), (b"authorization", f"Token {token}".encode())]
        path = f"/socket.io/?EIO=4&transport=polling{query}"
        return await HttpCommunicator(tokens.application, "GET", path, headers=headers).get_response(5)

    opened = await get(TOKEN)
    [sid] = current_runtime().connections
    assert opened["status"] == 200
    current_runtime().connections[sid].engine.send_ping(0.0)
    current_runtime().connections[sid].flush()
    assert (await get(shown, f"&sid={sid}"))["status"] == (200 if shown == TOKEN else 403)


@pytest.mark.parametrize("what", ["the token", "the user"])
async def test_sockets_end_with_what_they_were_opened_by(what: str) -> None:
    tokens = Tokens()
    user = await tokens.add()
    client, _ = await tokens.come()
    await (sync_to_async(end_sessions)([TOKEN]) if what == "the token" else sync_to_async(end_user)(user))
    assert await told(client) == "ended"


async def test_a_token_that_is_taken_back_is_found_by_the_sweep() -> None:
    tokens = Tokens(SESSION_CHECK_INTERVAL=0.05)
    await tokens.add()
    client, _ = await tokens.come()
    del tokens.living[TOKEN]
    assert await told(client) == "ended"


async def test_a_token_that_is_another_users_now_is_none_for_who_came_before() -> None:
    tokens = Tokens(SESSION_CHECK_INTERVAL=0.05)
    await tokens.add()
    client, _ = await tokens.come()
    await tokens.add("bob")
    assert await told(client) == "ended"


async def test_a_token_that_lives_is_asked_about_and_goes_on() -> None:
    tokens = Tokens(SESSION_CHECK_INTERVAL=0.05)
    await tokens.add()
    client, _ = await tokens.come()
    await eventually(lambda: tokens.asked > 3, "the token was looked at several times")
    assert await client.call("who") == "ada"
    await client.disconnect()


async def test_a_token_ends_when_it_expires() -> None:
    tokens = Tokens()
    await tokens.add(expires_at=timezone.now() + timedelta(seconds=0.2))
    client, _ = await tokens.come()
    assert await told(client) == "expired"
    assert (await tokens.come())[1] == (False, 1008)


async def test_a_deactivated_user_ends_the_sockets_of_the_token() -> None:
    tokens = Tokens()
    user = await tokens.add()
    client, _ = await tokens.come()
    user.is_active = False
    await sync_to_async(user.save)()
    assert await told(client) == "user inactive"


@pytest.mark.parametrize("how", ["fails", "hangs"])
async def test_a_site_that_cannot_say_puts_nobody_out_and_holds_nobody_up(
    how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(credentials, "LOOK_SECONDS", 0.2)
    caplog.set_level(logging.ERROR, credentials.__name__)
    tokens = Tokens(SESSION_CHECK_INTERVAL=0.05)
    await tokens.add()
    client, _ = await tokens.come()
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    await session.aset("colour", "red")
    await session.acreate()
    other = SocketIOCommunicator(
        tokens.application, headers=[(b"host", b"testserver"), (b"cookie", f"sessionid={session.session_key}".encode())]
    )
    assert await other.connect() == (True, None)
    await other.join("/")
    setattr(tokens, how, True)
    await eventually(lambda: "A credential could not be looked at" in caplog.text, "the site was asked")
    await session.adelete()
    assert (await other.receive_event())[1]["reason"] == "ended"
    tokens.fails = tokens.hangs = False
    assert await client.call("who") == "ada"
    await client.disconnect()


async def test_requests_for_connections_that_are_none_ask_no_more_often_than_handshakes() -> None:
    tokens = Tokens(HANDSHAKES_PER_MINUTE=5)
    path = "/socket.io/?EIO=4&transport=polling&sid=unknown"
    headers = [(b"host", b"testserver"), (b"authorization", b"Token wrong")]
    for _ in range(20):
        await HttpCommunicator(tokens.application, "GET", path, headers=headers).get_response(5)
    assert tokens.asked == 5


async def test_a_rotated_token_opens_nothing_for_a_while() -> None:
    tokens = Tokens()
    await tokens.add()
    client, _ = await tokens.come()
    await sync_to_async(rotate_sessions)([TOKEN])
    assert (await close_of(client))["reason"] == "session rotated"
    assert (await tokens.come())[1] == (False, 1008)


async def test_the_token_is_neither_shown_nor_kept_where_consumers_look() -> None:
    tokens = Tokens()
    await tokens.add()
    client, _ = await tokens.come()
    [connection] = current_runtime().connections.values()
    assert TOKEN not in repr(tokens.living[TOKEN])
    assert b"authorization" not in dict(connection.scope["headers"])
    await client.disconnect()


async def test_there_is_no_session_data_to_change() -> None:
    tokens = Tokens()
    await tokens.add()
    client, _ = await tokens.come()
    [connection] = current_runtime().connections.values()
    with pytest.raises(NotImplementedError):
        await connection.scope["session"].asave()
    await client.disconnect()
