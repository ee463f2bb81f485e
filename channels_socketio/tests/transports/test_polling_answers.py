"""The polling transport: what one poll fetches, and in which order."""

import json
from typing import Any

import pytest
from channels.testing import HttpCommunicator

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.protocol.reasons import Reason
from channels_socketio.server import SocketIOServer
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import everybody

BROWSER = "Mozilla/5.0 (X11; Linux x86_64)"


class Talker(SocketIOConsumer):
    """Says a number of things, and may close the connection behind them."""

    @on("talk")
    async def talk(self, count: int, close: bool = False) -> None:
        for number in range(count):
            await self.emit("said", number)
        if close:
            self.socket.connection.close(Reason.FORCED_SERVER_CLOSE)


class Poller:
    """A client that polls and posts by hand."""

    def __init__(self, user_agent: str = BROWSER) -> None:
        self.application = bare(SocketIOServer([Talker], everybody, {}))
        self.headers = [(b"user-agent", user_agent.encode())]
        self.path = "/socket.io/?EIO=4&transport=polling"

    async def join(self) -> "Poller":
        """Connect to the main namespace."""
        _, packets = await self.request("GET")
        self.path += f"&sid={json.loads(packets[0][1:])['sid']}"
        await self.post("40")
        _, packets = await self.request("GET")
        assert packets[0].startswith("40")
        return self

    async def request(self, method: str, body: str = "") -> tuple[int, list[str]]:
        """Return status and packets of an answer."""
        client = HttpCommunicator(self.application, method, self.path, body.encode(), self.headers)
        response: Any = await client.get_response(5)
        return response["status"], response["body"].decode().split("\x1e")

    async def post(self, packet: str) -> None:
        """Send a packet."""
        assert await self.request("POST", packet) == (200, ["ok"])


def said(first: int, last: int) -> tuple[int, list[str]]:
    """Return the answer that has the events from `first` to before `last`."""
    return 200, [f'42["said",{number}]' for number in range(first, last)]


async def test_a_poll_fetches_all_that_waits() -> None:
    client = await Poller().join()
    await client.post('42["talk",100]')
    assert await client.request("GET") == said(0, 100)


@pytest.mark.parametrize("user_agent", ["Python/3.11 aiohttp/3.14.5", "python-requests/2.34.2"])
async def test_the_python_client_gets_no_more_packets_than_it_takes(user_agent: str) -> None:
    client = await Poller(user_agent).join()
    await client.post('42["talk",40,true]')
    assert await client.request("GET") == said(0, 16)
    assert await client.request("GET") == said(16, 32)
    assert await client.request("GET") == said(32, 40)
    assert await client.request("GET") == (200, ["1"])


async def test_what_was_said_before_a_close_is_fetched_before_the_close_packet() -> None:
    """A JavaScript client handles events a turn later, but a close packet at once."""
    client = await Poller().join()
    await client.post('42["talk",3,true]')
    assert await client.request("GET") == said(0, 3)
    assert await client.request("GET") == (200, ["1"])
    assert (await client.request("GET"))[0] == 400
