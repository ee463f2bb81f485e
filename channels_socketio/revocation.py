"""End the connections of login sessions and of users, on all processes, from anywhere in Django.

Views, signals, management commands, other processes: what is said here is done once the current transaction of the
database `using` commits. It is published: fast, and without a promise. So the truth must be in the database as well.
Each process's sweep ends what the publication missed. Asynchronous code calls these by `sync_to_async`.
"""

from collections.abc import Iterable
from typing import Any

from .fanout.backplane import publish
from .sessions.end_reasons import ENDED, EndReason
from .sessions.identity import session_hash
from .sessions.monitor import END_SESSIONS, END_USER, LOOK_AT_ALL, LOOK_AT_SESSIONS, LOOK_AT_USER, ROTATE_SESSIONS


def end_sessions(session_keys: Iterable[str], end_reason: EndReason = ENDED, using: str | None = None) -> None:
    """End the connections of the login sessions with these keys; their sockets are told why."""
    publish(END_SESSIONS, _hashes(session_keys), *end_reason, using=using)


def end_user(user: Any, end_reason: EndReason = ENDED, using: str | None = None) -> None:
    """End the connections of all login sessions of a user: a model instance or a primary key."""
    publish(END_USER, _pk(user), *end_reason, using=using)


def rotate_sessions(session_keys: Iterable[str], using: str | None = None) -> None:
    """Close the connections that came by these keys, which login sessions had until now.

    Clients come back by themselves, with the new key if they have it. For half a minute nobody gets in by an old one,
    whatever the session store says. Django's `cycle_key` and `login` have it done by themselves.
    """
    publish(ROTATE_SESSIONS, _hashes(session_keys), using=using)


def look_at_sessions(session_keys: Iterable[str], using: str | None = None) -> None:
    """Have all processes look how these login sessions stand in the database: rotated, another user's, or gone.

    Consumers of those that go on are told by `renamed`. One that is gone without a reason has a moment to get one.
    """
    publish(LOOK_AT_SESSIONS, _hashes(session_keys), using=using)


def look_at_user(user: Any, using: str | None = None) -> None:
    """Have all processes look how a user stands in the database: inactive, renamed, with another password."""
    publish(LOOK_AT_USER, _pk(user), using=using)


def look_at_all(using: str | None = None) -> None:
    """Have all processes look at all their connections now: for what changes seldom and may concern anybody."""
    publish(LOOK_AT_ALL, using=using)


def _hashes(session_keys: Iterable[str]) -> list[str]:
    return [session_hash(key) for key in session_keys]


def _pk(user: Any) -> str:
    return str(getattr(user, "pk", user))
