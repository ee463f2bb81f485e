"""Processes that serve `support/log_app.py`, and official clients that come back."""

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from channels_socketio.tests.support.processes import NODE_MODULES, AppProcess, require_node

APPLICATION = "channels_socketio.tests.support.log_app:application"
SECONDS = 20
SCRIPT = Path(__file__).parents[1] / "node" / "reader.cjs"


class LogApp(AppProcess):
    """One server process; `env` is what `support/log_app.py` asks for."""

    def __init__(self, folder: Path, env: Mapping[str, str] | None = None, server: str = "serve") -> None:
        super().__init__(APPLICATION, folder, server, {"LOG_FILE": str(folder / "log")} | dict(env or {}))

    def connections(self) -> int:
        """Return how many there are."""
        with urllib.request.urlopen(f"{self.url}/stats") as answer:
            return int(answer.read())


class OfficialClient:
    """Socket.IO's own client in Node, in one namespace. Use as a context manager."""

    def __init__(self, port: int, transport: str, namespace: str = "/", cookie: str = "") -> None:
        self.command = [require_node(), str(SCRIPT), f"http://127.0.0.1:{port}{namespace}", transport, cookie]
        self.events: list[Any] = []

    async def __aenter__(self) -> Self:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self.command, stdin=pipe, stdout=pipe, limit=2**20)
        return self

    async def __aexit__(self, *details: object) -> None:
        self._process.kill()
        await self._process.communicate()

    def tell(self, command: str) -> None:
        """Have the client do something; see reader.cjs."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n".encode())

    async def next(self) -> Any:
        """Return what happened next; see reader.cjs."""
        assert self._process.stdout is not None
        async with asyncio.timeout(SECONDS):
            return json.loads(await self._process.stdout.readline())

    async def connected(self) -> tuple[str, bool]:
        """Wait for the next connect; return the id and whether the client calls itself recovered."""
        while (happened := await self.next())[0] != "connect":
            pass
        return happened[1], happened[2]

    async def entries(self, count: int) -> list[Any]:
        """Return the data of the next entries; greetings in between are left out."""
        found = [await self.next() for _ in range(count)]
        while greetings := [happened for happened in found if happened[0] == "welcome"]:
            found = [happened for happened in found if happened[0] != "welcome"]
            found += [await self.next() for _ in greetings]
        assert {happened[0] for happened in found} <= {"entry"}, found
        return [happened[1] for happened in found]


class Browser(OfficialClient):
    """An official client that lives by a cookie header; see browser.cjs."""

    def __init__(self, port: int, cookie: str, transport: str) -> None:
        super().__init__(port, transport)
        self.reasons = {"websocket": ["transport close"], "polling": ["transport close", "transport error"]}[transport]
        self.command[1:] = [str(NODE_MODULES.parent / "browser.cjs"), self.command[2], cookie, transport]

    async def enter(self) -> list[Any]:
        """Wait until the client is connected and was greeted; return both as they were told."""
        while (connected := await self.next())[0] == "connect_error":
            pass
        assert connected[0] == "connect", connected
        return [*connected, *await self.next()]

    async def is_closed(self) -> list[Any]:
        """Check that the client was closed and will come back; return what it was told before.

        Between two polls, a client hears of it by the refusal of the next one, which it calls an error.
        """
        told = []
        while (happened := await self.next())[0] != "disconnect":
            told.append(happened)
        assert happened[1] in self.reasons, happened
        assert happened[2] is True
        return told
