"""What Daphne does not offer: ready frames, the scheme of a WebSocket, and to read no more from a client.

Ready frames go to the connection below its WebSocket library, which builds each frame anew for each client, with log
records that nobody reads: more than half of what a delivery costs. Daphne's `send` knows its connection, and what is
written there keeps its order with what the library writes. Daphne's development server is the first that anybody
meets; without this it would still work, at the pace of plain ASGI.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

try:
    from daphne.ws_protocol import WebSocketProtocol
except ImportError:
    WebSocketProtocol = None


def find_write(send: Any) -> Callable[[bytes], None] | None:
    """Return what writes ready frames to the WebSocket that an ASGI `send` belongs to; None under other servers."""
    protocol = find_protocol(send)
    return None if protocol is None else partial(write_frames, protocol)


def find_protocol(send: Any) -> Any:
    """Return Daphne's protocol of the WebSocket that an ASGI `send` belongs to; None under other servers."""
    if WebSocketProtocol is None or not isinstance(send, partial) or not send.args:
        return None
    protocol = send.args[0]
    return protocol if isinstance(protocol, WebSocketProtocol) else None


def write_frames(protocol: Any, frames: bytes) -> None:
    """Write whole, unmasked frames; nothing happens once the connection is closing."""
    if protocol.state == WebSocketProtocol.STATE_OPEN:
        protocol.transport.write(frames)


def has_tls(send: Any) -> bool:
    """Return whether an ASGI `send` belongs to a WebSocket for which Daphne speaks TLS; its scopes have no `scheme`."""
    protocol = find_protocol(send)
    if protocol is None:
        return False
    from twisted.internet.interfaces import ISSLTransport  # is there where Daphne is

    return bool(ISSLTransport.providedBy(protocol.transport))


def pause_reading(send: Any) -> None:
    """Read no more from the WebSocket that an ASGI `send` belongs to; nothing happens under other servers."""
    if (protocol := find_protocol(send)) is not None:
        protocol.transport.pauseProducing()
