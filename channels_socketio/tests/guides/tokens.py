"""What docs/howto/tokens.md says."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from mysite.asgi import application
from mysite.tokens import make_token

from channels_socketio import end_sessions, end_user
from channels_socketio.testing import SocketIOCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


def client(token: str) -> SocketIOCommunicator:
    return SocketIOCommunicator(application, headers=[(b"authorization", f"Bearer {token}".encode())])


@pytest.mark.parametrize("by", ["token", "user"])
async def test_a_token_opens_a_socket_until_it_is_revoked(by: str) -> None:
    ada = await User.objects.acreate_user("ada")
    token = make_token(ada)
    socket = client(token)
    assert await socket.connect() == (True, None)
    await socket.join("/chat")
    assert await socket.call("say", {"text": "hello"}, namespace="/chat") == {"ok": True}
    assert await socket.receive_event() == ["said", {"name": "ada", "text": "hello"}]
    if by == "token":
        await sync_to_async(end_sessions)([token])
    else:
        await sync_to_async(end_user)(ada)
    assert (await socket.receive_event())[0] == "session ended"
    await socket.disconnect()


async def test_a_wrong_token_and_an_inactive_user_are_refused() -> None:
    ada = await User.objects.acreate_user("ada", is_active=False)
    for token in ("wrong", make_token(ada)):
        socket = client(token)
        assert (await socket.connect())[0] is False
        await socket.disconnect()
