"""Visitors with login sessions, as rows in the database, one by one or many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.db import connection, transaction
from django.utils import timezone

from chat import names
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore

DAY = timedelta(days=1)


def visit(highest: int = names.HIGHEST_NAME) -> SessionStore:
    """Return the saved session of a new visitor with a name of 0..`highest`, if enough are free."""
    session = SessionStore()
    names.assign(session, highest)
    return session


def holder(name: int, expires_in: timedelta = DAY) -> SessionStore:
    """Return the saved session of a new visitor who holds `name`."""
    session = SessionStore()
    with transaction.atomic():
        session.update({"visitor": Visitor.objects.create(name=name).pk, "name": name})
        session.create()
    age(session, expires_in)
    return session


def log_in(session: SessionStore, username: str) -> Any:
    """Give the session a new user; return it."""
    user: Any = get_user_model().objects.create_user(username)
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return user


def age(session: SessionStore, expires_in: timedelta) -> None:
    """Move the end of the login session to `expires_in` from now."""
    row_of(session)
    LoginSession.objects.filter(session_key=session.session_key).update(expire_date=timezone.now() + expires_in)


def row_of(session: SessionStore) -> LoginSession:
    """Return the row under the session's key; fail without one."""
    row: LoginSession = LoginSession.objects.select_related("visitor").get(session_key=session.session_key)
    return row


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Return what `work` returned in each of `count` threads that began together."""
    barrier = Barrier(count)

    def run(number: int) -> Any:
        try:
            barrier.wait(10)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count)))
