"""What a handshake's scope says about its login session and user."""

import hashlib
from typing import Any


def session_hash(session_key: str) -> str:
    """Return what tells login sessions apart, in maps and between processes: the key is a credential."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:32]


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
