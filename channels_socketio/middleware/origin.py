"""Which pages may connect: those of the site itself, and those of the origins that the settings name.

A browser sends the cookie of this site along when any page opens a WebSocket to it, so the `Origin` header must be
checked (RFC 6455 section 10.2). The rule is that of Django's CSRF protection. Allowed are the request's own origin
(scheme, host and port, as Django's settings for proxies have them) and the entries of `CSRF_TRUSTED_ORIGINS`, of any
scheme. A request without an Origin is allowed too: no foreign page can have caused it. `ALLOWED_HOSTS` is about the
host that was asked for, not about origins. Channels' validator compares hosts only, refuses clients without an Origin,
and never says why.

The option `REQUIRE_ORIGIN` refuses clients that do not say where they are from. Browsers send no Origin with a GET to
their page's own site, of which polling makes some, but say so in `Sec-Fetch-Site` or, over plain HTTP, in `Referer`.
"""

import re
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http.request import HttpRequest
from django.utils.http import is_same_domain

from ..handshake.responses import refuse
from ..limits.rates import notices
from ..protocol.reasons import Refusal
from ..servers.daphne import has_tls

SHOWN = 200  # characters of what a stranger sent
PROXY_HINT = " If a proxy speaks HTTPS for this server, SECURE_PROXY_SSL_HEADER must name the header that says so."
# As browsers write it (RFC 6454 section 6.2): no path, no user, ASCII only. `file://` has no host.
SERIALIZED = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9._-]*)(?::([0-9]{1,5}))?", re.ASCII)
FIELD_NAMES = re.compile(rb"[a-z0-9-]+( ?, ?[a-z0-9-]+){0,31}", re.ASCII | re.IGNORECASE)
DEFAULT_PORTS = {"http": "80", "https": "443"}


class Origin(NamedTuple):
    """Scheme, host and port; the port is empty if none is named and the scheme has no default one."""

    scheme: str
    host: str
    port: str

    def __str__(self) -> str:
        port = "" if self.port == DEFAULT_PORTS.get(self.scheme, "") else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}"


class OriginNotAllowed(Exception):
    """A request is refused; the text is for the log."""


class ScopeRequest(HttpRequest):
    """What Django's rules about hosts and schemes need of an ASGI scope, of HTTP or WebSocket.

    `tls` says whether a request whose scope has no scheme came over TLS.
    """

    def __init__(self, scope: Any, tls: bool = False) -> None:
        # Django's own would build forms, files and cookies, for every handshake and poll.
        self.META = {}
        keys = meta_keys(*(settings.SECURE_PROXY_SSL_HEADER or ())[:1])
        for name, value in scope["headers"]:
            if (key := keys.get(name)) is not None:
                text = value.decode("latin-1")
                self.META[key] = f"{self.META[key]},{text}" if key in self.META else text
        self._secure = scope["scheme"] in {"https", "wss"} if "scheme" in scope else tls

    def _get_scheme(self) -> str:
        return "https" if self._secure else "http"


@cache
def meta_keys(*more: str) -> dict[bytes, str]:
    """Return the headers that decide about origins, and what Django calls them; `more` are Django's names."""
    names = ("HTTP_HOST", "HTTP_ORIGIN", "HTTP_REFERER", "HTTP_SEC_FETCH_SITE", "HTTP_X_FORWARDED_HOST", *more)
    return {name.removeprefix("HTTP_").lower().replace("_", "-").encode(): name for name in names}


class OriginCheck:
    """ASGI middleware for HTTP and WebSocket: answers 403 to pages of other sites.

    To pages of origins in `CSRF_TRUSTED_ORIGINS` it sends CORS headers, and answers their preflight requests.
    """

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on or refuse it."""
        try:
            foreign = foreign_origin(ScopeRequest(scope, tls="scheme" not in scope and has_tls(send)))
        except OriginNotAllowed as refused:
            notices.note("origin", "%s", refused)
            await refuse(scope, receive, send, Refusal.FOREIGN_ORIGIN)
            return
        if scope["type"] == "websocket" or foreign is None:
            await self.application(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": preflight_headers(foreign, scope)})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await self.application(scope, receive, with_headers(send, cors_headers(foreign)))


def foreign_origin(request: ScopeRequest) -> str | None:
    """Return the trusted origin of another site that a request is from, None for the site itself or a program.

    Raises OriginNotAllowed.
    """
    own = own_origin(request)
    origin: str | None = request.META.get("HTTP_ORIGIN")
    if origin is None:
        if getattr(settings, "SOCKETIO", {}).get("REQUIRE_ORIGIN", False) and not says_same_origin(request, own):
            raise OriginNotAllowed("Refused a request that does not say which site it is from: see REQUIRE_ORIGIN.")
        return None
    parsed = parse_origin(origin)
    if parsed is not None and parsed == own:
        return None
    if parsed is not None and any(trusts(entry, parsed) for entry in settings.CSRF_TRUSTED_ORIGINS):
        return origin
    raise OriginNotAllowed(explain(origin, parsed, own))


def own_origin(request: ScopeRequest) -> Origin | None:
    """Return the origin that was asked for, None without a Host header, which every browser sends.

    Raises OriginNotAllowed for a host that is not in `ALLOWED_HOSTS`: a foreign name that points here is how DNS
    rebinding looks like the same origin.
    """
    if not request.META.get("HTTP_HOST"):
        return None
    try:
        return parse_origin(f"{request.scheme}://{request.get_host()}")
    except DisallowedHost as error:
        raise OriginNotAllowed(f"Refused a request. {str(error)[:SHOWN]}") from None


def says_same_origin(request: ScopeRequest, own: Origin | None) -> bool:
    """Return whether a request without an Origin says that a page of `own` makes it."""
    if request.META.get("HTTP_SEC_FETCH_SITE") == "same-origin":
        return True
    referer = parse_origin("/".join(request.META.get("HTTP_REFERER", "").split("/", 3)[:3]))
    return referer is not None and referer == own


def parse_origin(text: str) -> Origin | None:
    """Return an origin as it is compared, None for what is none, such as `null` or a URL with a path."""
    found = SERIALIZED.fullmatch(text.lower())
    if found is None:
        return None
    scheme, host, port = found.groups()
    return Origin(scheme, host, port or DEFAULT_PORTS.get(scheme, ""))


def trusts(entry: str, origin: Origin) -> bool:
    """Return whether an entry of `CSRF_TRUSTED_ORIGINS` is `origin` or, as `https://*.example.com`, covers it."""
    named = parse_origin(entry.replace("://*", "://", 1))
    if named is None or (named.scheme, named.port) != (origin.scheme, origin.port):
        return False
    return named.host == origin.host or ("*" in entry and bool(is_same_domain(origin.host, named.host)))


def explain(origin: str, parsed: Origin | None, own: Origin | None) -> str:
    """Return what came and what was expected."""
    expected = "an origin in CSRF_TRUSTED_ORIGINS, as the request names no host"
    hint = ""
    if own is not None:
        expected = f"{str(own)!r}, as the request was made to it, or an origin in CSRF_TRUSTED_ORIGINS"
        if parsed is not None and (parsed.host, parsed.scheme, own.scheme) == (own.host, "https", "http"):
            hint = PROXY_HINT
    return f"Refused the origin {origin[:SHOWN]!r}: expected {expected}.{hint}"


def cors_headers(origin: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of `origin` read the answer (Fetch standard, section 3.2)."""
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def preflight_headers(origin: str, scope: Any) -> list[tuple[bytes, bytes]]:
    """Return the headers that allow polling's requests to a page of `origin`, with the headers that it asks for."""
    wanted = dict(scope["headers"]).get(b"access-control-request-headers", b"")
    return [
        *cors_headers(origin),
        (b"access-control-allow-methods", b"GET, POST"),
        (b"access-control-allow-headers", wanted if FIELD_NAMES.fullmatch(wanted) else b"content-type"),
        (b"access-control-max-age", b"600"),
    ]


def with_headers(send: Any, headers: list[tuple[bytes, bytes]]) -> Any:
    """Return `send` with `headers` added to the response."""

    async def send_with_headers(message: Any) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", []), *headers]}
        await send(message)

    return send_with_headers
