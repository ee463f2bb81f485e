"""Credentials other than the session cookie, for clients without one: what a token stands for.

A connection lives by its credential as others do by their login session: `end_sessions` and `end_user` end it, it ends
when it expires, and at each look its site is asked again whether it still holds. The price of that is one call for
each credential, where login sessions share a query.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase

from .status import SessionStatus

# What a site needs of a scope to find its credential.
KEPT = ("type", "path", "query_string", "headers", "client")


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client has shown instead of a session cookie.

    `key` tells it apart, for `end_sessions` say; it is a secret and never shown. `user` is whose it is, a Django user.
    `expires_at` is when it ends by itself, an aware datetime, None for never.
    """

    key: str
    user: Any
    expires_at: datetime | None = None


# Returns what the client of an ASGI scope has shown, None for nothing that holds.
Authenticate = Callable[[Any], Awaitable[Credential | None]]


class CredentialSession(SessionBase):
    """Stands for the login session of a client with a credential: it holds no data, and cannot be saved."""

    def __init__(self, credential: Credential, authenticate: Authenticate, scope: Any) -> None:
        super().__init__()
        self.credential = credential
        self._authenticate = authenticate
        self._scope = {name: scope[name] for name in KEPT if name in scope}

    @property
    def session_key(self) -> str:
        """The credential's key."""
        return self.credential.key

    @property
    def expires_at(self) -> datetime | None:
        """When the credential ends by itself; see `status`."""
        return self.credential.expires_at

    def load(self) -> dict[str, Any]:
        """Part of Django's class: there is no data."""
        return {}

    async def aload(self) -> dict[str, Any]:
        """Part of Django's class: there is no data."""
        return {}

    async def astatus(self) -> SessionStatus | None:
        """Ask the site again; return None when the credential holds no more, or is another user's."""
        found = await self._authenticate(self._scope)
        if found is None or (found.key, found.user.pk) != (self.credential.key, self.credential.user.pk):
            return None
        return SessionStatus(found.key, found.expires_at)
