"""The chat as an ASGI application that dies, or stops, at a point of a message's way: FAULT in the environment.

`after commit`: the process kills itself as soon as the message is on disk, before anybody is told.
`after ack`: the sender has the answer, but nobody else hears of the message.
`unavailable`: the database takes the message only at the third time.

Only messages whose text is the fault's name meet it.
"""

import asyncio
import os
import signal
from collections.abc import Sequence

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()

from django.db import DatabaseError  # noqa: E402  (after the setup, as all below)

from channels_socketio.history.feed import aannounce  # noqa: E402
from channels_socketio.history.log import Item  # noqa: E402
from chat import services  # noqa: E402  (after the setup, as all below)
from chat.services import Committed, Draft  # noqa: E402
from chat.writer import Writer  # noqa: E402
from chatproject.asgi import application  # noqa: E402

__all__ = ["application"]

FAULT = os.environ["FAULT"]
failures = iter([True, True])


def commit(drafts: Sequence[Draft]) -> Committed:
    """Fail, or store and die."""
    if FAULT == "unavailable" and any(draft.text == FAULT for draft in drafts) and next(failures, False):
        raise DatabaseError("asked for")
    committed = services.commit(drafts)
    if FAULT == "after commit" and any(draft.text == FAULT for draft in drafts):
        os.kill(os.getpid(), signal.SIGKILL)
    return committed


async def announce(namespace: str, item: Item) -> None:
    """Announce, or wait for ever."""
    if item.data["text"] == FAULT == "after ack":
        await asyncio.Event().wait()
    await aannounce(namespace, item)


Writer.commit = staticmethod(commit)
Writer.announce = staticmethod(announce)
