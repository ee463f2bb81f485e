"""The topics of the hub: what it calls the groups of sockets that an event can be addressed to.

The whole namespace goes by its own name, which begins with a slash, and one socket by its id. The others
are their kind, namespace and name, separated by commas, which a namespace from the wire cannot have: so
no client gets into a topic by asking for a namespace of its name.
"""

from collections.abc import Collection
from typing import Any

from ..sessions.identity import session_hash


def room_key(namespace: str, room: str | None) -> str:
    """Return the hub's name of a room inside `namespace`; None is the namespace itself."""
    return namespace if room is None else f"room,{namespace},{room}"


def login_session_key(namespace: str, session_key: str) -> str:
    """Return the hub's name of a login session's sockets in `namespace`."""
    return f"session,{namespace},{session_hash(session_key)}"


def user_key(namespace: str, user: Any) -> str:
    """Return the hub's name of a user's sockets in `namespace`; `user` is a model instance or a primary key."""
    return f"user,{namespace},{getattr(user, 'pk', user)}"


def skip_keys(namespace: str, skip: Collection[str]) -> list[str]:
    """Return the hub's names for socket ids and rooms that an event leaves out."""
    return [key for name in skip for key in (name, room_key(namespace, name))]


def topics_of(namespace: str, session: str | None, user: str | None) -> list[str]:
    """Return the topics that a socket belongs to by itself: namespace, login session (hashed) and user, if any."""
    topics = [namespace]
    if session is not None:
        topics.append(f"session,{namespace},{session}")
    if user is not None:
        topics.append(user_key(namespace, user))
    return topics
