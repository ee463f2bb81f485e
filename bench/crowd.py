"""Many clients of one server."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from bench.client import Client, Sender
from bench.dialect import LOBBY, Dialect
from bench.poller import Poller
from bench.server import Server
from bench.stream import Stream, WrongAnswerError

JOIN_AT_ONCE = 50
JOIN_SECONDS = 60.0
DRAIN_SECONDS = 60.0
GOODBYE_SECONDS = 0.3
WARM_UP_SECONDS = 0.5

Guest = TypeVar("Guest", bound=Client | Poller)
Kind = Callable[[int, str, Dialect], Guest]


@asynccontextmanager
async def crowd() -> AsyncIterator[list[Client]]:
    """Give a list for clients; those in it are dismissed in the end."""
    people: list[Client] = []
    try:
        yield people
    finally:
        await dismiss(people)


async def gather(server: Server, kind: Kind[Guest], cookies: Sequence[str], room: str = LOBBY) -> list[Guest]:
    """Connect a client for each cookie, 50 at a time; all of them are in the room when this returns."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(JOIN_AT_ONCE)
    dialect = server.dialect(room)

    async def enter(cookie: str) -> Guest:
        async with gate, asyncio.timeout(JOIN_SECONDS):
            _, guest = await loop.create_connection(
                lambda: kind(server.port, cookie, dialect), "127.0.0.1", server.port
            )
            await guest.joined
            return guest

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(enter(cookie)) for cookie in cookies]
    return [task.result() for task in tasks]


def follow(people: Iterable[Client | Poller], ordered: bool = True) -> Stream:
    """Have all of them expect the messages of a new run, each author's in order unless said otherwise; return it."""
    stream = Stream(ordered)
    for guest in people:
        guest.follow(stream)
    return stream


async def drain(people: Sequence[Client | Poller], sent: int) -> None:
    """Wait until every client has all messages; raises what ended a connection, and WrongAnswerError."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while late := count_late(people, sent):
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"{late} clients did not get all of {sent} messages in {DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.05)


async def warm_up(seconds: float) -> None:
    """Wait, before a run of so many seconds is measured; no longer than it takes."""
    await asyncio.sleep(min(WARM_UP_SECONDS, seconds))


async def let_pass(seconds: float, senders: Sequence[Sender]) -> None:
    """Wait so long, or longer until a message has come back; raises WrongAnswerError when none does."""
    deadline = time.monotonic() + seconds + DRAIN_SECONDS
    begun = returned(senders)
    await asyncio.sleep(seconds)
    while returned(senders) == begun:
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"no message came back in {seconds + DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.05)


def returned(senders: Sequence[Sender]) -> int:
    """Return how many messages have come back to their senders."""
    return sum(sender.returned for sender in senders)


def count_late(people: Sequence[Client | Poller], sent: int) -> int:
    """Return how many clients have fewer than `sent` messages; raises what ended a connection."""
    for guest in people:
        if guest.lost is not None:
            raise guest.lost
    return sum(guest.received < sent for guest in people)


def deliveries(people: Iterable[Client]) -> int:
    """Return how many messages have arrived."""
    return sum(client.received for client in people)


async def dismiss(people: Iterable[Client | Poller]) -> None:
    """Drop all connections, and leave the server the time to notice."""
    for guest in people:
        guest.close()
    await asyncio.sleep(GOODBYE_SECONDS)
