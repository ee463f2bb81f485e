"""One room, one sender, everybody listens: what does it cost the server to deliver one message to one client?

The sender, one of the clients and the last to join, keeps `in_flight` messages under way: it sends the next when
one of its own has come back. The figure to trust is processor time per delivery, user and system: unlike the
rate it hardly moves when the machine is busy with other things, or when this load generator is the bottleneck.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench import meter
from bench.client import Client, Sender, Stream
from bench.crowd import dismiss, drain, gather
from bench.server import Server

WARM_UP_SECONDS = 0.5
SETTLE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class FanoutResult:
    """One run. Processor times are microseconds per delivery, busy is the share of one core."""

    server: str
    clients: int
    in_flight: int
    seconds: float
    messages: int
    deliveries: int
    frame_bytes: int
    deliveries_per_second: int
    server_us_per_delivery: float
    server_busy: float
    load_us_per_delivery: float
    load_busy: float


async def measure_fanout(server: Server, clients: int, in_flight: Sequence[int], seconds: float) -> list[FanoutResult]:
    """Measure each of `in_flight` for `seconds`. Raises WrongAnswerError unless every client got every message."""
    cookies = await asyncio.to_thread(server.cookies, clients)
    people = await gather(server, Client, cookies[:-1])
    [sender] = await gather(server, Sender, cookies[-1:])
    sender.digits = server.digits
    people.append(sender)
    try:
        return [await measure(server, people, sender, messages, seconds) for messages in in_flight]
    finally:
        await dismiss(people)


async def measure(
    server: Server, people: Sequence[Client], sender: Sender, in_flight: int, seconds: float
) -> FanoutResult:
    """Run once, and see to it that everything that was sent arrived everywhere."""
    stream = Stream()
    await asyncio.sleep(SETTLE_SECONDS)
    for client in people:
        client.follow(stream)
    sender.keep_in_flight(in_flight)
    await asyncio.sleep(WARM_UP_SECONDS)
    begun, begun_deliveries, begun_messages = meter.read(server), count(people), sender.received
    await asyncio.sleep(seconds)
    used, deliveries, messages = meter.read(server) - begun, count(people) - begun_deliveries, sender.received
    sender.keep_in_flight(0)
    await drain(people, sender.sent)
    return FanoutResult(
        server=server.name,
        clients=len(people),
        in_flight=in_flight,
        seconds=round(used.time, 2),
        messages=messages - begun_messages,
        deliveries=deliveries,
        frame_bytes=len(stream.data) // len(stream),
        deliveries_per_second=round(deliveries / used.time),
        server_us_per_delivery=round(used.server_cpu / deliveries * 1e6, 2),
        server_busy=used.server_busy,
        load_us_per_delivery=round(used.load_cpu / deliveries * 1e6, 2),
        load_busy=used.load_busy,
    )


def count(people: Sequence[Client]) -> int:
    """Return how many messages have arrived."""
    return sum(client.received for client in people)
