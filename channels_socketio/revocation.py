"""EndReason the connections of login sessions and of users, on all processes, from anywhere in Django.

Views, signals, management commands, other processes: what is said here is done once the current transaction of the
database `using` commits. It is news: fast, and without a promise. So the truth must be in the database as well, and
where it is, each process's sweep ends whom the news missed. Asynchronous code calls these by `sync_to_async`.
"""

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from .connections.runtime import Runtime
from .emitter import hand_over
from .fanout.backplane import send_alone
from .sessions.end_reasons import ENDED, EndReason
from .sessions.identity import session_hash
from .sessions.monitor import END_SESSIONS, END_USER, LOOK_AT_ALL, LOOK_AT_SESSIONS, LOOK_AT_USER, ROTATE_SESSIONS

logger = logging.getLogger(__name__)


def end_sessions(session_keys: Iterable[str], end_reason: EndReason = ENDED, using: str | None = None) -> None:
    """End the connections of the login sessions with these keys; their sockets are told why."""
    _tell_later(using, END_SESSIONS, _hashes(session_keys), *end_reason)


def end_user(user: Any, end_reason: EndReason, using: str | None = None) -> None:
    """End the connections of all login sessions of a user: a model instance or a primary key."""
    _tell_later(using, END_USER, _pk(user), *end_reason)


def rotate_sessions(session_keys: Iterable[str], using: str | None = None) -> None:
    """Close the connections that came by these keys, which login sessions had until now.

    Clients come back by themselves, with the new key if they have it. For half a minute nobody gets in by an old one,
    whatever the session store says. Django's `cycle_key` and `login` have it done by themselves.
    """
    _tell_later(using, ROTATE_SESSIONS, _hashes(session_keys))


def look_at_sessions(session_keys: Iterable[str], using: str | None = None) -> None:
    """Have all processes look how these login sessions stand in the database: rotated, another user's, or gone.

    Consumers of those that go on are told by `renamed`. One that is gone without a reason has a moment to get one.
    """
    _tell_later(using, LOOK_AT_SESSIONS, _hashes(session_keys))


def look_at_user(user: Any, using: str | None = None) -> None:
    """Have all processes look how a user stands in the database: inactive, renamed, with another password."""
    _tell_later(using, LOOK_AT_USER, _pk(user))


def look_at_all(using: str | None = None) -> None:
    """Have all processes look at all their connections now: for what changes seldom and may concern anybody."""
    _tell_later(using, LOOK_AT_ALL)


def _tell_later(using: str | None, kind: str, *args: Any) -> None:
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(partial(_tell, kind, args), using=using, robust=True)
        return
    try:  # as `on_commit` does, but for sites with sessions and without a database
        _tell(kind, args)
    except Exception:
        logger.exception("Telling all processes to %s failed.", kind)


def _tell(kind: str, args: tuple[Any, ...]) -> None:
    if not hand_over(partial(_tell_in, kind, args)):
        async_to_sync(send_alone)(get_channel_layer(), [kind, *args])


def _tell_in(kind: str, args: tuple[Any, ...], runtime: Runtime) -> None:
    runtime.monitor.publish(kind, *args)


def _hashes(session_keys: Iterable[str]) -> list[str]:
    return [session_hash(key) for key in session_keys]


def _pk(user: Any) -> str:
    return str(getattr(user, "pk", user))
