"""Synchronous database work from asynchronous code, in threads."""

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial, wraps
from typing import Any, ClassVar, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import Error, close_old_connections, connection, connections

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def in_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Return `function` to be awaited; it runs in a thread that keeps no dead connection.

    As `channels.db.database_sync_to_async`, except that the connection of a transaction in
    progress is left alone: Django's test cases and their client hold one in that very thread.
    """

    @wraps(function)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        close_unless_in_use()
        try:
            return function(*args, **kwargs)
        finally:
            close_unless_in_use()

    return sync_to_async(run)


def in_kept_thread(function: Callable[Parameters, Result]) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """As in_thread(), for what happens all the time: the connection stays open, and is replaced once it is dead.

    Opening and closing it costs several times what a short query does. `function` may be called twice.
    """

    return sync_to_async(partial(call_with_connection, function))


def close_unless_in_use() -> None:
    """Close this thread's connections that are broken or past their age, outside transactions."""
    if not connection.in_atomic_block:
        close_old_connections()


class DatabaseThread:
    """One thread for one kind of database work, beside asgiref's, which all other asynchronous code shares.

    Its connection stays open between calls. One that broke in the meantime, because the server was started again,
    say, is replaced and the function called once more; so it must be one that may be called twice.
    """

    threads: "ClassVar[weakref.WeakSet[DatabaseThread]]" = weakref.WeakSet()

    def __init__(self, name: str) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.threads.add(self)

    def run(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> "asyncio.Future[Result]":
        """Call `function` in the thread, after what it was asked before."""
        work = partial(call_with_connection, function, *args, **kwargs)
        return asyncio.get_running_loop().run_in_executor(self._executor, work)

    def disconnect(self) -> None:
        """Close the connection, and wait until it is; the next call opens another. Not from the thread itself."""
        self._executor.submit(connections.close_all).result()


def call_with_connection(
    function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """Return what `function` returns; with another connection, if the one of before turns out to be dead."""
    kept = connection.connection
    try:
        return function(*args, **kwargs)
    except Error:
        # Django itself replaces a connection that fails to roll back.
        alive = connection.connection is kept and connection.is_usable()
        if not alive:
            connection.close()
        if alive or kept is None:
            raise
    return function(*args, **kwargs)
