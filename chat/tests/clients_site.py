"""The chat as an ASGI application for official clients: with two more namespaces and a quick heartbeat.

The lounge does what the chat has no use for: binary data, questions from the server, putting a client out. Nobody
gets into `/locked`.
"""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()

from django.conf import settings  # noqa: E402  (after the setup, as all below)

from channels_socketio import Reason, Refused, SocketIOConsumer, SocketIOServer, on  # noqa: E402
from chat.consumers import ChatConsumer, may_not_stay, require_name  # noqa: E402
from chatproject.asgi import pages  # noqa: E402


class Lounge(SocketIOConsumer):
    """Gives back what it gets, as an event and as an ack."""

    namespaces = ["/lounge", "/bar"]

    @on("echo")
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        await self.emit("echoed", *args)
        return args

    @on("ask me")
    async def ask_me(self, *args: Any) -> tuple[Any, ...]:
        return tuple(await self.call("question", *args))

    @on("kick me")
    async def kick_me(self) -> None:
        await self.close()

    @on("drop me")
    async def drop_me(self, count: int) -> None:
        for number in range(count):
            await self.emit("last words", number)
        self.socket.connection.close(Reason.FORCED_SERVER_CLOSE)


class Locked(SocketIOConsumer):
    """Refuses everybody."""

    namespaces = ["/locked"]

    async def connect(self, auth: dict[str, Any]) -> None:
        raise Refused("full", "The room is full.")


OPTIONS = settings.SOCKETIO | {"PING_INTERVAL": 0.5}
application = SocketIOServer([ChatConsumer, Lounge, Locked], require_name, OPTIONS, may_not_stay).asgi(pages)
