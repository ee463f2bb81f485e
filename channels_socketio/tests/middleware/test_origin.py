"""Whose pages may connect: one table of origins and hosts, and what the others are told."""

import json
import logging
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from channels_socketio.limits.rates import Notices, Rate
from channels_socketio.middleware.origin import (
    OriginCheck,
    OriginNotAllowed,
    ScopeRequest,
    foreign_origin,
    preflight_headers,
)

ALLOWED_HOSTS = ["chat.example", ".wide.example", "[::1]"]
TRUSTED = [
    "https://partner.example",
    "https://*.friends.example",
    "https://*.ported.example:8443",
    "http://local.example:3000",
    "capacitor://localhost",
]


@pytest.fixture
def hosts(settings: Settings) -> Settings:
    """Settings with hosts and trusted origins."""
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ALLOWED_HOSTS
    settings.CSRF_TRUSTED_ORIGINS = TRUSTED
    return settings


Headers = list[tuple[bytes, bytes]]


def verdict(headers: Headers, scheme: str | None = "https") -> str:
    """Return whose page a request is from: `own` (or no page's), `trusted`, or `refused`."""
    scope = {"headers": headers} | ({"scheme": scheme} if scheme else {})
    try:
        return "own" if foreign_origin(ScopeRequest(scope)) is None else "trusted"
    except OriginNotAllowed:
        return "refused"


def judge(origin: str, host: str, scheme: str | None = "https") -> str:
    """Return the verdict on a page of `origin`, and a request to `host`; where one is empty, without its header."""
    named = [(b"origin", origin), (b"host", host)]
    return verdict([(name, value.encode("latin-1")) for name, value in named if value], scheme)


@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        # no page: a program
        ("", "chat.example", "own"),
        ("", "", "own"),
        # the request's own origin
        ("https://chat.example", "chat.example", "own"),
        ("https://chat.example:8000", "chat.example:8000", "own"),
        ("https://CHAT.example", "chat.EXAMPLE", "own"),
        ("HTTPS://chat.example", "chat.example", "own"),
        ("https://[::1]:8000", "[::1]:8000", "own"),
        ("https://[::1]", "[::1]:443", "own"),
        ("https://room.wide.example", "room.wide.example", "own"),
        ("https://chat.example:443", "chat.example", "own"),
        ("https://chat.example", "chat.example:443", "own"),
        # another port, scheme or host of the site
        ("https://chat.example:8443", "chat.example", "refused"),
        ("https://chat.example", "chat.example:8443", "refused"),
        ("https://chat.example:80", "chat.example", "refused"),
        ("http://chat.example", "chat.example", "refused"),
        ("http://chat.example:443", "chat.example", "refused"),
        ("https://chat.example", "wide.example", "refused"),
        ("https://any.wide.example", "chat.example", "refused"),
        ("https://any.wide.example", "wide.example", "refused"),
        ("https://chat.example.", "chat.example", "refused"),
        ("https://[::1]:8000", "[::1]", "refused"),
        ("https://[::2]", "[::1]", "refused"),
        ("https://chat.example", "", "refused"),
        # CSRF_TRUSTED_ORIGINS: scheme, host and port count
        ("https://partner.example", "chat.example", "trusted"),
        ("https://partner.example", "", "trusted"),
        ("https://PARTNER.example", "chat.example", "trusted"),
        ("https://partner.example:443", "chat.example", "trusted"),
        ("http://partner.example", "chat.example", "refused"),
        ("https://partner.example:8443", "chat.example", "refused"),
        ("https://sub.partner.example", "chat.example", "refused"),
        ("https://a.friends.example", "chat.example", "trusted"),
        ("https://a.b.friends.example", "chat.example", "trusted"),
        ("https://friends.example", "chat.example", "trusted"),
        ("http://a.friends.example", "chat.example", "refused"),
        ("https://notfriends.example", "chat.example", "refused"),
        ("https://a.friends.example:8443", "chat.example", "refused"),
        ("https://a.ported.example:8443", "chat.example", "trusted"),
        ("https://a.ported.example", "chat.example", "refused"),
        ("http://local.example:3000", "chat.example", "trusted"),
        ("http://local.example", "chat.example", "refused"),
        ("capacitor://localhost", "chat.example", "trusted"),
        ("capacitor://localhost:1", "chat.example", "refused"),
        ("ionic://localhost", "chat.example", "refused"),
        # pages of other sites
        ("https://evil.example", "chat.example", "refused"),
        ("https://chat.example.evil.example", "chat.example", "refused"),
        ("https://evilchat.example", "chat.example", "refused"),
        ("https://evil.example/chat.example", "chat.example", "refused"),
        ("https://evil.example#chat.example", "chat.example", "refused"),
        ("https://chat.example@evil.example", "chat.example", "refused"),
        ("https://127.0.0.1", "chat.example", "refused"),
        ("http://localhost", "chat.example", "refused"),
        # DNS rebinding: a foreign name that points here
        ("https://evil.example", "evil.example", "refused"),
        ("https://evil.example:8000", "evil.example:8000", "refused"),
        ("", "evil.example", "refused"),
        ("https://chat.example", "evil.example", "refused"),
        ("https://partner.example", "evil.example", "refused"),
        ("https://127.0.0.1:8000", "127.0.0.1:8000", "refused"),
        # garbage
        ("null", "chat.example", "refused"),
        ("file://", "chat.example", "refused"),
        ("file:///chat.example", "chat.example", "refused"),
        ("ws://chat.example", "chat.example", "refused"),
        ("wss://chat.example", "chat.example", "refused"),
        ("chrome-extension://chat.example", "chat.example", "refused"),
        ("chat.example", "chat.example", "refused"),
        ("//chat.example", "chat.example", "refused"),
        ("https://", "chat.example", "refused"),
        ("https://:8000", "chat.example:8000", "refused"),
        ("https://[", "chat.example", "refused"),
        ("https://[::1", "[::1]", "refused"),
        ("https://[chat.example]", "chat.example", "refused"),
        ("https://chat.example/", "chat.example", "refused"),
        ("https://user@chat.example", "chat.example", "refused"),
        ("https://chat.example?", "chat.example", "refused"),
        ("https://chat.example\n", "chat.example", "refused"),
        ("https://chat.example https://chat.example", "chat.example", "refused"),
        ("https://partner.example/", "chat.example", "refused"),
        ("*", "chat.example", "refused"),
        (" ", "chat.example", "refused"),
        ("https://chat.example", "chat.example/evil", "refused"),
        ("", "chat.example:evil", "refused"),
        ("", "*", "refused"),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_scheme_host_and_port_of_the_origin_decide(origin: str, host: str, answer: str) -> None:
    assert judge(origin, host) == answer


@pytest.mark.parametrize(
    ("scheme", "own", "other"),
    [
        ("https", "https://chat.example", "http://chat.example"),
        ("wss", "https://chat.example", "http://chat.example"),
        ("http", "http://chat.example", "https://chat.example"),
        ("ws", "http://chat.example:80", "https://chat.example"),
        (None, "http://chat.example", "https://chat.example"),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_the_scheme_is_that_of_the_request(scheme: str | None, own: str, other: str) -> None:
    assert (judge(own, "chat.example", scheme), judge(other, "chat.example", scheme)) == ("own", "refused")


PROXIED: list[tuple[Headers, str]] = [
    ([(b"x-forwarded-proto", b"https")], "https"),
    ([(b"x-forwarded-proto", b"https, http")], "https"),
    ([(b"x-forwarded-proto", b"https"), (b"x-forwarded-proto", b"http")], "https"),
    ([(b"x-forwarded-proto", b"http")], "http"),
    ([(b"x_forwarded_proto", b"https")], "http"),
    ([], "http"),
]


@pytest.mark.parametrize(("headers", "scheme"), PROXIED)
@pytest.mark.parametrize("believed", [True, False])
def test_a_proxys_header_is_believed_where_the_settings_say_so(
    hosts: Settings, headers: Headers, scheme: str, believed: bool
) -> None:
    hosts.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if believed else None
    for page in ("http", "https"):
        request = [(b"host", b"chat.example"), (b"origin", f"{page}://chat.example".encode()), *headers]
        own = scheme if believed else "http"
        assert verdict(request, "ws") == ("own" if page == own else "refused")


@pytest.mark.parametrize("believed", [True, False])
def test_a_forwarded_host_is_believed_where_the_settings_say_so(hosts: Settings, believed: bool) -> None:
    hosts.USE_X_FORWARDED_HOST = believed
    request = [(b"host", b"wide.example"), (b"x-forwarded-host", b"chat.example")]
    for name, own in (("chat.example", believed), ("wide.example", not believed)):
        page = [(b"origin", f"https://{name}".encode())]
        assert verdict(request + page) == ("own" if own else "refused")


@pytest.mark.usefixtures("hosts")
def test_several_headers_of_a_name_are_refused() -> None:
    host, origin = (b"host", b"chat.example"), (b"origin", b"https://chat.example")
    foreign = (b"origin", b"https://evil.example")
    for headers in ([host, origin, foreign], [host, foreign, origin], [host, (b"host", b"evil.example"), origin]):
        assert verdict(headers) == "refused"
    assert verdict([host, (b"origin", b"")]) == "refused"


def test_null_is_refused_whatever_the_settings_name(hosts: Settings) -> None:
    hosts.CSRF_TRUSTED_ORIGINS = ["null", "https://*", "file://"]
    assert judge("null", "chat.example") == "refused"
    assert judge("https://evil.example", "chat.example") == "refused"
    assert judge("file://", "chat.example") == "trusted"  # of an app that lives in files


@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        ("", "anything.example", "own"),
        ("https://anything.example", "anything.example", "own"),
        ("https://evil.example", "anything.example", "refused"),
        ("https://partner.example", "anything.example", "trusted"),
        ("null", "anything.example", "refused"),
    ],
)
def test_a_star_in_allowed_hosts_says_nothing_about_origins(
    hosts: Settings, origin: str, host: str, answer: str
) -> None:
    hosts.ALLOWED_HOSTS = ["*"]
    assert judge(origin, host) == answer


@pytest.mark.parametrize(
    ("debug", "origin", "host", "answer"),
    [
        (True, "http://localhost:8000", "localhost:8000", "own"),
        (True, "http://localhost:3000", "127.0.0.1:8000", "refused"),
        (True, "http://localhost:8000", "127.0.0.1:8000", "refused"),
        (True, "http://localhost:3000", "localhost:8000", "refused"),
        (True, "http://room.localhost:8000", "room.localhost:8000", "own"),
        (True, "http://[::1]:8000", "[::1]:8000", "own"),
        (True, "http://evil.example", "localhost:8000", "refused"),
        (True, "http://evil.example", "evil.example", "refused"),
        (False, "http://localhost:8000", "localhost:8000", "refused"),
        (False, "", "localhost:8000", "refused"),
    ],
)
def test_without_allowed_hosts_this_machine_is_a_host_while_debugging(
    hosts: Settings, debug: bool, origin: str, host: str, answer: str
) -> None:
    hosts.DEBUG, hosts.ALLOWED_HOSTS = debug, []
    assert judge(origin, host, "http") == answer


PIECES = st.sampled_from(
    [
        "https:",
        "http:",
        "//",
        ":",
        "8000",
        "@",
        "[",
        "]",
        "::1",
        "chat.example",
        ".",
        "*",
        "\0",
        "\xff",
        "partner.example",
    ]
)
HEADERS = st.text(st.characters(max_codepoint=255)) | st.lists(PIECES, max_size=6).map("".join)


@given(HEADERS, HEADERS)
@hypothesis_settings(deadline=None)
def test_any_two_headers_get_an_answer_and_only_a_page_of_http_may_be_allowed(origin: str, host: str) -> None:
    assert judge(origin, host) == "refused" or origin == "" or origin.lower().startswith(("http:", "https:"))


async def greet(scope: Any, receive: Any, send: Any) -> None:
    """ASGI application: accepts a WebSocket, answers an HTTP request."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": b"hello"})


async def ask(scope: dict[str, Any], origin: str, count: int) -> list[dict[str, Any]]:
    """Return the first `count` answers of the checked application to a request from a page of `origin`."""
    headers = [(b"host", b"chat.example"), *([(b"origin", origin.encode())] if origin else [])]
    communicator: Any = ApplicationCommunicator  # which has no types
    client = communicator(OriginCheck(greet), {"path": "/", "scheme": "https", "headers": headers, **scope})
    for message in ("connect", "disconnect", "disconnect"):
        await client.send_input({"type": f"websocket.{message}"})
    answers = [await client.receive_output(5) for _ in range(count)]
    await client.wait(5)
    return answers


WEBSOCKET = {"type": "websocket", "extensions": {"websocket.http.response": {}}}


@pytest.mark.parametrize("origin", ["", "https://chat.example", "https://partner.example"])
@pytest.mark.usefixtures("hosts")
async def test_a_websocket_of_an_allowed_page_reaches_the_application(origin: str) -> None:
    assert await ask(WEBSOCKET, origin, 1) == [{"type": "websocket.accept"}]


@pytest.mark.usefixtures("hosts")
async def test_a_websocket_of_another_page_is_answered_403_with_the_reason() -> None:
    start, body = await ask(WEBSOCKET, "https://evil.example", 2)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 403)
    assert json.loads(body["body"]) == {"code": 4, "message": "Origin not allowed."}


@pytest.mark.usefixtures("hosts")
async def test_where_a_denial_has_no_body_a_websocket_of_another_page_is_closed() -> None:
    (close,) = await ask({"type": "websocket"}, "https://evil.example", 1)
    assert close == {"type": "websocket.close", "code": 1008, "reason": "Origin not allowed."}


@pytest.mark.usefixtures("hosts")
async def test_a_request_of_another_page_is_answered_403_with_the_reason(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("channels_socketio.middleware.origin.notices", Notices(Rate(1, 1)))
    start, body = await ask({"type": "http", "method": "GET"}, "https://evil.example", 2)
    assert start["status"] == 403
    assert json.loads(body["body"]) == {"code": 4, "message": "Origin not allowed."}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        "Refused the origin 'https://evil.example': expected 'https://chat.example', as the request was made to it, "
        "or an origin in CSRF_TRUSTED_ORIGINS."
    )


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        (
            [(b"host", b"chat.example"), (b"origin", b"https://chat.example")],
            "Refused the origin 'https://chat.example': expected 'http://chat.example', as the request was made to it, "
            "or an origin in CSRF_TRUSTED_ORIGINS. If a proxy speaks HTTPS for this server, SECURE_PROXY_SSL_HEADER "
            "must name the header that says so.",
        ),
        (
            [(b"host", b"evil.example:8000")],
            "Refused a request. Invalid HTTP_HOST header: 'evil.example:8000'. You may need to add 'evil.example' to "
            "ALLOWED_HOSTS.",
        ),
        (
            [(b"origin", b"https://chat.example\r\n\xff" + b"x" * 1000)],
            "Refused the origin 'https://chat.example\\r\\nÿ" + "x" * 177 + "': expected an origin in "
            "CSRF_TRUSTED_ORIGINS, as the request names no host.",
        ),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_the_log_says_what_was_compared(headers: Headers, line: str) -> None:
    with pytest.raises(OriginNotAllowed) as refused:
        foreign_origin(ScopeRequest({"headers": headers}))
    assert str(refused.value) == line


CORS = {
    b"access-control-allow-origin": b"https://partner.example",
    b"access-control-allow-credentials": b"true",
    b"vary": b"Origin",
}


@pytest.mark.parametrize(
    ("origin", "added"), [("", {}), ("https://chat.example", {}), ("https://partner.example", CORS)]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.usefixtures("hosts")
async def test_only_an_allowed_page_of_another_site_gets_cors_headers(
    method: str, origin: str, added: dict[bytes, bytes]
) -> None:
    start, body = await ask({"type": "http", "method": method}, origin, 2)
    assert dict(start["headers"]) == {b"x-own": b"1", **added}
    assert body["body"] == b"hello"


@pytest.mark.usefixtures("hosts")
async def test_a_preflight_request_is_answered_without_the_application() -> None:
    start, body = await ask({"type": "http", "method": "OPTIONS"}, "https://partner.example", 2)
    assert (start["status"], body["body"]) == (204, b"")
    assert dict(start["headers"]) == CORS | {
        b"access-control-allow-methods": b"GET, POST",
        b"access-control-allow-headers": b"content-type",
        b"access-control-max-age": b"600",
    }


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (b"authorization", b"authorization"),
        (b"authorization,x-tenant, content-type", b"authorization,x-tenant, content-type"),
        (b"", b"content-type"),
        (b"*", b"content-type"),
        (b"a\r\nset-cookie: b", b"content-type"),
        (b"a," * 40 + b"a", b"content-type"),
    ],
)
def test_a_preflight_allows_the_headers_that_are_asked_for(asked: bytes, allowed: bytes) -> None:
    scope = {"headers": [(b"access-control-request-headers", asked)]}
    assert dict(preflight_headers("https://partner.example", scope))[b"access-control-allow-headers"] == allowed


# REQUIRE_ORIGIN


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([], False),
        ([(b"origin", b"https://chat.example")], True),
        ([(b"origin", b"http://chat.example")], False),
        ([(b"origin", b"https://evil.example")], False),
        ([(b"sec-fetch-site", b"same-origin")], True),
        ([(b"sec-fetch-site", b"same-site")], False),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"none")], False),
        ([(b"referer", b"https://Chat.example/rooms/tea/")], True),
        ([(b"referer", b"https://chat.example:443/")], True),
        ([(b"referer", b"http://chat.example/rooms/tea/")], False),
        ([(b"referer", b"https://chat.example:8443/")], False),
        ([(b"referer", b"https://chat.example.evil.example/")], False),
        ([(b"referer", b"https://evil.example/?https://chat.example/")], False),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_clients_may_have_to_say_where_they_are_from(
    hosts: Settings, required: bool, headers: Headers, passes: bool
) -> None:
    hosts.SOCKETIO = {"REQUIRE_ORIGIN": required}
    told = any(name == b"origin" for name, _ in headers)
    answer = verdict([(b"host", b"chat.example"), *headers])
    assert answer == ("own" if passes or not (required or told) else "refused")
