"""A WebSocket protocol for uvicorn that takes ready frames.

    uvicorn --ws channels_socketio.servers.uvicorn_frames:FramesProtocol ...

Plain ASGI wraps every message into an event, awaits `send`, and has the server build the frame anew for
every client. Here a frame is built once for all clients, and any number of them goes to a client in one
write. Receiving, the closing handshake, pings and limits are uvicorn's own. What is relied on of uvicorn's
class is in `USED`, and a test says when it changes.

Backpressure is the connection's budget of unconfirmed bytes (see connection): what is written waits in
the transport's buffer, and a client that does not read is closed when the budget is spent.
"""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from . import FRAMES_EXTENSION

USED = ("handle_connect", "handshake_complete", "close_sent", "disconnected", "transport", "scope", "response")
SWITCHING_PROTOCOLS = 101


class FramesProtocol(WebSocketsSansIOProtocol):
    """Offers `write_frames` in the scope's extensions."""

    def handle_connect(self, event: Any) -> None:
        """Part of uvicorn's class: the request has come; the application starts in a later turn of the loop."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[FRAMES_EXTENSION] = self.write_frames

    def write_frames(self, frames: bytes) -> None:
        """Write whole, unmasked frames; nothing happens once the connection is closing."""
        if self.handshake_complete and not self.close_sent and not self.disconnected:
            self.transport.write(frames)
