"""How many clients can connect in a second, and what does one cost the server? Joining the room is included.

Each has the cookie of a login session of its own, and 50 connect at a time. Some others connect before that is
measured, so that what a server does only once is done.
"""

import asyncio
from dataclasses import dataclass

from bench import meter
from bench.client import Client
from bench.crowd import crowd, dismiss, gather
from bench.server import Server

WARM_UP_CLIENTS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectResult(meter.Result):
    """One run."""

    connects_per_second: int
    server_ms_per_connect: float
    load_ms_per_connect: float


async def measure_connect(server: Server, clients: int) -> list[ConnectResult]:
    """Measure once. Raises WrongAnswerError unless all of them joined."""
    cookies = await asyncio.to_thread(server.cookies, WARM_UP_CLIENTS + clients)
    await dismiss(await gather(server, Client, cookies[:WARM_UP_CLIENTS]))
    await meter.quiet(server)
    async with crowd() as people:
        begun = meter.read(server)
        people += await gather(server, Client, cookies[WARM_UP_CLIENTS:])
        used = meter.read(server) - begun
    return [
        ConnectResult(
            server=server.name,
            clients=clients,
            connects_per_second=round(clients / used.time),
            server_ms_per_connect=round(used.server_cpu / clients * 1e3, 3),
            load_ms_per_connect=round(used.load_cpu / clients * 1e3, 3),
            **used.shares,
        )
    ]
