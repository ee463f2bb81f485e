"""Channels' `AuthMiddlewareStack` for crowds: the same scope, at a fraction of the price.

Channels finds the user in a thread, where reading the session opens a database connection and closes it, for every
handshake. Here the session is read as its store reads it asynchronously, which may be faster (the chat's store reads
all handshakes that wait in one query), and a visitor who is not logged in needs no more than that.

A handshake by HTTP goes on to pass Channels' session middleware, which saves a session that was changed and sets its
cookie. A WebSocket's answer cannot carry a cookie, so there the middleware would be in the way for nothing.

A client without a session cookie may show something else: what `authenticate` returns for its scope stands in for the
login session, and names the user (see sessions/credentials.py).

A request of a connection that is known by its `sid` needs neither: the key in the cookie is compared with the
connection's. Its session is in the scope, not read yet, and there is no user in it.
"""

from typing import Any

from channels.auth import AuthMiddleware
from channels.sessions import SessionMiddlewareStack
from django.conf import settings
from django.http import parse_cookie

from ..handshake.request import parse_query
from ..sessions.credentials import SCOPE_KEYS, Authenticate, CredentialSession
from ..sessions.status import read_user, session_store


class AuthMiddlewareStack:
    """ASGI middleware: puts `cookies`, `session` and `user` into the scope of handshakes for `application`.

    Requests that name a connection go to `endpoint`, if that is another; they have no user.
    """

    def __init__(self, application: Any, authenticate: Authenticate | None = None, endpoint: Any = None) -> None:
        self.application = application
        self.authenticate = authenticate
        self.endpoint = endpoint or application
        self.http: Any = SessionMiddlewareStack(UserMiddleware(application))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request."""
        known = b"sid=" in scope["query_string"] and "sid" in parse_query(scope)  # hardly any handshake is parsed
        shown = None if self.authenticate is None else await with_credential(scope, self.authenticate)
        if shown is None and scope["type"] != "websocket" and not known:
            await self.http(scope, receive, send)
            return
        if shown is None:
            cookies = read_cookies(scope)
            session = session_store()(cookies.get(settings.SESSION_COOKIE_NAME))
            shown = {**scope, "cookies": cookies, "session": session}
            if not known:
                shown["user"] = await read_user(shown)
        await (self.endpoint if known else self.application)(shown, receive, send)


class UserMiddleware(AuthMiddleware):
    """Channels' middleware, but for how it finds out that there is no user."""

    async def resolve_scope(self, scope: Any) -> None:
        """Part of Channels' class: put the user into the scope."""
        scope["session"] = scope["session"]._wrapped  # the wrapper would live as long as the connection
        scope["user"] = await read_user(scope)


async def with_credential(scope: Any, authenticate: Authenticate) -> dict[str, Any] | None:
    """Return a scope with the credential that a client without a session cookie shows; None if it shows none."""
    cookies = read_cookies(scope)
    if settings.SESSION_COOKIE_NAME in cookies:
        return None
    kept = {name: scope[name] for name in SCOPE_KEYS if name in scope}
    credential = await authenticate(kept)
    if credential is None or credential.expired or not getattr(credential.user, "is_active", True):
        return None
    session = CredentialSession(credential, authenticate, kept)
    return {**scope, "cookies": cookies, "session": session, "user": credential.user}


def read_cookies(scope: Any) -> dict[str, str]:
    """Return the cookies of a request."""
    for name, value in scope["headers"]:
        if name == b"cookie":
            return parse_cookie(value.decode("latin-1"))
    return {}
