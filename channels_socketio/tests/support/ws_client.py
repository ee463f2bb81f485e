"""A light Socket.IO client over a real WebSocket, which shows and sends what is on the wire."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

PASSING = re.compile(r'42(?:/[^,]*,)?\["presence",')


class WSClient:
    """One client in one namespace; use the fixture `dial`.

    Events `presence` come whenever they like, so they are put aside: `passing` has their data.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.sid = ""
        self.passing: list[dict[str, Any]] = []

    async def join(self, prefix: str = "") -> None:
        """Connect to the namespace whose `prefix` is `/name,`, or to the main one."""
        await self.receive()  # the open packet
        await self.connection.send(f"40{prefix}")
        answer = str(await self.receive())
        self.sid = json.loads(answer.removeprefix(f"40{prefix}"))["sid"]

    async def emit(self, *args: Any) -> None:
        """Send an event to the main namespace."""
        await self.connection.send("42" + json.dumps(args))

    async def receive(self, timeout: float = 15) -> str | bytes:
        """Return the next frame; pings are answered on the way."""
        async with asyncio.timeout(timeout):
            while True:
                frame = await self.connection.recv()
                if frame == "2":
                    await self.connection.send("3")
                elif isinstance(frame, str) and (found := PASSING.match(frame)):
                    self.passing += json.loads(f"[{frame[found.end() :]}")
                else:
                    return frame

    def abort(self) -> None:
        """Vanish without a word."""
        self.connection.transport.abort()

    async def receive_event(self, timeout: float = 15) -> list[Any]:
        """Return name and arguments of the next event of the main namespace."""
        frame = await self.receive(timeout)
        assert isinstance(frame, str)
        assert frame.startswith("42"), frame[:100]
        return list(json.loads(frame[2:]))


Dial = Callable[..., Awaitable[WSClient]]


async def open_client(url: str, prefix: str = "", **kwargs: Any) -> WSClient:
    """Return a client that has joined; `kwargs` go to `websockets.connect`."""
    client = WSClient(await connect(url, ping_interval=None, compression=None, max_size=None, **kwargs))
    await client.join(prefix)
    return client
