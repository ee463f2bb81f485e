"""A Socket.IO server: consumers under one path, and what a process keeps for all its connections."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer
from django.conf import settings
from django.urls.resolvers import RoutePattern

from .admission import require_login_session
from .backplane import Backplane
from .conf import Options
from .connection import Connection
from .consumer import SocketIOConsumer
from .deadlines import Deadlines
from .hub import Hub
from .refusal import Refused

logger = logging.getLogger(__name__)

ID_BYTES = 15  # 120 random bits, 20 characters
Admit = Callable[[Any], Awaitable[None]]


class Routes:
    """Finds the consumer of a namespace; patterns are Django's path patterns with a leading slash."""

    def __init__(self, consumers: Sequence[type[SocketIOConsumer]]) -> None:
        self._routes = [
            (RoutePattern(namespace.removeprefix("/"), is_endpoint=True), consumer)
            for consumer in consumers
            for namespace in consumer.namespaces
        ]

    def match(self, namespace: str) -> tuple[type[SocketIOConsumer], dict[str, Any]] | None:
        """Return the consumer class and what its pattern captured, None for an unknown namespace."""
        for pattern, consumer in self._routes:
            if (found := pattern.match(namespace[1:])) is not None:
                return consumer, found[2]
        return None


class Runtime:
    """What the connections of one event loop share."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.hub = Hub()
        self.backplane = Backplane(self.hub, get_channel_layer(), secrets.token_urlsafe(ID_BYTES))
        self.deadlines = Deadlines(loop)
        self.connections: set[Connection] = set()

    async def start(self) -> None:
        """Be ready to hear from other processes."""
        await self.backplane.start()

    def now(self) -> float:
        """Return the time on the clock of all deadlines."""
        return self._loop.time()


class SocketIOServer:
    """Serves `consumers`; the ASGI application of its WebSocket endpoint is `websocket()`.

    `admit(scope)` decides about every handshake, with `scope["session"]`, `scope["user"]` and `scope["cookies"]` at
    hand: it raises Refused to answer 403 before the connection is accepted. `options` has the keys of `SOCKETIO` in
    the settings, which is the default; raises ImproperlyConfigured when they are wrong.
    """

    def __init__(
        self,
        consumers: Sequence[type[SocketIOConsumer]],
        admit: Admit = require_login_session,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.routes = Routes(consumers)
        self.admit = admit
        self.options = Options.from_settings(getattr(settings, "SOCKETIO", {}) if options is None else options)
        self._runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()

    @property
    def runtime(self) -> Runtime:
        """The runtime of the running event loop; a process that serves has one."""
        loop = asyncio.get_running_loop()
        if (runtime := self._runtimes.get(loop)) is None:
            runtime = self._runtimes[loop] = Runtime(loop)
        return runtime

    def websocket(self) -> Any:
        """Return the ASGI application of the WebSocket endpoint."""
        from .transports.websocket import WebSocketTransport

        return WebSocketTransport.as_asgi(server=self)

    def new_id(self) -> str:
        """Return an id that cannot be guessed."""
        return secrets.token_urlsafe(ID_BYTES)

    def log_refusal(self, scope: Any, refused: Refused) -> None:
        """Log why a handshake was refused; nothing that the client sent is shown."""
        client = scope.get("client") or ["unknown address"]
        logger.info("Refused a handshake from %s: %s", client[0], refused.message)
