"""Clients of real servers that listen all the time."""

import asyncio
import time
from typing import Any

from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport=websocket"


class Guest:
    """A client of a real server that listens all the time."""

    def __init__(self, client: WSClient) -> None:
        self.client = client
        self.events: list[tuple[float, str, dict[str, Any]]] = []
        self.task = asyncio.create_task(self._listen())

    @property
    def presence(self) -> dict[str, Any]:
        """What was heard last of who is there."""
        return self.client.passing[-1] if self.client.passing else {}

    async def _listen(self) -> None:
        while True:
            event, data, *_ = await self.client.receive_event(60)
            self.events.append((time.monotonic(), event, data))

    def names(self, event: str) -> list[list[str]]:
        """Return the names in all events of one kind."""
        return [data["names"] for _, name, data in self.events if name == event]


class Guests:
    """Opens clients, and closes them after the test."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        self.all: list[Guest] = []

    async def invite(self, site: Site, cookie: str) -> Guest:
        """Return a client in the lobby."""
        headers = {"Cookie": f"sessionid={cookie}"}
        self.all.append(Guest(await self._dial(site.ws_url + PATH, additional_headers=headers)))
        return self.all[-1]

    def close(self) -> None:
        """Stop listening."""
        for guest in self.all:
            guest.task.cancel()
