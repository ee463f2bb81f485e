"""Notices that login sessions end or change their keys, and that users change, in this process.

Rows and users say so by Django's signals. Stores do not say that they rotate a key, which for Django's own is to make a
new session and delete the old one. So the methods of the site's session store by which a session gives up its key are
wrapped. The alternative, to look for a session with the same content, finds none in caches.

A login over another user's flushes the session, which is no different from its end until `user_logged_in` says so.
Therefore the monitor gives whatever is gone a moment (see sessions/monitor.py).

Rows that are deleted without signals (raw SQL, other services), users that are changed by `QuerySet.update`, and
sessions that are deleted in caches and files are noticed by the sweep.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any

from asgiref.sync import sync_to_async
from django.apps import apps
from django.db import router
from django.db.models.signals import post_delete, post_save, pre_delete
from django.utils import timezone

from .revocation import end_sessions, end_user, look_at_sessions, look_at_user, rotate_sessions
from .sessions.end_reasons import LOGGED_OUT, USER_DELETED
from .sessions.status import session_model, session_store

NAME = "channels_socketio.signals"
FORMER_KEY = "socketio_former_key"  # attribute of a session: the key that it gave up last
TOLD_KEY = "socketio_told_key"  # attribute of a session: the key whose end was published with its reason

Note = Callable[[Any, str], None]

told: ContextVar[str | None] = ContextVar("told", default=None)  # the TOLD_KEY of the session that gives up its key


def install() -> None:
    """Watch the site's session store and user model; calling it again changes nothing."""
    store, model = session_store(), session_model()
    observe(store, "cycle_key", "acycle_key", key_rotated)
    observe(store, "flush", "aflush", session_flushed)
    if model is not None:
        post_delete.connect(session_deleted, sender=model, dispatch_uid=NAME)
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth import get_user_model, user_logged_in, user_logged_out

    user_logged_in.connect(logged_in, dispatch_uid=NAME)
    user_logged_out.connect(logged_out, dispatch_uid=NAME)
    post_save.connect(user_saved, sender=get_user_model(), dispatch_uid=NAME)
    pre_delete.connect(user_deleted, sender=get_user_model(), dispatch_uid=NAME)


def observe(store: Any, method: str, async_method: str, note: Note) -> None:
    """Have `note` called with a session, and the key that it gives up by a method of `store` or by its twin."""
    run, arun = getattr(store, method), getattr(store, async_method)
    if hasattr(run, FORMER_KEY):
        return

    @wraps(run)
    def observed(session: Any) -> None:
        with giving_up(session) as before:
            run(session)
            note_former_key(session, before, note)

    @wraps(arun)
    async def aobserved(session: Any) -> None:
        with giving_up(session) as before:
            await arun(session)
            await sync_to_async(note_former_key)(session, before, note)

    setattr(observed, FORMER_KEY, None)
    setattr(store, method, observed)
    setattr(store, async_method, aobserved)


@contextmanager
def giving_up(session: Any) -> Iterator[str | None]:
    """Yield the key that a session is about to give up. What is known of its end is not published again meanwhile."""
    token = told.set(getattr(session, TOLD_KEY, None))
    try:
        yield session.session_key
    finally:
        told.reset(token)


def note_former_key(session: Any, before: str | None, note: Note) -> None:
    """Keep the key that a session had, and tell of it, unless the twin of the method has done so."""
    if before not in (None, session.session_key, getattr(session, FORMER_KEY, None)):
        setattr(session, FORMER_KEY, before)
        note(session, str(before))


def key_rotated(session: Any, key: str) -> None:
    """Close what came by the old key."""
    rotate_sessions([key], using=database_of(session))


def session_flushed(session: Any, key: str) -> None:
    """Have it looked at. Where sessions are rows their deletion has said so."""
    if key != told.get() and not hasattr(session, "get_model_class"):
        look_at_sessions([key])


def database_of(session: Any) -> str | None:
    """Return the alias of the database in which a session's key changes, None for the default."""
    return router.db_for_write(session.get_model_class()) if hasattr(session, "get_model_class") else None


def session_deleted(instance: Any, using: str, **signal: Any) -> None:
    """End what lived by the row, if nobody has a better reason. Of an expired one all processes know by themselves."""
    if instance.session_key != told.get() and instance.expire_date > timezone.now():
        look_at_sessions([instance.session_key], using=using)


def logged_in(request: Any, **signal: Any) -> None:
    """A login over another user's has flushed that session: its key was rotated."""
    session = getattr(request, "session", None)
    if (former_key := getattr(session, FORMER_KEY, None)) is not None:
        key_rotated(session, former_key)


def logged_out(request: Any, **signal: Any) -> None:
    """Say why, before the session is flushed. Its deletion says nothing more: one log-out is one publication."""
    session = getattr(request, "session", None)
    if session is not None and session.session_key is not None:
        end_sessions([session.session_key], LOGGED_OUT, using=database_of(session))
        setattr(session, TOLD_KEY, session.session_key)


def user_saved(instance: Any, created: bool, using: str, update_fields: Any = None, **signal: Any) -> None:
    """Have the user's login sessions looked at, unless only the time of the last login was noted."""
    if not created and update_fields != frozenset({"last_login"}):
        look_at_user(instance, using)


def user_deleted(instance: Any, using: str, **signal: Any) -> None:
    """End what lived by the user. Before: rows that go with the user are deleted first, and know no reason."""
    end_user(str(instance.pk), USER_DELETED, using)
