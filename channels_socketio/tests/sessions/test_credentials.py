"""Clients without a cookie, which show a token instead: it is an authority as a login session is."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import HttpCommunicator
from django.contrib.auth.models import User
from django.utils import timezone

from channels_socketio import Credential, SocketIOConsumer, SocketIOServer, end_sessions, end_user, on
from channels_socketio.connections.runtime import current_runtime
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
    """A site that knows tokens: `living` has them by text."""

    def __init__(self, **options: Any) -> None:
        self.living: dict[str, Credential] = {}
        self.asked = 0
        self.application = SocketIOServer([Desk], options=options).asgi(self.pages, authenticate=self.authenticate)

    async def pages(self, scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("expected no page to be asked for")

    async def authenticate(self, scope: Any) -> Credential | None:
        self.asked += 1
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
    del tokens.living[TOKEN]
    assert await told(client) == "expired"


async def test_a_deactivated_user_ends_the_sockets_of_the_token() -> None:
    tokens = Tokens()
    user = await tokens.add()
    client, _ = await tokens.come()
    user.is_active = False
    await sync_to_async(user.save)()
    assert await told(client) == "user inactive"


async def test_there_is_no_session_data_to_change() -> None:
    tokens = Tokens()
    await tokens.add()
    client, _ = await tokens.come()
    [connection] = current_runtime().connections.values()
    with pytest.raises(NotImplementedError):
        await connection.scope["session"].asave()
    await client.disconnect()
