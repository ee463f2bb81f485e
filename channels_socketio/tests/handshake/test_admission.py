"""By default a handshake needs a live login session that holds data."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.auth import AuthMiddlewareStack
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import connection

from channels_socketio.consumer import SocketIOConsumer
from channels_socketio.server import SocketIOServer
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import Connect

pytestmark = pytest.mark.django_db(transaction=True)

NO_COOKIE = "No cookie transmitted."
UNKNOWN = "Session unknown or expired."


class Greeter(SocketIOConsumer):
    """Tells who the client is."""

    async def connect(self, auth: dict[str, Any]) -> None:
        await self.emit("hello", await self.session.aget("colour"), self.user.get_username())


@pytest.fixture
def application() -> Any:
    """A server as a site has it."""
    return AuthMiddlewareStack(bare(SocketIOServer([Greeter], options={})))


def new_session(data: dict[str, Any], expires_in: timedelta | None = None, ended: bool = False) -> str:
    """Return the key of a login session."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session.update(data)
    if expires_in is not None:
        session.set_expiry(expires_in)
    session.create()
    if ended:
        session.delete()
    connection.close()
    return str(session.session_key)


async def refusal(application: Any, cookie: str | None) -> str:
    """Return the reason of the close that answers a handshake."""
    headers = [] if cookie is None else [(b"cookie", cookie.encode("latin-1"))]
    client = SocketIOCommunicator(application, headers=headers)
    await client.send_input({"type": "websocket.connect"})
    answer = await client.receive_output(5)
    await client.wait()
    assert answer["type"] == "websocket.close"
    return str(answer["reason"])


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        (None, NO_COOKIE),
        ("", NO_COOKIE),
        ("other=1; xsessionid=1; sessionidx=1", NO_COOKIE),
        ("SESSIONID=1", NO_COOKIE),
        ("sessionid=", UNKNOWN),
        ("sessionid=short", UNKNOWN),
        ("sessionid=" + "a" * 32, UNKNOWN),
        ("sessionid=" + "a" * 10_000, UNKNOWN),
        ("sessionid=\x00\xff'; sessionid", UNKNOWN),
    ],
)
async def test_without_a_login_session_the_handshake_is_refused(
    application: Any, cookie: str | None, message: str
) -> None:
    assert await refusal(application, cookie) == message


@pytest.mark.parametrize(
    ("data", "kwargs"),
    [
        ({"colour": "red"}, {"expires_in": timedelta(seconds=-1)}),
        ({"colour": "red"}, {"ended": True}),
        ({}, {}),
    ],
    ids=["expired", "ended", "empty"],
)
async def test_a_login_session_that_is_over_or_empty_is_refused(
    application: Any, data: dict[str, Any], kwargs: dict[str, Any]
) -> None:
    key = await sync_to_async(new_session)(data, **kwargs)
    assert await refusal(application, f"sessionid={key}") == UNKNOWN


async def test_a_live_login_session_is_admitted_and_at_hand(application: Any, connect: Connect) -> None:
    key = await sync_to_async(new_session)({"colour": "red"})
    client = await connect(application, "/", cookies={"other": "1", "sessionid": key})
    assert await client.receive_event() == ["hello", "red", ""]


async def test_the_session_cookie_may_have_another_name(connect: Connect, settings: Any) -> None:
    settings.SESSION_COOKIE_NAME = "mysite"
    application = AuthMiddlewareStack(bare(SocketIOServer([Greeter], options={})))
    key = await sync_to_async(new_session)({"colour": "red"})
    client = await connect(application, "/", cookies={"mysite": key})
    assert await client.receive_event() == ["hello", "red", ""]
    assert await refusal(application, f"sessionid={key}") == NO_COOKIE


async def test_the_user_of_the_login_session_is_at_hand(application: Any, connect: Connect) -> None:
    def log_in() -> str:
        user = get_user_model().objects.create_user("ada")
        backend = "django.contrib.auth.backends.ModelBackend"
        return new_session(
            {
                SESSION_KEY: str(user.pk),
                BACKEND_SESSION_KEY: backend,
                HASH_SESSION_KEY: user.get_session_auth_hash(),
            }
        )

    client = await connect(application, "/", cookies={"sessionid": await sync_to_async(log_in)()})
    assert await client.receive_event() == ["hello", None, "ada"]
