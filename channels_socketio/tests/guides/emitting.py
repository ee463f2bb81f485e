"""What docs/howto/emitting.md says."""

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import AsyncClient
from mysite import tasks
from mysite.asgi import application

from channels_socketio.testing import SocketIOCommunicator


@pytest.mark.django_db(transaction=True)
async def test_views_tasks_and_commands_are_heard() -> None:
    browser = AsyncClient()
    await browser.aforce_login(await User.objects.acreate_user("ada"))
    socket = SocketIOCommunicator(application, cookies={"sessionid": browser.cookies["sessionid"].value})
    assert await socket.connect() == (True, None)
    await socket.join("/chat")

    assert (await browser.post("/greet/")).status_code == 204
    assert await socket.receive_event() == ["said", {"name": "the site", "text": "Welcome!"}]
    await tasks.announce_rain()
    assert (await socket.receive_event())[1]["text"] == "It rains."
    await sync_to_async(tasks.announce_sun)()
    assert (await socket.receive_event())[1]["text"] == "The sun is out."
    await sync_to_async(call_command)("say", "We restart at noon.")
    assert (await socket.receive_event())[1]["text"] == "We restart at noon."
    await socket.disconnect()
