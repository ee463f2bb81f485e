"""What the database says about login sessions that sockets live by, many at once.

Any session backend of Django will do. One that keeps rows is asked in one query for a few hundred of them, others one
by one. A store that knows more says so itself, by any of these:

- `lasting_id`: what tells the login session apart when its key is rotated. With it, a process that heard no news of
  that still knows it from an end, and private ids outlive a rotated key.
- `expires_at`: when the session that was loaded expires. Without it, the first look at it tells, or none.
- `astatuses(sessions)`: a class method that returns a SessionStatus, or None for one that is over, for each of them.
"""

import asyncio
from collections.abc import Collection, Sequence
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from channels.db import database_sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model, load_backend
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from .end_reasons import EXPIRED, EndReason

if TYPE_CHECKING:
    from django.contrib.sessions.base_session import AbstractBaseSession

MOST = 400  # keys in one query; databases bound the number of parameters
UNKNOWN = ""  # is no primary key


class SessionStatus(NamedTuple):
    """A login session: its present key; `user` is a primary key as the session has it, a text, None for nobody.

    With an `end_reason` it is over, or must be, for a reason that the store knows.
    """

    session_key: str
    expires: datetime | None = None
    user: str | None = UNKNOWN
    end_reason: EndReason | None = None


def session_store() -> Any:
    """Return the class of the site's session store."""
    return import_module(settings.SESSION_ENGINE).SessionStore


async def find_statuses(sessions: Sequence[Any]) -> list[SessionStatus | None]:
    """Return how each of `sessions` stands, None for one that is over. Raises what the store raises.

    One that has `astatus` knows that itself (see credentials.py).
    """
    knowing = [session for session in sessions if hasattr(session, "astatus")]
    if not knowing:
        return await find_stored(sessions)
    known = iter(await asyncio.gather(*(session.astatus() for session in knowing)))
    stored = iter(await find_stored([session for session in sessions if not hasattr(session, "astatus")]))
    return [next(known if hasattr(session, "astatus") else stored) for session in sessions]


async def find_stored(sessions: Sequence[Any]) -> list[SessionStatus | None]:
    """Return how each of the site's own `sessions` stands, None for one that is over."""
    store = session_store()
    if hasattr(store, "astatuses"):
        return list(await store.astatuses(sessions))
    keys = [session.session_key for session in sessions]
    model = session_model()
    if model is None:
        return [await load_status(store, key) for key in keys]
    found: dict[str, SessionStatus] = {}
    for first in range(0, len(keys), MOST):
        found |= await read_rows(model, keys[first : first + MOST])
    return [found.get(key) for key in keys]


async def load_status(store: Any, session_key: str) -> SessionStatus | None:
    """Return how a session stands by loading it."""
    session = store(session_key)
    live = await session.akeys() and session.session_key is not None
    return SessionStatus(session_key, user=await session.aget(SESSION_KEY)) if live else None


@database_sync_to_async
def read_rows(model: Any, session_keys: Collection[str]) -> dict[str, SessionStatus]:
    """Return how those of the rows stand that are there, by key."""
    rows = model._default_manager.filter(session_key__in=session_keys)
    now, decode = timezone.now(), session_store()().decode
    return {
        key: SessionStatus(key, expires, decode(data).get(SESSION_KEY), None if expires > now else EXPIRED)
        for key, expires, data in rows.values_list("session_key", "expire_date", "session_data")
    }


def session_model() -> "type[AbstractBaseSession] | None":
    """Return the model of the site's session store, None for a store without one."""
    get_model = getattr(session_store(), "get_model_class", None)
    try:
        return None if get_model is None else get_model()
    except RuntimeError:  # the model's app is not installed
        return None


@database_sync_to_async
def find_users(users: Collection[str]) -> dict[str, Any]:
    """Return the users with these primary keys, by primary key as text."""
    found: dict[str, Any] = {}
    wanted = list(users)
    for first in range(0, len(wanted), MOST):
        for user in get_user_model()._default_manager.filter(pk__in=wanted[first : first + MOST]):
            found[str(user.pk)] = user
    return found


def may_log_in(session: Any, user: Any) -> bool:
    """Return whether the user of a loaded session is still one for the backend that logged it in."""
    path = session.get(BACKEND_SESSION_KEY)
    if path in settings.AUTHENTICATION_BACKENDS:
        decide = getattr(load_backend(path), "user_can_authenticate", None)
        if decide is not None:
            return bool(decide(user))
    return bool(getattr(user, "is_active", True))


def agrees_with_password(session: Any, user: Any) -> bool:
    """Return whether a loaded session was made with the password that its user has now."""
    if user is None:
        return True
    if session.get(SESSION_KEY) is None or not hasattr(user, "get_session_auth_hash"):
        return True  # whoever found out about this user did so by other means
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session.get(HASH_SESSION_KEY, ""), each) for each in hashes)


async def read_user(scope: Any) -> Any:
    """Return the user of the session in `scope`, and read it.

    A session that was made with a password which is not the user's any more is replaced by an empty one.
    """
    from django.contrib.auth.models import AnonymousUser  # a site may have sessions and no users

    session = scope["session"]
    if await session.aget(SESSION_KEY) is None:
        return AnonymousUser()
    user = await load_user(session)
    if not agrees_with_password(session, user):
        # Django ends such a session. Here that would hide from its other sockets why they end.
        scope["session"], user = session_store()(None), None
    return AnonymousUser() if user is None else user


@database_sync_to_async
def load_user(session: Any) -> Any:
    """Return the user that a session was logged in with, None if its backend knows none."""
    path = session.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    return load_backend(path).get_user(get_user_model()._meta.pk.to_python(session[SESSION_KEY]))
