"""What helps with particular ASGI servers. Everything works without it, at the pace of plain ASGI."""

from collections.abc import Callable
from typing import Any, Protocol

# In `scope["extensions"]`: a FrameStream.
FRAMES_EXTENSION = "channels_socketio.frames"


class FrameStream(Protocol):
    """A WebSocket whose server takes ready frames, and can keep the connection without the application's coroutine.

    None of the methods waits or raises.
    """

    def write_frames(self, frames: bytes) -> None:
        """Write whole, unmasked frames; nothing happens once the connection is closing."""

    def hand_over(self, take: Callable[[Any], None]) -> Callable[[bytes], None]:
        """Give each further ASGI event of `receive` to `take`, the disconnect last.

        For an application that accepted the WebSocket and returns: that closes nothing any more. Returns a shorter way
        than `write_frames`, to be used until the disconnect or `close_frames`.
        """

    def pause(self) -> None:
        """Read no more from the client until `resume`."""

    def resume(self) -> None:
        """Read on."""

    def close_frames(self, code: int, reason: str) -> None:
        """Close the WebSocket behind what was written; a client that does not answer loses its connection."""
