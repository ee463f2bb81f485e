"""Login sessions in the database: Django's session store over `LoginSession`.

Differences from Django's database store, and why:

- The visitor and the user are columns as well as data, so that the database can keep them
  unique and the admin can search them. A row whose columns and signed data disagree was
  not written here and counts as empty.
- The key in the cookie is checked by form before any query: whatever a client sends, it
  costs nothing and raises nothing.
- Rotating the key renames the row. Django writes a second row and deletes the first, which
  the one-to-one column forbids; and the name must survive a login without a moment in
  which nobody holds it.
- Saving writes what was changed since loading, not the whole copy: requests and sockets that
  run at the same time do not undo each other's changes. `changes` locks the row, for changes
  that depend on what is stored.
- A name, once given to a row, is kept by later saves of an older copy of the data. Only the
  end of the login session takes it away.

The asynchronous twins run the synchronous methods in a thread. Most of them need a
transaction, which Django has in threads only, and one implementation cannot differ from
itself.
"""

import logging
import re
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import VALID_KEY_CHARS, CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import IntegrityError, transaction
from django.utils.crypto import get_random_string

from channels_socketio import BANNED, EXPIRED, EndReason, SessionStatus, look_at_sessions
from chat.bans import ban_list
from chat.database import in_kept_thread, in_thread
from chat.models import LoginSession, Visitor, lies_ahead
from chat.session_loader import session_loader

logger = logging.getLogger(__name__)

MOST = 400  # rows in one query; databases bound the number of parameters
WELL_FORMED = re.compile(r"[a-z0-9]{32}")


def is_well_formed(key: str | None) -> bool:
    """Return whether `key` has the form of the keys that are made here."""
    return key is not None and WELL_FORMED.fullmatch(key) is not None


def twin(name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return the asynchronous twin of a method, which runs whatever stands under `name` by then in a thread."""

    async def run(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await in_thread(getattr(self, name))(*args, **kwargs)

    return run


class SessionStore(DatabaseStore):
    """The session of a request or of a socket's handshake.

    `row` is the live row as it was loaded, with its visitor: None before loading, for an
    unknown or expired key, and after the end of the login session. `lasting_id` is the row's
    number, `expires_at` its end, as sockets need them. `had_name` is whether a visitor's name
    went with what was flushed last.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.row: LoginSession | None = None
        self.lasting_id: int | None = None
        self.expires_at: datetime | None = None
        self.had_name = False

    _validate_session_key = staticmethod(is_well_formed)

    @classmethod
    def get_model_class(cls) -> type[LoginSession]:
        """Return the model that holds the rows."""
        return LoginSession

    def load(self) -> dict[str, Any]:
        """Return the data of the live row; without one, {} and the key is forgotten."""
        rows = LoginSession.objects.live().select_related("visitor")
        return self._begin(rows.filter(session_key=self.session_key).first())

    def read(self, row: LoginSession) -> dict[str, Any]:
        """Return the data in `row`, {} when it is not what was written there."""
        data = self.decode(row.session_data)
        if owners(data) != (row.visitor_id, row.user_id):
            if data:  # otherwise the signature was wrong, and Django has said so
                logger.warning("Login session %s: expected the data saved with the row, got others", row.pk)
            return {}
        if row.visitor is not None:
            data["name"] = row.visitor.name
        return data

    def lock(self) -> LoginSession | None:
        """Return the row under the key, expired or not, locked to the end of the transaction."""
        if self.session_key is None:
            return None
        rows = LoginSession.objects.select_for_update(of=("self",)).select_related("visitor")
        return rows.filter(session_key=self.session_key).first()

    def exists(self, session_key: str) -> bool:
        """Return whether a row has this key, expired or not."""
        return is_well_formed(session_key) and super().exists(session_key)

    def create_model_instance(self, data: dict[str, Any]) -> LoginSession:
        """Return a row, not saved yet, for the key and `data`."""
        row = LoginSession(session_data=self.encode(data), expire_date=self.get_expiry_date())
        row.session_key = self.session_key or self._get_new_session_key()
        row.visitor_id, row.user_id = owners(data)
        return row

    def save(self, must_create: bool = False) -> None:
        """Write the data.

        Raises UpdateError when the row is gone: what was ended stays ended. With
        `must_create`, raises CreateError when another row has the key.
        """
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]  # missing in the stubs
        if self.session_key is None:
            self.create()
        elif must_create:
            self._insert(data)
        else:
            self._update(data)

    @contextmanager
    def changes(self) -> Iterator[dict[str, Any]]:
        """Yield the data as stored, locked, and save what has become of it; raises UpdateError when it is over."""
        with transaction.atomic():
            row = self.lock()
            if row is None or not row.live:
                raise UpdateError
            data = self._session_cache = self._begin(row)
            yield data
            self.save()

    def delete(self, session_key: str | None = None) -> None:
        """End the login session under `session_key`, by default this one."""
        key = self.session_key if session_key is None else session_key
        if key == self.session_key:
            self.row = None
        if is_well_formed(key):
            super().delete(key)

    def flush(self) -> None:
        """End the login session, and begin an empty one."""
        self.had_name = "visitor" in self
        super().flush()

    def cycle_key(self) -> None:
        """Give the row a new key; the old one opens nothing from then on.

        A row that was ended meanwhile is not brought back: the session starts empty.
        """
        self.get("name")  # a key without a live row is forgotten here
        old = self.session_key
        if old is None:
            self.create()
            return
        new = self._get_new_session_key()
        if LoginSession.objects.filter(session_key=old).update(session_key=new):
            self._session_key = new
            self.modified = True
        else:
            self.flush()
            self.create()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete expired login sessions, and the visitors who are left without one."""
        while expired := list(LoginSession.objects.expired().values_list("pk", flat=True)[:MOST]):
            LoginSession.objects.expired().filter(pk__in=expired).delete()
        Visitor.objects.filter(login_session=None).delete()

    async def aload(self) -> dict[str, Any]:
        """See load(); all who wait at the same time share a query."""
        return self._begin(await session_loader().find(self.session_key))

    aexists = twin("exists")
    acreate = twin("create")
    asave = twin("save")
    adelete = twin("delete")
    aflush = twin("flush")
    acycle_key = twin("cycle_key")
    aclear_expired = classmethod(twin("clear_expired"))

    @classmethod
    async def astatuses(cls, sessions: Sequence["SessionStore"]) -> list[SessionStatus | None]:
        """Return how login sessions that were loaded stand now, by the number that outlives their keys."""
        found: dict[int, SessionStatus] = {}
        numbers = [session.lasting_id for session in sessions if session.lasting_id is not None]
        for first in range(0, len(numbers), MOST):
            found |= await in_kept_thread(find_statuses)(numbers[first : first + MOST])
        return [None if session.lasting_id is None else found.get(session.lasting_id) for session in sessions]

    def _begin(self, row: LoginSession | None) -> dict[str, Any]:
        """Return the data of a row that was looked up, {} without one."""
        self.row = row
        if row is None:
            self._session_key = None
            return {}
        self.lasting_id, self.expires_at = row.pk, row.expire_date
        return self.read(row)

    def _get_new_session_key(self) -> str:
        # The unique column finds out about a collision; a query before could not.
        return get_random_string(32, VALID_KEY_CHARS)

    def _insert(self, data: dict[str, Any]) -> None:
        row = self.create_model_instance(data)
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError as error:
            if self.exists(row.session_key):
                raise CreateError from error
            raise

    def _update(self, data: dict[str, Any]) -> None:
        with transaction.atomic():
            row = self.lock()
            if row is None:
                raise UpdateError
            stored = self.read(row)
            if self.row is not None:
                data = self._session_cache = merge(stored, self.read(self.row), data)
            if "visitor" not in data and "visitor" in stored:
                data |= {"visitor": stored["visitor"], "name": stored["name"]}
            expires = self.get_expiry_date()
            moved = any(stored.get(key) != data.get(key) for key in (SESSION_KEY, HASH_SESSION_KEY))
            if moved or expires < row.expire_date:
                look_at_sessions([row.session_key])
            row.session_data = self.encode(data)
            row.expire_date = expires
            row.visitor_id, row.user_id = owners(data)
            row.save(update_fields=["session_data", "expire_date", "visitor", "user"])
        self.row = row


def merge(stored: dict[str, Any], before: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """Return `stored` with what is different in `data` from what it was before."""
    kept = {key: value for key, value in stored.items() if key in data or key not in before}
    return kept | {key: value for key, value in data.items() if key not in before or before[key] != value}


def find_statuses(numbers: Collection[int]) -> dict[int, SessionStatus]:
    """Return how those login sessions stand that are there, by primary key.

    Who is banned by address is read as well, which is asked next, of each connection (`consumers.may_not_stay`).
    """
    ban_list.read()
    rows = LoginSession.objects.filter(pk__in=numbers)
    columns = rows.values_list("pk", "session_key", "expire_date", "user_id", "visitor__banned_until")
    return {
        pk: SessionStatus(key, expires, None if user is None else str(user), end_reason_of(expires, banned_until))
        for pk, key, expires, user, banned_until in columns
    }


def end_reason_of(expires: datetime, banned_until: datetime | None) -> EndReason | None:
    """Return why a login session whose row is there is over, or must be, None if it goes on."""
    if not lies_ahead(expires):
        return EXPIRED
    return BANNED if lies_ahead(banned_until) else None


def owners(data: dict[str, Any]) -> tuple[Any, Any]:
    """Return the primary keys of the visitor and of the user that `data` speaks of, or None."""
    user = data.get(SESSION_KEY)
    return data.get("visitor"), None if user is None else get_user_model()._meta.pk.to_python(user)
