"""Channels' `AuthMiddlewareStack` for crowds: the same scope, at a fraction of the price.

Channels finds the user in a thread, where reading the session opens a database connection and closes it, for every
handshake. Here the session is read as its store reads it asynchronously, which may be faster (the chat's store reads
all handshakes that wait in one query), and a visitor who is not logged in needs no more than that.
"""

from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import SessionMiddlewareStack
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser


class UserMiddleware(AuthMiddleware):
    """Channels' middleware, but for how it finds out that there is no user."""

    async def resolve_scope(self, scope: Any) -> None:
        """Part of Channels' class: put the user into the scope."""
        session = scope["session"] = scope["session"]._wrapped  # the wrapper would live as long as the connection
        if await session.aget(SESSION_KEY) is None:
            scope["user"] = AnonymousUser()
        else:
            await super().resolve_scope(scope)


def AuthMiddlewareStack(application: Any) -> Any:
    """Return `application` with `scope["cookies"]`, `scope["session"]` and `scope["user"]`."""
    return SessionMiddlewareStack(UserMiddleware(application))
