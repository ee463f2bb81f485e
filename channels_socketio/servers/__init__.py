"""What helps with particular ASGI servers. Everything works without it, at the pace of plain ASGI."""

from collections.abc import Callable
from typing import Any, Protocol

# In `scope["extensions"]`: a FrameStream.
FRAMES_EXTENSION = "channels_socketio.frames"
TURN_FRAMES = 50  # that one client may have handled before others get their turn
CUT_SECONDS = 1.0  # that a client which sends too much has to read why it is closed


class FrameStream(Protocol):
    """A WebSocket whose server takes ready frames, and can keep the connection without the application's coroutine.

    None of the methods waits or raises. What `hand_over` returns may raise OSError or RuntimeError once the connection
    is lost.
    """

    def write_frames(self, frames: bytes) -> None:
        """Write whole, unmasked frames; nothing happens once the connection is closing."""

    def count_with(self, count: Callable[[int], bool]) -> None:
        """Have each frame counted before it is handled, also those that never reach the application.

        `count` is given a number of frames, at least 1. When it returns False, the client is read from no more, and is
        cut off soon.
        """

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
