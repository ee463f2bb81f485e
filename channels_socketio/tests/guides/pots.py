"""What the guides for those who come from another library say: all have the same sample."""

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from mysite.asgi import application

from channels_socketio.testing import SocketIOCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


async def open_socket(name: str) -> SocketIOCommunicator:
    browser = AsyncClient()
    await browser.aforce_login(await User.objects.acreate_user(name))
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    assert await socket.connect() == (True, None)
    assert "sid" in await socket.join("/pots")
    return socket


async def test_everybody_hears_of_tea_and_of_who_leaves() -> None:
    ada, bob = await open_socket("ada"), await open_socket("bob")
    assert await ada.call("pour", 2, namespace="/pots") == "poured"
    for socket in (ada, bob):
        assert await socket.receive_event() == ["poured", {"by": "ada", "cups": 2}]
    assert (await ada.call("pour", "two", namespace="/pots"))["code"] == "invalid"
    await ada.disconnect()
    assert await bob.receive_event() == ["left", "ada"]
    await bob.disconnect()
