"""What README.md says."""

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from mysite.asgi import application

from channels_socketio.testing import SocketIOCommunicator


@pytest.mark.django_db(transaction=True)
async def test_tea_is_poured() -> None:
    browser = AsyncClient()
    await browser.aforce_login(await User.objects.acreate_user("ada"))
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    assert await socket.connect() == (True, None)
    await socket.join("/pots/green")
    assert await socket.call("pour", 2, namespace="/pots/green") == "poured from the green pot"
    assert await socket.receive_event() == ["poured", {"by": "ada", "cups": 2}]
    await socket.disconnect()
