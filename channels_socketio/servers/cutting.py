"""Cuts off clients that go on sending after they were closed for it.

A server that has sent its close frame reads on for the client's, ten seconds long, and parses all that
comes meanwhile. ASGI has no word for "read no more", so this asks the connection below uvicorn's and Daphne's `send`;
under any other server nothing happens.
"""

import asyncio
from functools import partial
from typing import Any

from . import CUT_SECONDS


def cut(send: Any) -> None:
    """Read no more from the client that an ASGI `send` belongs to, and drop its connection soon, unread as it is."""
    protocol = send.args[0] if isinstance(send, partial) and send.args else getattr(send, "__self__", None)
    transport: Any = getattr(protocol, "transport", None)
    if hasattr(transport, "pause_reading"):  # asyncio's and uvloop's
        pause, abort = transport.pause_reading, transport.abort
    elif hasattr(transport, "pauseProducing") and hasattr(transport, "abortConnection"):  # Twisted's
        pause, abort = transport.pauseProducing, transport.abortConnection
    else:
        return
    pause()
    asyncio.get_running_loop().call_later(CUT_SECONDS, abort)
