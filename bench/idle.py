"""What do clients cost that say nothing, by WebSocket or by long-polling? Memory, and processor time for heartbeats.

The window is one heartbeat interval long, in which each client answers one ping: by polling that is the end of a
poll, a POST and a new poll. It begins a third of an interval after the last has come. It goes on for up to another
interval where the timers of a server are late. After it, a few messages prove that everybody is still there. Memory
is what the server process holds more at the end of the window than before the crowd came, when some other clients
had come and gone; what the kernel keeps for a connection is not in it.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import meter
from bench.client import Client, Sender
from bench.connect import WARM_UP_CLIENTS
from bench.crowd import Kind, dismiss, drain, follow, gather
from bench.poller import Poller
from bench.server import Server
from bench.stream import WrongAnswerError

MESSAGES = 3
LEAST_HEARTBEATS = 0.8  # of those expected; a server's timers need not be exact


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleResult(meter.Result):
    """One run."""

    heartbeats: int
    kib_per_client: float
    server_us_per_heartbeat: float
    load_us_per_heartbeat: float


Guest = Client | Poller


async def measure_idle(server: Server, kind: Kind[Guest], clients: int) -> list[IdleResult]:
    """Measure once. Raises WrongAnswerError unless all joined, answered heartbeats and got the messages."""
    cookies = await asyncio.to_thread(server.cookies, clients + WARM_UP_CLIENTS)
    await dismiss(await gather(server, kind, cookies[clients:]))
    await meter.quiet(server)
    memory = server.memory()
    people: Sequence[Guest] = await gather(server, kind, cookies[:clients])
    try:
        await meter.quiet(server)
        await asyncio.sleep(server.heartbeat / 3)  # what is done for those who came, late and little by little
        begun, begun_heartbeats = meter.read(server), count(people)
        await let_beat(server.heartbeat, people, LEAST_HEARTBEATS * clients)
        used, heartbeats = meter.read(server) - begun, count(people) - begun_heartbeats
        memory = server.memory() - memory
        if heartbeats < LEAST_HEARTBEATS * clients:
            raise WrongAnswerError(f"expected about {clients} heartbeats in {used.time:.1f} s, got {heartbeats}")
        await check(server, people, cookies[-1])
    finally:
        await dismiss(people)
    return [
        IdleResult(
            server=server.name,
            clients=clients,
            heartbeats=heartbeats,
            kib_per_client=round(memory / clients / 1024, 1),
            server_us_per_heartbeat=round(used.server_cpu / heartbeats * 1e6, 1),
            load_us_per_heartbeat=round(used.load_cpu / heartbeats * 1e6, 1),
            **used.shares,
        )
    ]


async def let_beat(seconds: float, people: Sequence[Guest], least: float) -> None:
    """Wait so long, or up to twice as long until there are `least` more heartbeats."""
    deadline = time.monotonic() + 2 * seconds
    begun = count(people)
    await asyncio.sleep(seconds)
    while count(people) - begun < least and time.monotonic() < deadline:  # noqa: ASYNC110 - protocols count
        await asyncio.sleep(0.05)


async def check(server: Server, people: Sequence[Guest], cookie: str) -> None:
    """Have one more client send a few messages, and wait until everybody has them."""
    [sender] = await gather(server, Sender, [cookie])
    sender.digits = server.digits
    follow([sender, *people])
    for _ in range(MESSAGES):
        sender.say()
    await drain([sender, *people], MESSAGES)
    await dismiss([sender])


def count(people: Sequence[Guest]) -> int:
    """Return how many heartbeats have been answered."""
    return sum(guest.pings for guest in people)
