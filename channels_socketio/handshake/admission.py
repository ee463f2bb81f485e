"""Who may connect: by default, whoever has a live login session."""

from typing import Any

from django.conf import settings

from ..exceptions import Refused


async def require_login_session(scope: Any) -> None:
    """Refuse a handshake without a login session that exists and holds data.

    `scope` is that of `AuthMiddlewareStack`. Raises Refused.
    """
    if settings.SESSION_COOKIE_NAME not in scope["cookies"]:
        raise Refused("no cookie", "No cookie transmitted.")
    session = scope["session"]
    if not await session.akeys() or session.session_key is None:
        raise gone()


def gone(**more: Any) -> Refused:
    """Return the refusal of who comes by a login session that is none, or another one than was expected."""
    return Refused("no session", "Session unknown or expired.", **more)
