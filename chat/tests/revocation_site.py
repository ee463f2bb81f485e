"""Processes of the chat at which login sessions end (`revocation_app`), and clients who live by them."""

import asyncio
import json
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from channels_socketio.tests.support.clients import WAYS, Client
from channels_socketio.tests.support.log_site import OfficialClient
from channels_socketio.tests.support.raw_client import RawClient
from chat.tests.site import Site


class Hosts:
    """The processes of one chat; what is done, is done at the last."""

    def __init__(self, sites: list[Site]) -> None:
        self.sites = sites

    async def do(self, what: str, key: str) -> Any:
        """Have something happen to the login session of `key`."""
        async with RawClient(self.sites[-1].port, f"/do/{what}") as raw_client:
            answer = await raw_client.ask("GET", key=key)
        assert answer.status == 200, self.sites[-1].process.output()[-3000:]
        return json.loads(answer.body)

    async def sweep_every(self, seconds: float) -> None:
        """Have the processes sweep so often, for those who are connected now."""
        for site in self.sites:
            async with RawClient(site.port, "/do/sweep-every") as raw_client:
                assert (await raw_client.ask("GET", key=seconds)).status == 200

    async def visitor(self, logged_in: bool = False) -> str:
        """Return the session key of somebody new."""
        key = await asyncio.to_thread(self.sites[0].new_cookie)
        return str((await self.do("log-in", key))[0]) if logged_in else key


class Outcast(OfficialClient):
    """Socket.IO's own client, which says what becomes of it."""

    def __init__(self, port: int, cookie: str, transport: str) -> None:
        super().__init__(port, transport)
        self.command[1:] = [str(Path(__file__).parent / "node" / "outcast.cjs"), self.command[2], cookie, transport]

    async def __aexit__(self, *details: object) -> None:
        with suppress(ProcessLookupError):  # who is put out for good has nothing left to do
            await super().__aexit__(*details)


class Crowd:
    """Clients of one login session and one address: one for each transport at each process, and official ones."""

    def __init__(self, stack: AsyncExitStack, hosts: Hosts, address: str = "127.0.0.1") -> None:
        self.stack, self.hosts, self.address = stack, hosts, address
        self.clients: list[Client] = []
        self.raws: list[RawClient] = []
        self.outcasts: list[Outcast] = []

    async def raw_client(self, site: Site, key: str) -> RawClient:
        """Return a browser with the cookie."""
        headers = [cookie_header(key), f"X-Forwarded-For: {self.address}"]
        raw_client = await self.stack.enter_async_context(RawClient(site.port, headers=headers))
        self.raws.append(raw_client)
        return raw_client

    async def enter(self, key: str, official: bool = False) -> "Crowd":
        """Connect all of them, and wait until they are there."""
        for site in self.hosts.sites:
            for way in WAYS.values():
                client = await Client(await way(await self.raw_client(site, key))).open()
                assert "sid" in (await client.join()).data
                await named(client)
                self.clients.append(client)
        for transport in ("websocket", "polling") if official else ():
            outcast = Outcast(self.hosts.sites[0].port, f"sessionid={key}", transport)
            await self.stack.enter_async_context(outcast)
            assert await outcast.next() == ["connect"]
            assert (await outcast.next())[0] == "welcome"
            self.outcasts.append(outcast)
        return self


def cookie_header(key: str) -> str:
    """Return the header with a session cookie."""
    return f"Cookie: sessionid={key}"


async def named(client: Client) -> str:
    """Return the name in the next `welcome`."""
    while (event := await client.event())[0] != "welcome":
        pass
    return str(event[1]["name"])
