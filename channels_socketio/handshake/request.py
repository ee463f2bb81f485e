"""Engine.IO's requests: what their query says, and the numbered ways to get it wrong.

Order and texts of the checks are those of the JavaScript server.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from django.conf import settings

from ..protocol.reasons import Refusal

VERSION = "4"
LEGACY_VERSION = "3"
TRANSPORTS = frozenset({"polling", "websocket"})
MAX_QUERY_FIELDS = 100
COMPOSED = "channels_socketio.composed"  # in the scope of a request that came through the site's application
# What servers and routers put into a scope, of no use once the handshake is done.
FOR_SERVERS = frozenset(
    {
        COMPOSED,
        "asgi",
        "extensions",
        "http_version",
        "method",
        "path_remaining",
        "raw_path",
        "root_path",
        "server",
        "subprotocols",
    }
)
FOR_THE_HANDSHAKE = frozenset(
    {
        b"authorization",
        b"cookie",
        b"connection",
        b"upgrade",
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
    }
)


class HandshakeError(Exception):
    """A request that Engine.IO does not allow; answered with the status and the JSON of its refusal."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A request that came by one of the transports; without `sid` it is a handshake.

    `base64`: the client cannot take binary WebSocket frames.
    """

    sid: str | None
    version: str
    base64: bool


def parse_request(scope: Any, transport: str) -> EngineRequest:
    """Return what a request that came by `transport` says; raises HandshakeError."""
    query = parse_query(scope)
    if query.get("transport") not in TRANSPORTS:
        raise HandshakeError(Refusal.UNKNOWN_TRANSPORT)
    request = EngineRequest(query.get("sid"), query.get("EIO", ""), query.get("b64") in {"1", "true"})
    if request.sid is None and scope.get("method", "GET") != "GET":
        raise HandshakeError(Refusal.BAD_METHOD)
    if query["transport"] != transport:
        raise HandshakeError(Refusal.BAD_REQUEST)
    return request


def parse_query(scope: Any) -> dict[str, str]:
    """Return the query of a request; of a repeated field the last counts, of too many none."""
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        return {}


def retained_scope(scope: Any) -> dict[str, Any]:
    """Return what a connection keeps of its handshake's scope: neither the session's key nor what only servers need."""
    headers = [header for header in scope.get("headers", ()) if header[0] not in FOR_THE_HANDSHAKE]
    cookies = {name: value for name, value in scope.get("cookies", {}).items() if name != settings.SESSION_COOKIE_NAME}
    rest = {key: value for key, value in scope.items() if key not in FOR_SERVERS}
    return rest | {"headers": headers, "cookies": cookies}
