"""What docs/tutorial.md says, without a browser; test_tutorial.py has one."""

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient
from mysite.asgi import application

from channels_socketio.testing import SocketIOCommunicator

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_log_in_opens_a_socket_and_a_log_out_ends_it() -> None:
    await User.objects.acreate_user("ada", password="tea for two")
    browser = AsyncClient()
    assert (await browser.get("/")).headers["Location"] == "/accounts/login/?next=/"
    assert (await browser.post("/accounts/login/", {"username": "ada", "password": "tea for two"})).status_code == 302
    assert b"You are ada." in (await browser.get("/")).content
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    assert await socket.connect() == (True, None)
    await socket.join("/chat")
    assert (await socket.call("say", {"text": ""}, namespace="/chat"))["code"] == "invalid"
    await browser.post("/accounts/logout/")
    assert await socket.receive_event() == [
        "session ended",
        {"reason": "logged out", "message": "You have logged out."},
    ]
    await socket.disconnect()


async def test_a_stranger_is_refused() -> None:
    socket = SocketIOCommunicator(application)
    assert (await socket.connect())[0] is False
    await socket.disconnect()
