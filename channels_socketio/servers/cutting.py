"""Cuts off clients that go on sending after they were closed for it.

uvicorn, when it has sent a close frame, reads on for the client's, ten seconds long, and parses all that comes
meanwhile. ASGI has no word for "read no more", so this asks the connection below uvicorn's `send`. Under other servers
nothing happens; Daphne by itself waits for a second only.
"""

import asyncio
from typing import Any

from . import CUT_SECONDS


def cut(send: Any) -> None:
    """Read no more from the client that an ASGI `send` belongs to, and drop its connection soon, unread as it is."""
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if hasattr(transport, "pause_reading"):
        transport.pause_reading()
        asyncio.get_running_loop().call_later(CUT_SECONDS, transport.abort)
