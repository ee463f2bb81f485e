"""How a socket enters a namespace with a log: what it lacks, then live, as one ordered stream.

Authorised first, then replayed. A new socket is shown the newest entries; one that was here before gets what it
missed. While the consumer greets it the log may go on: what came is added at the moment of entering, after which
nothing gives way until the socket is in the hub's room.
"""

import asyncio
import logging
from typing import TYPE_CHECKING, NamedTuple

from .feed import Feed
from .log import Log, Position
from .protocol.parcel import Parcel
from .tail import START

if TYPE_CHECKING:
    from .recovery import Claim
    from .socket import Socket

logger = logging.getLogger(__name__)

LOG_SECONDS = 20.0  # that a socket waits for its log


class LogUnavailable(Exception):
    """The log did not say what a socket lacks."""


class Lack(NamedTuple):
    """What a socket lacks: `parcels`, and then all after `at`. `head` is the newest entry that it is told of."""

    at: Position
    head: int
    parcels: list[Parcel]
    missed: tuple[int, int] | None = None  # first and last of entries too many to be sent


async def newest(feed: Feed) -> tuple[Lack, Position]:
    """Return what a new socket lacks, and where it is before it has got that."""
    before, position, parcels = await feed.newest()
    return Lack(position, position.seq, list(parcels)), before


async def since(feed: Feed, at: Position, limit: int) -> Lack | None:
    """Return what a socket lacks that was at `at`; None if the log does not go there or on from there."""
    await feed.reach(START)
    if not feed.tail.position.covers(at):
        ends = await feed.log.positions([feed.namespace])
        if not ends.get(feed.namespace, START).covers(at):
            return None
        await feed.reach(at)
    position = feed.tail.position
    if position.deletions - at.deletions > limit:
        return None
    if position.seq - at.seq > limit:
        return Lack(at._replace(seq=position.seq), position.seq, [], (at.seq + 1, position.seq))
    return Lack(at, position.seq, [])


async def prepare(socket: "Socket", log: Log, claim: "Claim | None") -> list[Parcel]:
    """Greet a socket and return what it must get before it is live, if the caller does not give way.

    Raises LogUnavailable, and what the consumer raises.
    """
    options = socket.connection.server.options
    feed = socket.follow(log)
    try:
        async with asyncio.timeout(LOG_SECONDS):
            lack = None if claim is None else await since(feed, claim.position, options.recovery_limit)
            if lack is not None and claim is not None:
                socket.recover(claim)
            else:
                lack, before = await newest(feed)
                socket.begin(before)
    except Exception as error:  # the application's log, whatever it does
        raise LogUnavailable(repr(error)) from error
    await socket.greet(lack.head, lack.missed)
    try:
        async with asyncio.timeout(LOG_SECONDS):
            rest = await feed.rest(lack.at)
    except Exception as error:
        raise LogUnavailable(repr(error)) from error
    return lack.parcels + rest
