"""An ASGI application for real server processes: everybody may come in, and hears why the others go.

The environment variable OPTIONS holds the options of SOCKETIO as JSON.
"""

import json
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "channels_socketio.tests.settings")
django.setup()

from channels.routing import ProtocolTypeRouter  # noqa: E402  (needs the settings)

from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.exceptions import Refused  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.tests.support.bare import bare  # noqa: E402


class EchoApp(SocketIOConsumer):
    """Echoes to one and says to all."""

    async def disconnect(self, reason: str) -> None:
        await self.broadcast("left", self.id, reason)

    @on("echo")
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    @on("say")
    async def say(self, *args: Any) -> None:
        await self.broadcast("said", *args)


async def admit(scope: Any) -> None:
    """Refuse who asks for it."""
    if b"refuse" in scope["query_string"]:
        raise Refused("asked for", "Refused: ünwanted.")


server = SocketIOServer([EchoApp], admit, json.loads(os.environ.get("OPTIONS", "{}")))
application = ProtocolTypeRouter({"websocket": bare(server)})
