"""Ready frames for Daphne, which offers no such thing: they go to the connection below its WebSocket library.

The library builds each frame anew for each client, with log records that nobody reads: more than half of what a
delivery costs. Daphne's `send` knows its connection, and what is written there keeps its order with
what the library writes. Daphne's development server is the first that anybody meets; without this it would still
work, at the pace of plain ASGI.
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
