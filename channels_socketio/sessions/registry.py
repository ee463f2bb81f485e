"""Which connections of this process live by which login session, and by which user's.

A login session goes by the hash of its key, for the key is a credential. Two maps and no `await`; what is empty goes
at once. A connection costs its place in a set, and its login session, if it is the first of it, one small object.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..protocol.reasons import Reason
from .end_reasons import EndReason


class Connection(Protocol):
    """A connection, as far as it lives by a login session. Only `label`, `end`, `rotate` and `rename` may raise."""

    scope: dict[str, Any]

    @property
    def label(self) -> str:
        """How the log names it."""

    def review(self) -> EndReason | None:
        """Return why the application does not let it stay."""

    def end(self, end_reason: EndReason) -> None:
        """Tell its sockets why they end, and close."""

    def rotate(self) -> None:
        """Close so that the client comes back by itself."""

    def rename(self, session: Any, user: Any) -> None:
        """Know the login session, and its user if not None, as they are now."""

    def fail(self, error: BaseException, reason: Reason) -> None:
        """Close at once because something else has raised `error`."""


@dataclass(slots=True, eq=False)
class Login:
    """A login session that connections live by.

    `expires` is a loop time, as far as known. `settles` is the loop time until which the session may be gone or
    disagree with its user's password; None while nothing is wrong. `stale` is whether its data may have changed.
    """

    key: str
    user: str | None = None
    expires: float = math.inf
    settles: float | None = None
    stale: bool = False
    connections: set[Connection] = field(default_factory=set)

    @property
    def scope(self) -> dict[str, Any]:
        """The scope of one of the connections, of which there must be one; session and user are the same for all."""
        return next(iter(self.connections)).scope


class Registry:
    """The login sessions of a process's connections by their hash, and by the primary keys of their users."""

    def __init__(self) -> None:
        self.logins: dict[str, Login] = {}
        self._users: dict[str, set[Login]] = {}

    def enter(self, connection: Connection, key: str, user: str | None) -> Login:
        """Note that `connection` lives by the login session that is hashed to `key`, of `user` if not None."""
        if (login := self.logins.get(key)) is None:
            login = self.logins[key] = Login(key)
        login.connections.add(connection)
        self._set_user(login, user)
        return login

    def leave(self, connection: Connection, login: Login) -> None:
        """Note that `connection` has ended; not being there is no error."""
        login.connections.discard(connection)
        if not login.connections:
            if self.logins.get(login.key) is login:
                del self.logins[login.key]
            self._set_user(login, None)

    def find(self, keys: Collection[str]) -> list[Login]:
        """Return the login sessions with these hashes, as far as they have connections here."""
        return [login for key in keys if (login := self.logins.get(key)) is not None]

    def of_user(self, user: str) -> list[Login]:
        """Return the login sessions of a user that have connections here."""
        return list(self._users.get(user, ()))

    def _set_user(self, login: Login, user: str | None) -> None:
        if login.user == user:
            return
        if login.user is not None:
            others = self._users[login.user]
            others.discard(login)
            if not others:
                del self._users[login.user]
        login.user = user
        if user is not None:
            self._users.setdefault(user, set()).add(login)
