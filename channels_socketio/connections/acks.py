"""Events that want an ack, sent to several sockets at once."""

import asyncio
import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..fanout.prepared import PreparedMessage, event_packets

if TYPE_CHECKING:
    from .socket import Socket

ack_ids = itertools.count(1)


async def call_each(
    sockets: "Sequence[Socket]", event: str, args: Sequence[Any], timeout: float
) -> "list[asyncio.Future[list[Any]]]":
    """Send one event, encoded once under one id, to sockets of a namespace; return a finished future for each.

    The future of a socket that did not answer in time raises TimeoutError.
    """
    if not sockets:
        return []
    ack_id = next(ack_ids)
    prepared = PreparedMessage(*event_packets(sockets[0].namespace, [event, *args], ack_id))
    answers = [socket.expect_answer(ack_id) for socket in sockets]
    for socket in sockets:
        socket.connection.runtime.hub.send(socket.connection, prepared)
    try:
        await asyncio.wait(answers, timeout=timeout)
    finally:
        for socket, answer in zip(sockets, answers, strict=True):
            socket.forget_answer(ack_id)
            if not answer.done():
                answer.set_exception(TimeoutError(f"expected an ack within {timeout:g} s"))
                answer.exception()  # seen: a caller who is cancelled does not ask for it
    return answers
