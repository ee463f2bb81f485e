"""Synchronous database work from asynchronous code."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import OperationalError, close_old_connections, connection

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


def in_kept_thread(read: Callable[Parameters, Result]) -> Callable[Parameters, Coroutine[Any, Any, Result]]:
    """Return `read`, which only reads, to be awaited; the thread's connection stays open for the next reading.

    Opening and closing one costs several times what a short query does. A connection that turns out to be dead is
    replaced: `read` is called once more.
    """

    @wraps(read)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return read(*args, **kwargs)
        except OperationalError:
            if connection.in_atomic_block:
                raise
            connection.close()
            return read(*args, **kwargs)

    return sync_to_async(run)


def close_unless_in_use() -> None:
    """Close this thread's connections that are broken or past their age, outside transactions."""
    if not connection.in_atomic_block:
        close_old_connections()
