"""An ASGI application with a log, for real server processes that share it.

The environment: LOG_FILE is the log's file, OPTIONS the options of SOCKETIO as JSON, REDIS_URL and LOSSES (a seed)
say by which layer news go: one that loses a third of them and repeats another.
"""

import json
import logging
import os
from typing import Any

import django
from django.conf import settings

from channels_socketio.tests.settings import CHANNEL_LAYERS

if "LOSSES" in os.environ:
    CHANNEL_LAYERS["default"]["BACKEND"] = "channels_socketio.tests.support.lossy_layer.LossyLayer"
    CHANNEL_LAYERS["default"]["CONFIG"]["seed"] = os.environ["LOSSES"]

logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # for LogApp.errors
settings.configure(
    SECRET_KEY="no secret, for tests only",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels_socketio"],
    CHANNEL_LAYERS=CHANNEL_LAYERS,
    LOGGING_CONFIG=None,
)
django.setup()


from channels_socketio.connections.runtime import current_runtime  # noqa: E402
from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.emitter import aemit  # noqa: E402
from channels_socketio.handshake.responses import respond  # noqa: E402
from channels_socketio.history.feed import aannounce  # noqa: E402
from channels_socketio.middleware.site import SiteApplication  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.tests.support.bare import bare  # noqa: E402
from channels_socketio.tests.support.people import everybody  # noqa: E402
from channels_socketio.tests.support.sqlite_log import SQLiteLog  # noqa: E402
from channels_socketio.transports.client_file import serve_client  # noqa: E402

PAGE = b'<!doctype html><title>Log</title><script src="/socket.io/socket.io.js"></script>'
sqlite_log = SQLiteLog(os.environ["LOG_FILE"])


class LogApp(SocketIOConsumer):
    """Whoever is here may write into the log."""

    log = sqlite_log

    async def welcome(self, head: int) -> None:
        await self.emit("welcome", head, self.recovered, self.offset)

    async def gap(self, first: int, last: int) -> None:
        await self.emit("gap", first, last, self.offset)

    @on("write")
    async def write(self, data: Any) -> int:
        item = sqlite_log.append(data)
        await aannounce("/", item)
        return item.position.seq

    @on("delete")
    async def delete(self, seq: int) -> None:
        await aannounce("/", sqlite_log.delete(seq))

    @on("tell")
    async def tell(self, socket_id: str, text: str) -> None:
        await aemit("told", text, None, socket=socket_id)


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Answer with a page that has the client, or with the number of connections."""
    if scope["path"] == "/stats":
        await respond(send, 200, str(len(current_runtime().connections)).encode(), "text/plain")
    else:
        await respond(send, 200, PAGE, "text/html")


endpoint = bare(SocketIOServer([LogApp], everybody, json.loads(os.environ.get("OPTIONS", "{}"))))
application = SiteApplication("socket.io", {"http": endpoint, "websocket": endpoint}, serve_client, pages)
