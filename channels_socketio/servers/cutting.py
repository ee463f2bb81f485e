"""Cuts off clients that go on sending after they were closed for it.

When uvicorn has sent a close frame, it reads on for ten seconds, and parses all that comes until the client's.
Daphne does the same for about a second, and may then drop the connection before it has written the close frame.
ASGI has no word for "read no more", so this asks the connection below `send`. Under other servers nothing happens.
"""

import asyncio
from typing import Any

from . import CUT_SECONDS
from .daphne import pause_reading


def cut(send: Any) -> None:
    """Read no more from the client that an ASGI `send` belongs to, and drop its connection soon, unread as it is."""
    pause_reading(send)  # Daphne drops the connection itself
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if hasattr(transport, "pause_reading"):
        transport.pause_reading()
        asyncio.get_running_loop().call_later(CUT_SECONDS, transport.abort)
