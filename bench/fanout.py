"""One room, one sender, everybody listens: what does it cost the server to deliver one message to one client?

The sender, one of the clients and the last to join, keeps `in_flight` messages under way: it sends the next when
one of its own has come back. The figure to trust is processor time per delivery, user and system: unlike the
rate it hardly moves when the machine is busy with other things, or when this load generator is the bottleneck.
The room grows from one size to the next; clients that are in it stay.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench import meter
from bench.client import Client, Sender
from bench.crowd import crowd, deliveries, drain, follow, gather, let_pass, warm_up
from bench.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class FanoutResult(meter.Result):
    """One run. Processor times are microseconds per delivery."""

    in_flight: int
    messages: int
    deliveries: int
    frame_bytes: int
    deliveries_per_second: int
    server_us_per_delivery: float
    load_us_per_delivery: float


async def measure_fanout(
    server: Server, sizes: Sequence[int], in_flight: Sequence[int], seconds: float
) -> list[FanoutResult]:
    """Measure each of `in_flight` in rooms of growing `sizes`. Raises WrongAnswerError unless all got all messages."""
    results = []
    cookies = await asyncio.to_thread(server.cookies, max(sizes))
    async with crowd() as people:
        for size in sizes:
            sender = await fill(server, people, cookies[:size])
            results += [await measure(server, people, sender, messages, seconds) for messages in in_flight]
    return results


async def fill(server: Server, people: list[Client], cookies: Sequence[str], kind: type[Client] = Client) -> Sender:
    """Let so many clients join that each cookie has one; the last is the sender, which is returned."""
    people += await gather(server, kind, cookies[len(people) : -1])
    [sender] = await gather(server, Sender, cookies[-1:])
    sender.author, sender.digits = len(people), server.digits  # there are senders of smaller rooms among them
    people.append(sender)
    await meter.quiet(server)
    return sender


async def measure(
    server: Server, people: Sequence[Client], sender: Sender, in_flight: int, seconds: float
) -> FanoutResult:
    """Run once, and see to it that everything that was sent arrived everywhere."""
    stream = follow(people)
    sender.keep_in_flight(in_flight)
    await warm_up(seconds)
    begun, begun_deliveries, begun_messages = meter.read(server), deliveries(people), sender.returned
    await let_pass(seconds, [sender])
    used, delivered, messages = meter.read(server) - begun, deliveries(people) - begun_deliveries, sender.returned
    sender.keep_in_flight(0)
    await drain(people, sender.sent)
    return FanoutResult(
        server=server.name,
        clients=len(people),
        in_flight=in_flight,
        messages=messages - begun_messages,
        deliveries=delivered,
        frame_bytes=len(stream.data) // len(stream),
        deliveries_per_second=round(delivered / used.time),
        server_us_per_delivery=round(used.server_cpu / delivered * 1e6, 2),
        load_us_per_delivery=round(used.load_cpu / delivered * 1e6, 2),
        **used.shares,
    )
