"""An ASGI application for the contract suite, for polling's details and for fuzzing: served in processes of its own.

`/socket.io/` has patient options, `/brisk/` short times, `/narrow/` a short backlog, `/fuzz/` a short heartbeat alone,
and `/beating/` pings often but waits for answers as long as a busy machine needs. Who comes with a session cookie must
have a login session (they live in signed cookies, so there is no database); others may come without.
`/stats` tells what is alive.
"""

import asyncio
import gc
import json
import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from channels_socketio.tests.settings import CHANNEL_LAYERS
from channels_socketio.tests.support.contract_site import HASTE, MAX_NAMESPACES, MAX_PAYLOAD, ORIGIN, SECRET_KEY

PATIENT: dict[str, Any] = {
    "MAX_PAYLOAD": MAX_PAYLOAD,
    "MAX_NAMESPACES": MAX_NAMESPACES,
    "QUEUE_BUDGET": 2_000_000,
    "LIMITS": False,
}
BRISK = PATIENT | {"PING_INTERVAL": 0.3, "PING_TIMEOUT": 0.7, "CONNECT_TIMEOUT": 0.5, "UPGRADE_TIMEOUT": 1.5}
NARROW = PATIENT | {"BACKLOG": 32}
BEATING = PATIENT | {"PING_INTERVAL": 0.3, "UPGRADE_TIMEOUT": 1.5}
STRICT = {"HANDSHAKES_PER_MINUTE": 3}
FUZZ = BRISK | {"CONNECT_TIMEOUT": 10.0}

settings.configure(
    SECRET_KEY=SECRET_KEY,
    ALLOWED_HOSTS=["127.0.0.1"],
    CSRF_TRUSTED_ORIGINS=[ORIGIN],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "channels_socketio"],
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    CHANNEL_LAYERS=CHANNEL_LAYERS,
    LOGGING_CONFIG=None,
)
django.setup()


from channels_socketio.connections.runtime import current_runtime  # noqa: E402
from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.exceptions import Refused  # noqa: E402
from channels_socketio.fanout import relay  # noqa: E402
from channels_socketio.handshake.admission import require_login_session  # noqa: E402
from channels_socketio.handshake.responses import respond  # noqa: E402
from channels_socketio.protocol.reasons import Reason  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.sessions.end_reasons import ENDED  # noqa: E402
from channels_socketio.transports import http  # noqa: E402

http.BODY_SECONDS = 1.0  # a test of slow bodies must not take 20 seconds
if "HASTY" in os.environ:
    relay.PATIENCE_SECONDS, relay.WORD_SECONDS = HASTE


class ContractApp(SocketIOConsumer):
    """One event for each thing that a consumer can do."""

    namespaces = ["/", "/custom", "/rooms/<slug:room>"]

    async def connect(self, auth: dict[str, Any]) -> None:
        if "refuse" in auth:
            raise Refused("asked for", str(auth["refuse"]))

    async def disconnect(self, reason: str) -> None:
        await self.broadcast("left", self.id, reason)

    @on("echo")
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        await self.emit("echoed", *args)
        return args

    @on("count")
    async def count(self, first: int, last: int, size: int = 0, volatile: bool = False) -> int:
        for number in range(first, last):
            await self.emit("number", number, "x" * size, volatile=volatile)
        return last

    @on("tell")
    async def tell(self, room: str | None, skip: list[str], *args: Any) -> None:
        await self.broadcast("told", *args, room=room, skip=skip)

    @on("join")
    async def enter(self, room: str) -> bool:
        await self.join(room)
        return True

    @on("leave")
    async def go_out(self, room: str) -> bool:
        await self.leave(room)
        return True

    @on("ask me")
    async def ask_me(self, *args: Any) -> tuple[Any, ...]:
        return tuple(await self.call("question", *args, timeout=10))

    @on("put me out")
    async def put_me_out(self) -> None:
        await self.close()

    @on("hang up")
    async def hang_up(self) -> None:
        await self.emit("last words")
        self.socket.connection.close(Reason.FORCED_SERVER_CLOSE)

    @on("end for")
    async def end_for(self, name: str) -> None:
        connection = self.socket.connection
        if name == Reason.SESSION_ENDED.name:
            connection.end(ENDED)
        else:
            connection.close(Reason[name])

    @on("take")
    async def take(self, seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @on("fail")
    async def fail(self) -> None:
        raise RuntimeError("asked for")


async def admit(scope: Any) -> None:
    """Admit who has a login session or claims none."""
    if settings.SESSION_COOKIE_NAME in scope["cookies"]:
        await require_login_session(scope)


async def stats(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the numbers of what is alive; memory in bytes."""
    gc.collect()
    runtime = current_runtime()
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    numbers = {
        "connections": len(runtime.connections),
        "polling": len(runtime.polling),
        "held": sum(transport.polling for transport in runtime.polling.values()),
        "sockets": len(runtime.sockets),
        "tasks": len(asyncio.all_tasks()),
        "memory": pages * os.sysconf("SC_PAGE_SIZE"),
    }
    await respond(send, 200, json.dumps(numbers).encode(), "application/json")


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Answer /stats."""
    if scope["path"] == "/stats":
        await stats(scope, receive, send)
    else:
        await respond(send, 404, b"", "text/plain")


application: Any = pages
for path, options in {
    "fuzz": FUZZ,
    "strict": STRICT,
    "beating": BEATING,
    "narrow": NARROW,
    "brisk": BRISK,
    "socket.io": PATIENT,
}.items():
    application = SocketIOServer([ContractApp], admit, options).asgi(application, path)
