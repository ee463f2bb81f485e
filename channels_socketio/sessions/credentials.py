"""Credentials other than the session cookie, for clients without one: what a token stands for.

A connection lives by its credential as others do by their login session: `end_sessions` and `end_user` end it, it ends
when it expires, and at each look its site is asked again whether it still holds. The price is one call for each
credential and look, where login sessions share a query, and one for each poll. So what such a client has shown is kept
as long as its connection, where nothing else can see it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from .end_reasons import EXPIRED
from .status import SessionStatus

# What of a scope a site is given to find the credential.
SCOPE_KEYS = ("type", "path", "query_string", "headers", "client")
LOOK_SECONDS = 5.0  # that a site has to say whether a credential still holds

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Credential:
    """What a client has shown instead of a session cookie.

    `key` tells it apart, for `end_sessions` say; it is a secret and never shown. `user` is whose it is, a Django user.
    `expires_at` is when it ends by itself, an aware datetime, None for never. Raises ValueError without key or user.
    """

    key: str = field(repr=False)
    user: Any
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a credential that could not be ended."""
        if not isinstance(self.key, str) or not self.key:
            raise ValueError(f"Credential.key: expected a text that is not empty, got {type(self.key).__name__}.")
        if getattr(self.user, "pk", None) is None:
            raise ValueError(f"Credential.user: expected a user of the database, got {self.user!r}.")

    @property
    def expired(self) -> bool:
        """Whether it has ended by itself."""
        return self.expires_at is not None and self.expires_at <= timezone.now()


# Returns what the client of an ASGI scope, as far as SCOPE_KEYS go, has shown; None for nothing that holds.
Authenticate = Callable[[Any], Awaitable[Credential | None]]


class CredentialSession(SessionBase):
    """Stands for the login session of a client with a credential: it holds no data, and cannot be saved."""

    def __init__(self, credential: Credential, authenticate: Authenticate, scope: Any) -> None:
        super().__init__()
        self.credential = credential
        self._authenticate = authenticate
        self._scope = scope

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
        """Ask the site again; return None when the credential holds no more, or is another user's.

        When the site fails or does not answer in time, nobody is put out for it.
        """
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                found = await self._authenticate(self._scope)
        except Exception as error:  # the site's, whatever it is
            logger.error("A credential could not be looked at: %s: %s", type(error).__name__, error)
            return SessionStatus(self.credential.key)
        if found is None or (found.key, found.user.pk) != (self.credential.key, self.credential.user.pk):
            return None
        return SessionStatus(found.key, found.expires_at, end_reason=EXPIRED if found.expired else None)
