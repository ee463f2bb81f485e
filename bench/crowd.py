"""Many clients of one server."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from bench.client import Client, WrongAnswerError
from bench.poller import Poller
from bench.server import Server

JOIN_AT_ONCE = 50
JOIN_SECONDS = 60.0
DRAIN_SECONDS = 60.0
GOODBYE_SECONDS = 0.3

Guest = TypeVar("Guest", bound=Client | Poller)


async def gather(server: Server, kind: Callable[[int, str], Guest], cookies: Sequence[str]) -> list[Guest]:
    """Connect a client for each cookie, 50 at a time; all of them are in the room when this returns."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(JOIN_AT_ONCE)

    async def enter(cookie: str) -> Guest:
        async with gate, asyncio.timeout(JOIN_SECONDS):
            _, guest = await loop.create_connection(lambda: kind(server.port, cookie), "127.0.0.1", server.port)
            await guest.joined
            return guest

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(enter(cookie)) for cookie in cookies]
    return [task.result() for task in tasks]


async def drain(people: Sequence[Client | Poller], sent: int) -> None:
    """Wait until every client has all messages; raises what ended a connection, and WrongAnswerError."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while late := count_late(people, sent):
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"{late} clients did not get all of {sent} messages in {DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.05)


def count_late(people: Sequence[Client | Poller], sent: int) -> int:
    """Return how many clients have fewer than `sent` messages; raises what ended a connection."""
    for guest in people:
        if guest.lost is not None:
            raise guest.lost
    return sum(guest.received < sent for guest in people)


async def dismiss(people: Iterable[Client | Poller]) -> None:
    """Drop all connections, and leave the server the time to notice."""
    for guest in people:
        guest.close()
    await asyncio.sleep(GOODBYE_SECONDS)
