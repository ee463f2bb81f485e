"""Which other sites' pages may connect: none, unless the settings name them.

A browser sends the cookie of this site along when any page opens a WebSocket to it, so the
`Origin` header must be checked (RFC 6455 section 10.2). Allowed are: no Origin (not a browser, so
no foreign page can have caused it), the host that was asked for, hosts in `ALLOWED_HOSTS` (a bare `*`
there says nothing about origins), and `CSRF_TRUSTED_ORIGINS`. Channels' validator refuses clients
without an Origin, and never says why.

The option `REQUIRE_ORIGIN` refuses whoever does not say where it is from. Browsers send no Origin with a GET to their
page's own site, of which polling makes some, but say so in `Sec-Fetch-Site` or, over plain HTTP, in `Referer`.
"""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from .limits import notices
from .refusal import FORBIDDEN, refuse

MESSAGE = "Origin not allowed."
LOCAL_HOSTS = [".localhost", "127.0.0.1", "[::1]"]  # Django's own rule while DEBUG is on


class OriginCheck:
    """ASGI middleware for HTTP and WebSocket: answers 403 to pages of other sites.

    To pages of other sites that are allowed it sends CORS headers, and answers their preflight requests.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on or refuse it."""
        headers = dict(scope["headers"])
        origin = headers.get(b"origin", b"").decode("latin-1")
        host = headers.get(b"host", b"").decode("latin-1")
        if not admits(headers, origin, host):
            note_refusal(origin, host)
            await refuse(scope, receive, send, FORBIDDEN, MESSAGE)
        elif scope["type"] == "websocket" or not is_foreign(origin, host):
            await self.application(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": preflight_headers(origin)})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self.application(scope, receive, with_headers(send, cors_headers(origin)))


def note_refusal(origin: str, host: str) -> None:
    """Say what came and what would have been allowed."""
    notices.note(
        "origin",
        "Refused the origin %.200r for the host %.200r: expected the same host, a host in ALLOWED_HOSTS, or an "
        "origin in CSRF_TRUSTED_ORIGINS.",
        origin,
        host,
    )


def admits(headers: dict[bytes, bytes], origin: str, host: str) -> bool:
    """Return whether a request may come in: its origin is allowed, or it lacks one and may."""
    if origin or not getattr(settings, "SOCKETIO", {}).get("REQUIRE_ORIGIN", False):
        return allowed(origin, host)
    referer = headers.get(b"referer", b"").decode("latin-1").lower()
    own = tuple(f"{scheme}://{host.lower()}/" for scheme in ("http", "https"))
    return allowed(origin, host) and (headers.get(b"sec-fetch-site") == b"same-origin" or referer.startswith(own))


def is_foreign(origin: str, host: str) -> bool:
    """Return whether an allowed origin is another than the site's own."""
    return bool(origin) and urlsplit(origin).netloc.lower() != host.lower()


def cors_headers(origin: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of `origin` read the answer (Fetch standard, section 3.2)."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def preflight_headers(origin: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that allow polling's requests to a page of `origin`."""
    return [
        *cors_headers(origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", b"content-type"),
        (b"access-control-max-age", b"600"),
    ]


def with_headers(send: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    """Return `send` with `headers` added to the response."""

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", []), *headers]}
        await send(message)

    return send_with_headers


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
