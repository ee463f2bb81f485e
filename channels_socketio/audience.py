"""What the hub calls the groups of sockets that an event can be addressed to.

The whole namespace goes by its own name, which begins with a slash, and one socket by its id. The others
are their kind, namespace and name, separated by commas, which a namespace from the wire cannot have: so
nobody gets into a group by asking for a namespace of its name.
"""

import hashlib
from collections.abc import Collection
from typing import Any


def room_key(namespace: str, room: str | None) -> str:
    """Return the hub's name of a room inside `namespace`; None is the namespace itself."""
    return namespace if room is None else f"room,{namespace},{room}"


def session_hash(session_key: str) -> str:
    """Return what tells login sessions apart, in maps and between processes: the key is a credential."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:32]


def login_session_key(namespace: str, session_key: str) -> str:
    """Return the hub's name of a login session's sockets in `namespace`."""
    return f"session,{namespace},{session_hash(session_key)}"


def user_key(namespace: str, user: Any) -> str:
    """Return the hub's name of a user's sockets in `namespace`; `user` is a model instance or a primary key."""
    return f"user,{namespace},{getattr(user, 'pk', user)}"


def skip_keys(namespace: str, skip: Collection[str]) -> list[str]:
    """Return the hub's names for socket ids and rooms that an event leaves out."""
    return [key for name in skip for key in (name, room_key(namespace, name))]


def session_of(scope: Any) -> Any:
    """Return the login session of a handshake, None without one."""
    session = scope.get("session")
    return None if session is None or session.session_key is None else session


def login_key(scope: Any) -> str | None:
    """Return the hash of a handshake's login session, None without one."""
    session = session_of(scope)
    return None if session is None else session_hash(session.session_key)


def owner(scope: Any) -> str | None:
    """Return what a handshake's login session is known by as long as it is the same user's; None without one.

    The session is its store's `lasting_id`, or else the hash of its key, which ends when the key is rotated.
    """
    if (session := session_of(scope)) is None:
        return None
    lasting = getattr(session, "lasting_id", None)
    return f"{session_hash(session.session_key) if lasting is None else f'lasting {lasting}'} {user_of(scope) or ''}"


def user_of(scope: Any) -> str | None:
    """Return the primary key of a handshake's user as text, None for nobody."""
    user = scope.get("user")
    return None if user is None or not user.is_authenticated else str(user.pk)


def audiences(namespace: str, scope: Any) -> list[str]:
    """Return the groups that a socket belongs to by itself: namespace, login session, user."""
    groups = [namespace]
    if (session := session_of(scope)) is not None:
        groups.append(login_session_key(namespace, session.session_key))
    if (user := user_of(scope)) is not None:
        groups.append(user_key(namespace, user))
    return groups
