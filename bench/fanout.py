"""One room, one sender, everybody listens: what does it cost the server to deliver one message to one client?

The sender, one of the clients and the last to join, keeps `in_flight` messages under way: it sends the next when
one of its own has come back. The figure to trust is processor time per delivery, user and system: unlike the
rate it hardly moves when the machine is busy with other things, or when this load generator is the bottleneck.
"""

import asyncio
import time
from dataclasses import dataclass

from bench.chat import Chat
from bench.client import Client, Sender, Stream, WrongAnswerError

JOIN_AT_ONCE = 50
JOIN_SECONDS = 30.0
WARM_UP_SECONDS = 1.0
DRAIN_SECONDS = 60.0
SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Result:
    """One run. Processor times are microseconds per delivery, busy is the share of one core."""

    server: str
    clients: int
    in_flight: int
    seconds: float
    messages: int
    deliveries: int
    deliveries_per_second: float
    server_us_per_delivery: float
    server_busy: float
    load_us_per_delivery: float
    load_busy: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Counters at one moment."""

    time: float
    server_cpu: float
    load_cpu: float
    deliveries: int
    messages: int


async def measure_fanout(server: Chat, clients: int, in_flight: list[int], seconds: float) -> list[Result]:
    """Measure each of `in_flight` for `seconds`. Raises WrongAnswerError unless every client got every message."""
    people = await join(server, clients)
    try:
        return [await measure(server, people, messages, seconds) for messages in in_flight]
    finally:
        for client in people:
            client.close()


async def join(server: Chat, clients: int) -> list[Client]:
    """Connect so many clients; the last is the Sender."""
    loop = asyncio.get_running_loop()
    cookies = await asyncio.to_thread(server.cookies, clients)
    gate = asyncio.Semaphore(JOIN_AT_ONCE)

    async def enter(kind: type[Client], cookie: str) -> Client:
        async with gate, asyncio.timeout(JOIN_SECONDS):
            _, client = await loop.create_connection(lambda: kind(server.port, cookie), "127.0.0.1", server.port)
            await client.joined
            return client

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(enter(Client, cookie)) for cookie in cookies[:-1]]
    return [*(task.result() for task in tasks), await enter(Sender, cookies[-1])]


async def measure(server: Chat, people: list[Client], in_flight: int, seconds: float) -> Result:
    """Run once, and see to it that everything that was sent arrived everywhere."""
    sender, stream = people[-1], Stream()
    assert isinstance(sender, Sender)
    await asyncio.sleep(SETTLE_SECONDS)
    for client in people:
        client.follow(stream)
    sender.keep_in_flight(in_flight)
    await asyncio.sleep(WARM_UP_SECONDS)
    before = take_snapshot(server, people)
    await asyncio.sleep(seconds)
    after = take_snapshot(server, people)
    sender.keep_in_flight(0)
    await drain(people, sender.sent)
    return compare(server, len(people), in_flight, before, after)


async def drain(people: list[Client], sent: int) -> None:
    """Wait until every client has all messages."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        late = 0
        for client in people:
            if client.lost is not None:
                raise client.lost
            late += client.received < sent
        if not late:
            return
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"{late} clients did not get all of {sent} messages in {DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.05)


def take_snapshot(server: Chat, people: list[Client]) -> Snapshot:
    """Read all counters."""
    deliveries = sum(client.received for client in people)
    return Snapshot(time.monotonic(), server.cpu_seconds(), time.process_time(), deliveries, people[-1].received)


def compare(server: Chat, clients: int, in_flight: int, before: Snapshot, after: Snapshot) -> Result:
    """Return what happened between two snapshots."""
    seconds = after.time - before.time
    deliveries = after.deliveries - before.deliveries
    server_cpu = after.server_cpu - before.server_cpu
    load_cpu = after.load_cpu - before.load_cpu
    return Result(
        server=server.name,
        clients=clients,
        in_flight=in_flight,
        seconds=round(seconds, 2),
        messages=after.messages - before.messages,
        deliveries=deliveries,
        deliveries_per_second=round(deliveries / seconds),
        server_us_per_delivery=round(server_cpu / deliveries * 1e6, 2),
        server_busy=round(server_cpu / seconds, 2),
        load_us_per_delivery=round(load_cpu / deliveries * 1e6, 2),
        load_busy=round(load_cpu / seconds, 2),
    )
