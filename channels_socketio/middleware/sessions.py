"""Channels' `AuthMiddlewareStack` for crowds: the same scope, at a fraction of the price.

Channels finds the user in a thread, where reading the session opens a database connection and closes it, for every
handshake. Here the session is read as its store reads it asynchronously, which may be faster (the chat's store reads
all handshakes that wait in one query), and a visitor who is not logged in needs no more than that.

A handshake by HTTP goes on to pass Channels' session middleware, which saves a session that was changed and sets its
cookie. A WebSocket's answer cannot carry a cookie, so there the middleware would be in the way for nothing.

A request of a connection that is known by its `sid` needs neither: the key in the cookie is compared with the
connection's. Its session is in the scope, not read yet, and there is no user in it.
"""

from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.http import parse_cookie

from ..handshake.request import parse_query
from ..sessions.status import read_user, session_store


class AuthMiddlewareStack:
    """ASGI middleware: puts `cookies`, `session` and `user` into the scope."""

    def __init__(self, application: Any) -> None:
        self.application = application
        self.http: Any = SessionMiddlewareStack(UserMiddleware(application))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        known = b"sid=" in scope["query_string"] and "sid" in parse_query(scope)  # hardly any handshake is parsed
        if scope["type"] != "websocket" and not known:
            await self.http(scope, receive, send)
            return
        cookies = read_cookies(scope)
        session = session_store()(cookies.get(settings.SESSION_COOKIE_NAME))
        scope = {**scope, "cookies": cookies, "session": session}
        if not known:
            scope["user"] = await read_user(scope)
        await self.application(scope, receive, send)


class UserMiddleware(AuthMiddleware):
    """Channels' middleware, but for how it finds out that there is no user."""

    async def resolve_scope(self, scope: Any) -> None:
        """Part of Channels' class: put the user into the scope."""
        scope["session"] = scope["session"]._wrapped  # the wrapper would live as long as the connection
        scope["user"] = await read_user(scope)


def read_cookies(scope: Any) -> dict[str, str]:
    """Return the cookies of a request."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            return parse_cookie(value.decode("latin-1"))
    return {}
