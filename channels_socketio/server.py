"""A Socket.IO server: consumers under one path."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from math import ceil
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.urls.resolvers import RoutePattern

from .connections.connection import Connection
from .connections.runtime import Runtime, current_runtime
from .consumer import SocketIOConsumer
from .exceptions import Refused
from .fanout.relay import RELAYED, claimed_key
from .handshake.admission import gone, require_login_session
from .handshake.request import LEGACY_VERSION, VERSION, EngineRequest, Fault, HandshakeError, retained_scope
from .history import recovery
from .limits.addresses import address_of, counted_as, hint
from .limits.connection_counts import ConnectionCounts, LimitReached, Slot
from .limits.rates import Limiter, notices
from .middleware.sessions import user_of
from .middleware.throttle import TOO_MANY
from .options import Options, site_prefix
from .protocol.engine import EngineProtocol
from .protocol.framing import Framing
from .protocol.legacy import LegacyEngineProtocol, LegacyFraming, LegacySocketIOProtocol
from .protocol.socketio import SocketIOProtocol
from .sessions.end_reasons import EndReason
from .sessions.identity import owner, session_hash
from .transports import Transport
from .transports.http import PollingEndpoint
from .transports.websocket import WebSocketTransport

if TYPE_CHECKING:
    from .limits.redis import RedisStore

TOO_MANY_UNKNOWN_SIDS = "too many strays"
RETRY_AFTER = 10  # seconds, for clients who have too many connections: some of them may be dead already
LATE_RETRY = 1  # seconds, for clients whose new cookie is on its way

logger = logging.getLogger(__name__)

Admit = Callable[[Any], Awaitable[None]]
Review = Callable[[Any], EndReason | None]


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


class SocketIOServer:
    """Serves `consumers`; its ASGI applications are `websocket()` and, for HTTP, `polling()`, under the same path.

    `admit(scope)` decides about every handshake, with `scope["session"]`, `scope["user"]` and `scope["cookies"]` at
    hand: it raises Refused to answer 403 before the connection is accepted. `review(scope)` is asked about each
    connection whenever its login session is looked at, and returns why it must end, if it must. `options` has the keys
    of `SOCKETIO` in the settings, which is the default; raises ImproperlyConfigured when they are wrong.
    """

    def __init__(
        self,
        consumers: Sequence[type[SocketIOConsumer]],
        admit: Admit = require_login_session,
        options: Mapping[str, Any] | None = None,
        review: Review = lambda scope: None,
    ) -> None:
        self.routes = Routes(consumers)
        self.admit = admit
        self.review = review
        self.options = Options.from_settings(getattr(settings, "SOCKETIO", {}) if options is None else options)
        self.store = redis_store(self.options.limits_redis)
        self.handshakes = Limiter("handshakes", self.options.handshakes, self.store)
        self.unknown_sids = Limiter("strays", self.options.handshakes)

    @property
    def runtime(self) -> Runtime:
        """What the connections of the running event loop share."""
        return current_runtime()

    def websocket(self) -> Any:
        """Return the ASGI application of the WebSocket endpoint."""
        return WebSocketTransport.as_asgi(server=self)

    def polling(self) -> Any:
        """Return the ASGI application of the HTTP endpoint."""
        return PollingEndpoint.as_asgi(server=self)

    @asynccontextmanager
    async def handshake(self, scope: Any) -> AsyncIterator[Slot]:
        """Admit a client and give its connection a place, which it loses if the connection cannot be opened.

        Raises Refused.
        """
        self.refuse_rotated(scope)
        await self.admit(scope)
        await self.runtime.start()
        slot = await self._take_slot(scope)
        try:
            yield slot
        except BaseException:
            slot.leave()
            raise

    def new_connection(self, request: EngineRequest, scope: Any, transport: Transport, slot: Slot) -> Connection:
        """Return a connection for an admitted handshake.

        Raises HandshakeError for a version that is not spoken, and once the process is about to end.
        """
        if self.runtime.closing:
            raise HandshakeError(Fault.SHUTTING_DOWN)
        legacy = request.version == LEGACY_VERSION and self.options.legacy_clients
        if not legacy and request.version != VERSION:
            raise HandshakeError(Fault.UNSUPPORTED_VERSION)
        now = self.runtime.now()
        options, upgrades, sid = self.options.engine, transport.upgrades, self.runtime.new_engine_id()
        engine = (
            LegacyEngineProtocol(sid, options, now, upgrades, LegacyFraming(request.base64))
            if legacy
            else EngineProtocol(sid, options, now, upgrades, Framing(request.base64))
        )
        return Connection(self, retained_scope(scope), transport, engine, self.new_protocol(legacy, now), slot)

    def new_protocol(self, legacy: bool, now: float) -> SocketIOProtocol:
        """Return what speaks Socket.IO inside a new engine session."""
        return (LegacySocketIOProtocol if legacy else SocketIOProtocol)(self.options.socketio, now)

    async def check_owner(self, connection: Connection, scope: Any) -> None:
        """Refuse a request for `connection` that comes with another login session than it lives by.

        The connection ends with its login session, so that an equal key needs no look into the database.
        """
        if self._is_owner(connection, scope):
            return
        self.count_unknown_sid(scope)
        if RELAYED not in scope:
            await self.admit_late(scope)
        raise gone()

    def count_unknown_sid(self, scope: Any) -> str | None:
        """Count a request for a connection that is not here, or not its own: looking after that costs.

        Return what `forgive_stray` needs once it proves to be in order. Raises Refused when there were too many.
        """
        if RELAYED in scope:
            return None  # the process at which it arrived has counted it
        key = counted_as(address_of(scope))
        wait = self.unknown_sids.take_here(key)
        if wait is not None:
            raise Refused(TOO_MANY_UNKNOWN_SIDS, TOO_MANY, retry_after=ceil(wait))
        return key

    def refund(self, key: str | None) -> None:
        """Count a request no more."""
        if key is not None:
            self.unknown_sids.give_back(key)

    async def admit_late(self, scope: Any) -> None:
        """Admit a request whose login session nobody had to read so far."""
        self.refuse_rotated(scope)
        if "session" in scope and "user" not in scope:
            scope["user"] = await user_of(scope)
        await self.admit(scope)

    def refuse_rotated(self, scope: Any) -> None:
        """Refuse who comes by a key that was rotated lately; raises Refused, which says whether to ask once more.

        The store says the same, but not when it is good to try again.
        """
        monitor, cookie = self.runtime.monitor, scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME)
        key = session_hash(cookie or "")
        if monitor.is_rotated(key):
            raise gone(retry_after=LATE_RETRY) if monitor.is_late(key) else gone()

    def _is_owner(self, connection: Connection, scope: Any) -> bool:
        claimed = claimed_key(scope) or ""
        return secrets.compare_digest(claimed, "" if connection.login is None else connection.login.key)

    def read_claim(
        self, namespace: str, auth: dict[str, Any], scope: Any
    ) -> tuple[dict[str, Any], recovery.Claim | None]:
        """Return auth without what belongs to recovery, and who its client proves to have been."""
        rest, claim = recovery.read_claim(auth, namespace, owner(scope), self.options.recovery_seconds)
        return rest, claim if self.options.recovery else None

    def new_pid(self, socket_id: str, namespace: str, scope: Any) -> str | None:
        """Return what a client must bring to come back as this socket, None without recovery."""
        return recovery.new_pid(socket_id, namespace, owner(scope)) if self.options.recovery else None

    def log_refusal(self, scope: Any, refused: Refused) -> None:
        """Log why a handshake was refused; nothing that the client sent is shown."""
        if refused.code == "too many connections":
            notices.note("connections", "Refused a connection from %s%s: too many.", address_of(scope), hint(scope))
        elif refused.code == TOO_MANY_UNKNOWN_SIDS:
            text = "Refused a request from %s%s: too many were for connections that are none."
            notices.note("strays", text, address_of(scope), hint(scope))
        else:
            logger.info("Refused a handshake from %s: %s", address_of(scope), refused.message)

    async def _take_slot(self, scope: Any) -> Slot:
        runtime, options = self.runtime, self.options
        if runtime.connection_counts is None:
            runtime.connection_counts = ConnectionCounts(self.store)
        limits: dict[str, int] = {}
        if options.limits:
            limits[f"address {counted_as(address_of(scope))}"] = options.connections_per_address
            if (login := owner(scope)) is not None:
                limits[f"session {login}"] = options.connections_per_session
        try:
            return await runtime.connection_counts.enter(limits)
        except LimitReached:
            raise Refused("too many connections", TOO_MANY, retry_after=RETRY_AFTER) from None


def redis_store(url: str) -> "RedisStore | None":
    """Return what processes of this site count in together, in the Redis server at `url`, None for no URL."""
    if not url:
        return None
    from .limits.redis import RedisStore  # needs a package that others can do without

    return RedisStore(url, site_prefix())
