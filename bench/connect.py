"""How many clients can connect in a second, and what does one cost the server? Joining the namespace is included.

Each has the cookie of a login session of its own, and 50 connect at a time. Some others connect before that is
measured, so that what a server does only once is done.
"""

import asyncio
from dataclasses import dataclass

from bench import meter
from bench.client import Client
from bench.crowd import dismiss, gather
from bench.server import Server

WARM_UP_CLIENTS = 100


@dataclass(frozen=True, slots=True)
class ConnectResult:
    """One run. Busy is the share of one core."""

    server: str
    clients: int
    seconds: float
    connects_per_second: int
    server_ms_per_connect: float
    server_busy: float
    load_ms_per_connect: float
    load_busy: float


async def measure_connect(server: Server, clients: int) -> list[ConnectResult]:
    """Measure once. Raises WrongAnswerError unless all of them joined."""
    cookies = await asyncio.to_thread(server.cookies, WARM_UP_CLIENTS + clients)
    await dismiss(await gather(server, Client, cookies[:WARM_UP_CLIENTS]))
    begun = meter.read(server)
    people = await gather(server, Client, cookies[WARM_UP_CLIENTS:])
    used = meter.read(server) - begun
    await dismiss(people)
    return [
        ConnectResult(
            server=server.name,
            clients=clients,
            seconds=round(used.time, 2),
            connects_per_second=round(clients / used.time),
            server_ms_per_connect=round(used.server_cpu / clients * 1e3, 3),
            server_busy=used.server_busy,
            load_ms_per_connect=round(used.load_cpu / clients * 1e3, 3),
            load_busy=used.load_busy,
        )
    ]
