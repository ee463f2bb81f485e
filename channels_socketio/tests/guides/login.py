"""What docs/howto/login.md says."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.test import AsyncClient
from mysite.asgi import application
from mysite.moderation import suspend

from channels_socketio.testing import SocketIOCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


async def open_socket(browser: Any) -> SocketIOCommunicator:
    cookies = {"sessionid": browser.cookies["sessionid"].value} if "sessionid" in browser.cookies else {}
    socket = SocketIOCommunicator(application, cookies=cookies)
    assert await socket.connect() == (True, None)
    await socket.join("/chat")
    return socket


async def test_a_guest_has_a_name_and_may_change_it() -> None:
    browser = AsyncClient()
    assert (await browser.get("/")).status_code == 200
    socket = await open_socket(browser)
    assert await socket.call("say", {"text": "hello"}, namespace="/chat") == {"ok": True}
    event, said = await socket.receive_event()
    assert (event, said["name"][:6], said["text"]) == ("said", "guest-", "hello")
    assert await socket.call("call me", "ada", namespace="/chat") == "guest-ada"
    await socket.disconnect()


async def test_a_session_without_a_name_is_refused() -> None:
    browser = AsyncClient()
    session = await browser.asession()
    await session.aset("colour", "red")
    await session.asave()
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    assert (await socket.connect())[0] is False
    await socket.disconnect()


async def test_a_suspended_user_is_told() -> None:
    browser, ada = AsyncClient(), await User.objects.acreate_user("ada")
    await browser.aforce_login(ada)
    socket = await open_socket(browser)
    await sync_to_async(suspend)(ada)
    event, end = await socket.receive_event()
    assert (event, end["reason"] in ("suspended", "user inactive")) == ("session ended", True)
    await socket.disconnect()
