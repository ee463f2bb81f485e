"""How a socket enters a namespace with a log: what it lacks, then live, as one ordered stream.

Authorised first, then replayed. A new socket is shown the newest entries; one that was here before gets what it
missed. Either is bounded: of long entries only the newest are sent, and the consumer tells of the gap before them.
While the consumer greets the socket the log may go on: what came is added at the moment of entering, after which
nothing gives way until the socket is in the hub's room. If so much came that it is no longer in memory, what the
socket lacks is found anew.
"""

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from ..fanout.prepared import PreparedMessage
from ..history.cache import START, NewestEntries
from ..history.feed import Feed
from ..history.log import Log, Position

if TYPE_CHECKING:
    from ..history.recovery import Claim
    from .socket import Socket

Result = TypeVar("Result")

logger = logging.getLogger(__name__)

LOG_SECONDS = 20.0  # that a socket waits for its log


class LogUnavailable(Exception):
    """The log did not say what a socket lacks."""


class Missed(NamedTuple):
    """What a socket lacks: `messages`, and then all after `at`. `head` is the newest entry that it is told of."""

    at: Position
    head: int
    messages: list[PreparedMessage]
    left_out: tuple[int, int] | None = None  # first and last of entries too many, or too long, to be sent


async def since(feed: Feed, at: Position, limit: int) -> Missed | None:
    """Return what a socket lacks that was at `at`; None if the log does not go there or on from there."""
    await feed.reach(START)
    if not feed.cache.position.covers(at):
        ends = await feed.log.positions([feed.namespace])
        if not ends.get(feed.namespace, START).covers(at):
            return None
        await feed.reach(at)
    position = feed.cache.position
    if position.deletions - at.deletions > limit:
        return None
    if position.seq - at.seq > limit:
        return Missed(at._replace(seq=position.seq), position.seq, [], (at.seq + 1, position.seq))
    if feed.cache.holds(at):
        return Missed(at, position.seq, [])
    entries = await feed.missed(at, limit)
    return None if entries is None else replay_of(entries)


def replay_of(entries: NewestEntries) -> Missed:
    """Return what a socket lacks that is sent `entries` first."""
    return Missed(entries.position, entries.position.seq, list(entries.messages), entries.missed)


async def newest(feed: Feed) -> tuple[Missed, Position]:
    """Return what a new socket lacks, and where it is before it has got that."""
    entries = feed.cached_newest() or await feed.newest()
    return replay_of(entries), entries.before


async def prepare(socket: "Socket", log: Log, claim: "Claim | None") -> list[PreparedMessage]:
    """Greet a socket and return what it must get before it is live, if the caller does not give way.

    Raises LogUnavailable, and what the consumer raises.
    """
    feed = socket.follow(log)
    beginning = begin_or_recover(socket, feed, claim)
    waits = claim is not None or feed.cached_newest() is None
    replay = await (in_time(beginning) if waits else beginning)  # a timer costs more than all the rest
    await socket.greet(replay.head, replay.left_out)
    while (rest := feed.cache.after(replay.at)) is None:
        replay = await in_time(go_on(socket, feed))
        if replay.left_out is not None:
            await socket.skip(*replay.left_out)
    return replay.messages + rest


async def go_on(socket: "Socket", feed: Feed) -> Missed:
    """Return what a socket lacks that was greeted, and has got nothing of the log yet."""
    replay = await since(feed, socket.began, socket.connection.application.options.recovery_limit)
    if replay is None:
        raise LookupError(f"expected the log to go on after {tuple(socket.began)} with fewer deletions")
    return replay


async def begin_or_recover(socket: "Socket", feed: Feed, claim: "Claim | None") -> Missed:
    """Return what a socket lacks: that of the claim, if there is one and the log can tell, or else a new one."""
    if claim is not None:
        replay = await since(feed, claim.position, socket.connection.application.options.recovery_limit)
        if replay is not None:
            socket.recover(claim)
            return replay
    replay, before = await newest(feed)
    socket.begin(before)
    return replay


async def in_time(work: Awaitable[Result]) -> Result:
    """Return what the log says; raises LogUnavailable when it fails or takes too long."""
    try:
        async with asyncio.timeout(LOG_SECONDS):
            return await work
    except Exception as error:  # the application's log, whatever it does
        raise LogUnavailable(repr(error)) from error
