"""How a socket enters a namespace with a log: what it lacks, then live, as one ordered stream.

Authorised first, then replayed. A new socket is shown the newest entries; one that was here before gets what it
missed. Either is bounded: of long entries only the newest are sent, and the consumer tells of the gap before them.
While the consumer greets the socket the log may go on: what came is added at the moment of entering, after which
nothing gives way until the socket is in the hub's room. If so much came that it is no longer in memory, what the
socket lacks is found anew.
"""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeVar

from ..fanout.prepared import PreparedMessage
from ..history.cache import START, Replay
from ..history.feed import Feed
from ..history.log import Log, Position

if TYPE_CHECKING:
    from ..history.recovery import Claim
    from .socket import Socket

Result = TypeVar("Result")

LOG_SECONDS = 20.0  # that a socket waits for its log


class LogUnavailable(Exception):
    """The log did not say what a socket lacks."""


async def since(feed: Feed, at: Position, limit: int) -> Replay | None:
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
        return Replay(at, at._replace(seq=position.seq), [], (at.seq + 1, position.seq))
    if (messages := feed.cache.after(at)) is not None:
        return Replay(at, position, messages)
    return await feed.missed(at, limit)


async def prepare(socket: "Socket", log: Log, claim: "Claim | None") -> list[PreparedMessage]:
    """Greet a socket and return what it must get before it is live, if the caller does not give way.

    Raises LogUnavailable, and what the consumer raises.
    """
    feed = socket.follow(log)
    beginning = begin_or_recover(socket, feed, claim)
    waits = claim is not None or feed.cached_newest() is None
    replay = await (in_time(beginning) if waits else beginning)  # a timer costs more than all the rest
    await socket.greet(replay.position.seq, replay.missed)
    while (rest := feed.cache.after(replay.position)) is None:
        replay = await in_time(go_on(socket, feed))
        if replay.missed is not None:
            await socket.skip(*replay.missed)
    return replay.messages + rest


async def go_on(socket: "Socket", feed: Feed) -> Replay:
    """Return what a socket lacks that was greeted, and has got nothing of the log yet."""
    replay = await since(feed, socket.began, socket.connection.application.options.recovery_limit)
    if replay is None:
        raise LookupError(f"expected the log to go on after {tuple(socket.began)} with fewer deletions")
    return replay


async def begin_or_recover(socket: "Socket", feed: Feed, claim: "Claim | None") -> Replay:
    """Return what a socket lacks: that of the claim, if there is one and the log can tell, or else a new one."""
    if claim is not None:
        replay = await since(feed, claim.position, socket.connection.application.options.recovery_limit)
        if replay is not None:
            socket.recover(claim)
            return replay
    replay = feed.cached_newest() or await feed.newest()
    socket.begin(replay.before)
    return replay


async def in_time(work: Awaitable[Result]) -> Result:
    """Return what the log says; raises LogUnavailable when it fails or takes too long."""
    try:
        async with asyncio.timeout(LOG_SECONDS):
            return await work
    except Exception as error:  # the application's log, whatever it does
        raise LogUnavailable(repr(error)) from error
