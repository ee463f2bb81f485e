"""Which requests may open a connection, and which may use one that is open."""

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..connections.application import Application
from ..connections.connection import Connection
from ..connections.handshake import Handshake
from ..connections.runtime import current_runtime
from ..connections.transport import Transport
from ..exceptions import Refused, session_gone
from ..fanout.relay import RELAYED, claimed_key
from ..limits.addresses import address_of, counted_as, hint
from ..limits.connection_counts import ConnectionCounts, LimitReached, Slot
from ..limits.rates import Limiter, notices
from ..options import redis_store
from ..protocol.engine import EngineProtocol
from ..protocol.legacy import LegacyEngineProtocol, LegacySocketIOProtocol
from ..protocol.reasons import Refusal
from ..protocol.socketio import SocketIOProtocol
from ..sessions.credentials import CredentialSession
from ..sessions.identity import session_hash
from ..sessions.status import read_user
from .request import COMPOSED, LEGACY_VERSION, VERSION, EngineRequest, HandshakeError, retained_scope

BARE = "expected Socket.IO's endpoint behind `SocketIOServer.asgi`, which checks origins; it is mounted without it."
TOO_MANY_UNKNOWN_SIDS = "too many unknown sids"
RETRY_AFTER = 10  # seconds, for clients that have too many connections: some of them may be dead already
LATE_RETRY = 1  # seconds, for clients whose new cookie is on its way

LOG_LEVELS = {refusal.message: refusal.log_level for refusal in Refusal}

Admit = Callable[[Any], Awaitable[None]]

logger = logging.getLogger(__name__)


async def require_login_session(scope: Any) -> None:
    """Refuse a handshake without a login session that exists and holds data, or another credential.

    `scope` is that of `AuthMiddlewareStack`. Raises Refused.
    """
    if isinstance(scope["session"], CredentialSession):
        return
    if settings.SESSION_COOKIE_NAME not in scope["cookies"]:
        raise Refused("no cookie", Refusal.NO_COOKIE.message)
    session = scope["session"]
    if not await session.akeys() or session.session_key is None:
        raise session_gone()


class Admission:
    """Admits requests to the connections of `application`; `admit(scope)` raises Refused to keep a client out."""

    def __init__(self, application: Application, admit: Admit) -> None:
        options = application.options
        self.application = application
        self.admit = admit
        self.store = redis_store(options.limits_redis if options.limits else "")
        self.handshakes = Limiter("handshakes", options.handshakes, self.store)
        self.unknown_sids = Limiter("unknown sids", options.handshakes)

    @asynccontextmanager
    async def handshake(self, scope: Any) -> AsyncIterator[Slot]:
        """Admit a client and take a slot for its connection, which is left if the connection cannot be opened.

        Raises Refused.
        """
        if COMPOSED not in scope:
            raise ImproperlyConfigured(BARE)
        self.refuse_rotated(scope)
        scope["handshake"] = handshake = Handshake.of(scope)
        await self.admit(scope)
        await current_runtime().backplane.start()
        slot = await self._take_slot(handshake)
        try:
            yield slot
        except BaseException:
            slot.leave()
            raise

    def new_connection(self, request: EngineRequest, scope: Any, transport: Transport, slot: Slot) -> Connection:
        """Return a connection for an admitted handshake.

        Raises HandshakeError for a version that is not spoken, and once the process is about to end.
        """
        runtime, options = current_runtime(), self.application.options
        if runtime.closing:
            raise HandshakeError(Refusal.SHUTTING_DOWN)
        legacy = request.version == LEGACY_VERSION and options.legacy_clients
        if not legacy and request.version != VERSION:
            raise HandshakeError(Refusal.UNSUPPORTED_VERSION)
        now, sid = runtime.now(), runtime.new_engine_id()
        engine_class = LegacyEngineProtocol if legacy else EngineProtocol
        engine = engine_class(sid, options.engine, now, transport.upgrades, request.base64)
        protocol = self.new_protocol(legacy, now)
        return Connection(self.application, retained_scope(scope), transport, engine, protocol, slot)

    def new_protocol(self, legacy: bool, now: float) -> SocketIOProtocol:
        """Return what speaks Socket.IO inside a new engine session."""
        return (LegacySocketIOProtocol if legacy else SocketIOProtocol)(self.application.options.socketio, now)

    async def check_owner(self, connection: Connection, scope: Any) -> None:
        """Refuse a request for `connection` that comes with another login session than it lives by.

        The connection ends with its login session, so that an equal key needs no look into the database.
        """
        key = "" if connection.login is None else connection.login.key
        if secrets.compare_digest(claimed_key(scope) or "", key):
            return
        self.count_unknown_sid(scope)
        if RELAYED not in scope:
            await self.admit_late(scope)
        raise session_gone()

    def count_unknown_sid(self, scope: Any) -> str | None:
        """Count a request for a connection that is not here, or not its own: looking after that costs.

        Return what `refund` needs once it proves to be in order. Raises Refused when there were too many.
        """
        if RELAYED in scope:
            return None  # the process at which it arrived has counted it
        key = counted_as(address_of(scope))
        wait = self.unknown_sids.take_here(key)
        if wait is not None:
            raise Refused(TOO_MANY_UNKNOWN_SIDS, Refusal.TOO_MANY_CONNECTIONS.message, retry_after=ceil(wait))
        return key

    def refund(self, key: str | None) -> None:
        """Count a request no more."""
        if key is not None:
            self.unknown_sids.give_back(key)

    async def admit_late(self, scope: Any) -> None:
        """Admit a request whose login session nobody had to read so far."""
        self.refuse_rotated(scope)
        if "session" in scope and "user" not in scope:
            scope["user"] = await read_user(scope)
        scope["handshake"] = Handshake.of(scope)
        await self.admit(scope)

    def refuse_rotated(self, scope: Any) -> None:
        """Refuse who comes by a key that was rotated lately; raises Refused, which says whether to ask once more.

        The store says the same, but not when it is good to try again.
        """
        monitor, session = current_runtime().monitor, scope.get("session")
        if isinstance(session, CredentialSession):
            shown = session.session_key
        else:
            shown = scope.get("cookies", {}).get(settings.SESSION_COOKIE_NAME) or ""
        key = session_hash(shown)
        if monitor.is_rotated(key):
            raise session_gone(retry_after=LATE_RETRY) if monitor.is_late(key) else session_gone()

    def log_refusal(self, scope: Any, refused: Refused) -> None:
        """Log why a handshake was refused; nothing that the client sent is shown."""
        if refused.code == "too many connections":
            notices.note("connections", "Refused a connection from %s%s: too many.", address_of(scope), hint(scope))
        elif refused.code == TOO_MANY_UNKNOWN_SIDS:
            text = "Refused a request from %s%s: too many were for connections that are none."
            notices.note("strays", text, address_of(scope), hint(scope))
        else:
            level = LOG_LEVELS.get(refused.message, logging.INFO)  # the application has refusals of its own
            logger.log(level, "Refused a handshake from %s: %s", address_of(scope), refused.message)

    async def _take_slot(self, handshake: Handshake) -> Slot:
        runtime, options = current_runtime(), self.application.options
        if runtime.connection_counts is None:
            runtime.connection_counts = ConnectionCounts(self.store)
        limits: dict[str, int] = {}
        if options.limits:
            limits[f"address {counted_as(handshake.address)}"] = options.connections_per_address
            if handshake.owner is not None:
                limits[f"session {handshake.owner}"] = options.connections_per_session
        try:
            return await runtime.connection_counts.enter(limits)
        except LimitReached:
            raise Refused(
                "too many connections", Refusal.TOO_MANY_CONNECTIONS.message, retry_after=RETRY_AFTER
            ) from None
