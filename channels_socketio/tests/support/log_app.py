"""An ASGI application with a log, for real server processes that share it.

The environment: LEDGER is the log's file, STAGE_OPTIONS the options of SOCKETIO as JSON, REDIS_URL and LOSSES (a seed)
say by which layer news go: one that loses a third of them and repeats another.
"""

import json
import logging
import os
from typing import Any

import django
from django.conf import settings

REDIS_URL = os.environ.get("REDIS_URL")


def layer() -> dict[str, Any]:
    """Return the setting of the channel layer."""
    if REDIS_URL is None:
        return {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    seed = os.environ.get("LOSSES")
    if seed is None:
        return {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    return {
        "BACKEND": "channels_socketio.tests.support.lossy_layer.LossyLayer",
        "CONFIG": {"seed": seed, "hosts": [REDIS_URL]},
    }


logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")  # for Stage.errors
settings.configure(
    SECRET_KEY="no secret, for tests only",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["channels_socketio"],
    CHANNEL_LAYERS={"default": layer()},
    LOGGING_CONFIG=None,
)
django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (needs the settings)
from django.urls import re_path  # noqa: E402

from channels_socketio.connections.runtime import current_runtime  # noqa: E402
from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.emitter import aannounce, aemit  # noqa: E402
from channels_socketio.handshake.responses import respond  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.tests.support.people import everybody  # noqa: E402
from channels_socketio.tests.support.sqlite_log import SQLiteLog  # noqa: E402

sqlite_log = SQLiteLog(os.environ["LEDGER"])


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


async def stats(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the number of connections."""
    await respond(send, 200, str(len(current_runtime().connections)).encode(), "text/plain")


server = SocketIOServer([LogApp], everybody, json.loads(os.environ.get("STAGE_OPTIONS", "{}")))
route: Any = re_path  # the type stubs know Django's views only
application = ProtocolTypeRouter(
    {
        "http": URLRouter([route(r"^stats$", stats), route(r"^socket\.io/", server.polling())]),
        "websocket": server.websocket(),
    }
)
