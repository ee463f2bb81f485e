"""What docs/howto/from-channels.md says of the site's other WebSockets."""

from importlib import reload

import mysite.asgi
import mysite.routing
import pytest
from channels.testing import WebsocketCommunicator


@pytest.mark.django_db
async def test_other_websockets_go_on() -> None:
    reload(mysite.routing)  # it reads ALLOWED_HOSTS, which the test runner changes after it has read this file
    application = reload(mysite.asgi).application
    socket = WebsocketCommunicator(application, "/ws/echo/", headers=[(b"origin", b"http://testserver")])
    assert (await socket.connect())[0] is True
    await socket.send_to("hello")
    assert await socket.receive_from() == "hello"
    await socket.disconnect()
