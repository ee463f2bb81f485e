"""What docs/howto/limits.md says."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import AsyncClient
from mysite.asgi import application

from channels_socketio.testing import SocketIOCommunicator


def test_the_options_are_in_order() -> None:
    assert [message for message in run_checks() if message.is_serious()] == []
    assert settings.SOCKETIO["MAX_PAYLOAD"] == 200_000


@pytest.mark.django_db(transaction=True)
async def test_the_fourth_line_is_too_many() -> None:
    browser = AsyncClient()
    await browser.aforce_login(await User.objects.acreate_user("ada"))
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    await socket.connect()
    await socket.join("/chat")
    for _ in range(3):
        assert await socket.call("say", {"text": "hello"}, namespace="/chat") == {"ok": True}
    answer = await socket.call("say", {"text": "hello"}, namespace="/chat")
    assert (answer["ok"], answer["code"], 0 < answer["retry_after"] <= 2) == (False, "too fast", True)
    await socket.disconnect()
