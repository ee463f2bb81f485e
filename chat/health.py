"""Whether this process can serve: the database and the channel layer answer."""

import asyncio
import logging

from channels.layers import get_channel_layer
from django.db import connection

from chat.database import in_thread

TIMEOUT = 2.0

logger = logging.getLogger(__name__)


async def failures(seconds: float = TIMEOUT) -> list[str]:
    """Return the names of the parts that did not answer within `seconds`."""
    checks = {
        "database": asyncio.create_task(in_thread(ask_database)()),
        "channel layer": asyncio.create_task(ask_channel_layer()),
    }
    # Not asyncio.timeout: it would wait for the end of a thread that hangs in the database.
    _, pending = await asyncio.wait(checks.values(), timeout=seconds)
    for task in pending:
        task.cancel()
    failed = []
    for name, task in checks.items():
        error = TimeoutError("no answer") if task in pending else task.exception()
        if error is not None:
            logger.warning("Not ready: %s: %s", name, type(error).__name__)
            failed.append(name)
    return failed


def ask_database() -> None:
    """Have the database answer one query."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


async def ask_channel_layer() -> None:
    """Send one message through the channel layer and receive it back."""
    layer = get_channel_layer()
    if layer is None:
        raise LookupError("expected a default channel layer in the settings, found none")
    channel = await layer.new_channel()
    await layer.send(channel, {"type": "ready"})
    await layer.receive(channel)
    # A receiver that is cancelled is how a layer learns that the channel is no longer in use.
    try:
        async with asyncio.timeout(0):
            await layer.receive(channel)
    except TimeoutError:
        pass
