"""Which other sites' pages may connect: none, unless the settings name them.

A browser sends the cookie of this site along when any page opens a WebSocket to it, so the
`Origin` header must be checked (RFC 6455 section 10.2). Allowed are: no Origin (not a browser, so
no foreign page can have caused it), the host that was asked for, hosts in `ALLOWED_HOSTS` (a bare `*`
there says nothing about origins), and `CSRF_TRUSTED_ORIGINS`. Channels' validator refuses clients
without an Origin, and never says why.
"""

import logging
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from .refusal import FORBIDDEN, refuse_websocket

logger = logging.getLogger(__name__)

MESSAGE = "Origin not allowed."
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]  # Django's own rule while DEBUG is on


class OriginCheck:
    """ASGI middleware for WebSockets: answers 403 to pages of other sites."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on or refuse it."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if allowed(origin, host):
            await self.application(scope, receive, send)
            return
        logger.warning(
            "Refused the origin %.200r for the host %.200r: expected the same host, a host in ALLOWED_HOSTS, or an "
            "origin in CSRF_TRUSTED_ORIGINS.",
            origin,
            host,
        )
        await receive()  # websocket.connect
        await refuse_websocket(scope, receive, send, 403, FORBIDDEN, MESSAGE)


def allowed(origin: str, host: str) -> bool:
    """Return whether a page of `origin` (scheme and host; empty: no page) may connect to `host`."""
    known_hosts = settings.ALLOWED_HOSTS or (LOCAL_HOSTS if settings.DEBUG else [])
    if host and not validate_host(split_domain_port(host)[0], known_hosts):
        return False  # a foreign name that points here is how DNS rebinding looks like the same origin
    if not origin:
        return True
    try:
        parts = urlsplit(origin)
        name, netloc = parts.hostname, parts.netloc
    except ValueError:
        return False
    if not name or parts.scheme not in {"http", "https"}:
        return False
    return (
        netloc.lower() == host.lower()
        or validate_host(split_domain_port(netloc)[0], [known for known in known_hosts if known != "*"])
        or any(_trusts(trusted, parts.scheme, netloc) for trusted in settings.CSRF_TRUSTED_ORIGINS)
    )


def _trusts(trusted: str, scheme: str, netloc: str) -> bool:
    """Return whether an entry such as `https://*.example.com` covers the origin."""
    parts = urlsplit(trusted)
    pattern = parts.netloc.removeprefix("*")
    return parts.scheme == scheme and validate_host(netloc.lower(), [pattern.lower()])
