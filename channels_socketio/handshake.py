"""The Engine.IO handshake request: what its query must say, and the numbered ways to get it wrong.

Order and texts of the checks are those of the JavaScript server.
"""

from typing import Any
from urllib.parse import parse_qsl

PROTOCOL_VERSION = "4"
TRANSPORTS = frozenset({"websocket"})
MAX_QUERY_FIELDS = 100


class HandshakeError(Exception):
    """A request that is no valid handshake: `code` and `message` are Engine.IO's, `status` is HTTP's."""

    def __init__(self, code: int, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status


def parse_handshake(scope: Any, transport: str) -> None:
    """Check the query of a request that came by `transport`; raises HandshakeError."""
    query = parse_query(scope)
    if query.get("transport") not in TRANSPORTS:
        raise HandshakeError(0, "Transport unknown")
    if "sid" in query:
        raise HandshakeError(1, "Session ID unknown")
    if query["transport"] != transport:
        raise HandshakeError(3, "Bad request")
    if query.get("EIO") != PROTOCOL_VERSION:
        raise HandshakeError(5, "Unsupported protocol version")


def parse_query(scope: Any) -> dict[str, str]:
    """Return the query of a request; of a repeated field the last counts, of too many none."""
    text = scope.get("query_string", b"").decode("latin-1")
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS))
    except ValueError:
        return {}
