"""What tests of live sockets share: a server that lets everybody in, clients, and waiting with a deadline."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from channels_socketio.consumer import SocketIOConsumer
from channels_socketio.server import SocketIOServer
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare

Connect = Callable[..., Awaitable[SocketIOCommunicator]]


async def everybody(scope: Any) -> None:
    """Admit whoever comes."""


def serve(*consumers: type[SocketIOConsumer], **options: float) -> Any:
    """Return the ASGI application of a server for `consumers`; `options` are those of SOCKETIO."""
    return bare(SocketIOServer(consumers, admit=everybody, options=options))


async def eventually(condition: Callable[[], object], what: str, seconds: float = 5.0) -> None:
    """Let the loop run until `condition` is true; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain until {what}")
        await asyncio.sleep(0.002)


async def settle() -> None:
    """Let everything that is ready to run do so, many times over: what has not happened then is not coming."""
    for _ in range(50):
        await asyncio.sleep(0)


async def close_of(client: SocketIOCommunicator) -> dict[str, Any]:
    """Return the `websocket.close` that the server sends next, skipping what comes before."""
    while (message := await client.receive_output(5))["type"] != "websocket.close":
        pass
    return dict(message)


async def frames_of(client: SocketIOCommunicator, count: int) -> list[str | bytes]:
    """Return the next `count` frames as they are on the wire."""
    return [await client.receive_from(5) for _ in range(count)]
