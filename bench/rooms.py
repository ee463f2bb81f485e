"""Many small rooms in which everybody talks: what does it cost the server to take one message and spread it?

Each client sends its next message as soon as its last one has come back.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from bench import meter
from bench.client import Sender
from bench.crowd import crowd, deliveries, drain, follow, gather, let_pass, returned, warm_up
from bench.server import Server


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomsResult(meter.Result):
    """One run. Processor times are microseconds per message that came in."""

    rooms: int
    messages: int
    deliveries: int
    messages_per_second: int
    server_us_per_message: float
    load_us_per_message: float


async def measure_rooms(server: Server, rooms: int, members: int, seconds: float) -> list[RoomsResult]:
    """Measure once. Raises WrongAnswerError unless everybody got all messages of the own room, and no other."""
    cookies = await asyncio.to_thread(server.cookies, rooms * members)
    slugs = [f"room-{number}" for number in range(rooms)]
    await asyncio.to_thread(server.open_rooms, slugs, cookies[0])
    async with crowd() as people:
        groups = []
        for number, slug in enumerate(slugs):
            senders = await gather(server, Sender, cookies[number * members : (number + 1) * members], slug)
            people += senders
            groups.append(senders)
        return [await measure(server, groups, seconds)]


async def measure(server: Server, groups: Sequence[Sequence[Sender]], seconds: float) -> RoomsResult:
    """Run once, and see to it that everything that was sent arrived where it belongs."""
    await meter.quiet(server)
    people = [sender for group in groups for sender in group]
    for group in groups:
        follow(group)
        for number, sender in enumerate(group):
            sender.author, sender.digits = number, server.digits
    for sender in people:
        sender.keep_in_flight(1)
    await warm_up(seconds)
    begun, begun_messages, begun_deliveries = meter.read(server), returned(people), deliveries(people)
    await let_pass(seconds, people)
    used, messages = meter.read(server) - begun, returned(people) - begun_messages
    delivered = deliveries(people) - begun_deliveries
    for sender in people:
        sender.keep_in_flight(0)
    for group in groups:
        await drain(group, sum(sender.sent for sender in group))
    return RoomsResult(
        server=server.name,
        clients=len(people),
        rooms=len(groups),
        messages=messages,
        deliveries=delivered,
        messages_per_second=round(messages / used.time),
        server_us_per_message=round(used.server_cpu / messages * 1e6, 1),
        load_us_per_message=round(used.load_cpu / messages * 1e6, 1),
        **used.shares,
    )
