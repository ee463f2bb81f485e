"""Reading and changing a login session's data from a socket, beside the pages that do the same.

`scope["session"]` is a copy. Pages write their own copies as a whole, so that whoever writes last would undo what the
others wrote. Therefore a change holds a lock on what is stored from reading to writing, in a transaction of its own:
that takes a thread for as long as it lasts, and a database connection, so there are few of them and little time.

A store says how it locks by `changes()`, a context manager that yields the data as stored and saves what has become of
it, or raises UpdateError when the login session is over. Without it, the keys that were changed are put into
what is stored then: nothing else is undone, but of two who change the same key at once one wins.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from copy import deepcopy
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import UpdateError
from django.db import connections

from .status import session_store

THREADS = 4
SECONDS = 5.0  # that a change may take

threads = ThreadPoolExecutor(THREADS, thread_name_prefix="session-changes")


class Abandoned(Exception):
    """What was to be changed must not be saved."""


async def read_again(session: Any) -> Any:
    """Return a session as it is stored now under its key, None when it is over or another user's."""
    if hasattr(session, "astatus"):
        return None if await session.astatus() is None else session
    stored = session_store()(session.session_key)
    live = await stored.akeys() and stored.session_key is not None
    return stored if live and await stored.aget(SESSION_KEY) == await session.aget(SESSION_KEY) else None


@asynccontextmanager
async def changes(session_key: str) -> AsyncIterator[dict[str, Any]]:
    """Yield the data as stored; what is changed in it is saved at the end, unless that is an exception.

    Raises UpdateError when the login session is over, TimeoutError after `SECONDS`.
    """
    loop = asyncio.get_running_loop()
    entered: asyncio.Future[dict[str, Any]] = loop.create_future()
    good: Future[bool] = Future()

    def enter(data: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(lambda: None if entered.done() else entered.set_result(data))

    work = loop.run_in_executor(threads, hold, session_key, enter, good)
    try:
        async with asyncio.timeout(SECONDS):
            either: set[asyncio.Future[Any]] = {entered, work}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not entered.done():
                work.result()
            yield entered.result()
    except BaseException:
        good.set_result(False)
        work.add_done_callback(lambda done: done.exception())  # seen: whoever caused it knows
        raise
    good.set_result(True)
    await work


def hold(session_key: str, enter: Any, good: "Future[bool]") -> None:
    """Change a session in a thread: call `enter` with the data, wait for the verdict, save or not."""
    try:
        with changes_of(session_key) as data:
            enter(data)
            if not good.result(2 * SECONDS):  # a loop that died does not say
                raise Abandoned
    finally:
        connections.close_all()


@contextmanager
def changes_of(session_key: str) -> Iterator[dict[str, Any]]:
    """Yield the data of a session and save what has become of it, in the way of its store."""
    session = session_store()(session_key)
    if hasattr(session, "changes"):
        with session.changes() as data:
            yield data
        return
    before = dict(session.items())
    if session.session_key is None:
        raise UpdateError
    data = deepcopy(before)
    yield data
    stored = session_store()(session_key)
    for key in before.keys() - data.keys():
        stored.pop(key, None)
    stored.update({key: value for key, value in data.items() if key not in before or before[key] != value})
    stored.save()
