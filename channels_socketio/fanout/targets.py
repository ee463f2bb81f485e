"""What the hub calls the groups of sockets that an event can be addressed to.

The whole namespace goes by its own name, which begins with a slash, and one socket by its id. The others
are their kind, namespace and name, separated by commas, which a namespace from the wire cannot have: so
nobody gets into a group by asking for a namespace of its name.
"""

from collections.abc import Collection
from typing import Any

from ..sessions.identity import session_hash, session_of, user_of


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


def topics_of(namespace: str, scope: Any) -> list[str]:
    """Return the groups that a socket belongs to by itself: namespace, login session, user."""
    groups = [namespace]
    if (session := session_of(scope)) is not None:
        groups.append(login_session_key(namespace, session.session_key))
    if (user := user_of(scope)) is not None:
        groups.append(user_key(namespace, user))
    return groups
