"""Whether a WebSocket of Daphne came over TLS: its scopes of WebSockets do not have the `scheme`."""

from typing import Any

from .daphne import find_protocol


def has_tls(send: Any) -> bool:
    """Return whether an ASGI `send` belongs to a WebSocket for which Daphne speaks TLS; False under other servers."""
    protocol = find_protocol(send)
    if protocol is None:
        return False
    from twisted.internet.interfaces import ISSLTransport  # is there where Daphne is

    return bool(ISSLTransport.providedBy(protocol.transport))
