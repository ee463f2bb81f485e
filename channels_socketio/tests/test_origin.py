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

from channels_socketio.origin import OriginCheck, admits, allowed

ALLOWED_HOSTS = ["chat.example", ".wide.example", "[::1]"]
TRUSTED = ["https://partner.example", "https://*.friends.example", "http://local.example:3000"]


@pytest.fixture
def hosts(settings: Settings) -> Settings:
    """Settings with hosts and trusted origins."""
    settings.DEBUG = False
    settings.ALLOWED_HOSTS = ALLOWED_HOSTS
    settings.CSRF_TRUSTED_ORIGINS = TRUSTED
    return settings


@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        # no page: a program
        ("", "chat.example", True),
        ("", "", True),
        # the host that was asked for
        ("https://chat.example", "chat.example", True),
        ("http://chat.example:8000", "chat.example:8000", True),
        ("https://CHAT.example", "chat.EXAMPLE", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://room.wide.example", "room.wide.example", True),
        # a host in ALLOWED_HOSTS, at any port
        ("https://chat.example", "wide.example", True),
        ("https://chat.example:8443", "chat.example", True),
        ("https://any.wide.example:1", "chat.example", True),
        ("https://chat.example.", "chat.example", True),
        ("https://chat.example", "", True),
        # CSRF_TRUSTED_ORIGINS: scheme, host and port count
        ("https://partner.example", "chat.example", True),
        ("https://PARTNER.example", "chat.example", True),
        ("http://partner.example", "chat.example", False),
        ("https://partner.example:8443", "chat.example", False),
        ("https://sub.partner.example", "chat.example", False),
        ("https://a.friends.example", "chat.example", True),
        ("https://a.b.friends.example", "chat.example", True),
        ("https://notfriends.example", "chat.example", False),
        ("https://a.friends.example:8443", "chat.example", False),
        ("http://local.example:3000", "chat.example", True),
        ("http://local.example", "chat.example", False),
        # pages of other sites
        ("https://evil.example", "chat.example", False),
        ("https://chat.example.evil.example", "chat.example", False),
        ("https://evilchat.example", "chat.example", False),
        ("https://evil.example/chat.example", "chat.example", False),
        ("https://evil.example#chat.example", "chat.example", False),
        ("https://chat.example@evil.example", "chat.example", False),
        ("https://127.0.0.1", "chat.example", False),
        ("http://localhost", "chat.example", False),
        # DNS rebinding: a foreign name that points here
        ("http://evil.example", "evil.example", False),
        ("http://evil.example:8000", "evil.example:8000", False),
        ("", "evil.example", False),
        ("https://chat.example", "evil.example", False),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", False),
        # garbage
        ("null", "chat.example", False),
        ("file://", "chat.example", False),
        ("file:///chat.example", "chat.example", False),
        ("ws://chat.example", "chat.example", False),
        ("chrome-extension://chat.example", "chat.example", False),
        ("chat.example", "chat.example", False),
        ("//chat.example", "chat.example", False),
        ("https://", "chat.example", False),
        ("https://:8000", "chat.example:8000", False),
        ("https://[", "chat.example", False),
        ("https://[::1", "[::1]", False),
        ("https://[chat.example]", "chat.example", False),
        ("*", "chat.example", False),
        (" ", "chat.example", False),
        ("https://chat.example", "chat.example/evil", False),
        ("", "chat.example:evil", False),
        ("", "*", False),
    ],
)
@pytest.mark.usefixtures("hosts")
def test_origin_and_host_decide(origin: str, host: str, answer: bool) -> None:
    assert allowed(origin, host) is answer


@pytest.mark.parametrize(
    ("origin", "host", "answer"),
    [
        ("", "anything.example", True),
        ("https://anything.example", "anything.example", True),
        ("https://evil.example", "anything.example", False),
        ("https://partner.example", "anything.example", True),
        ("null", "anything.example", False),
    ],
)
def test_a_star_in_allowed_hosts_says_nothing_about_origins(
    hosts: Settings, origin: str, host: str, answer: bool
) -> None:
    hosts.ALLOWED_HOSTS = ["*"]
    assert allowed(origin, host) is answer


@pytest.mark.parametrize(
    ("debug", "origin", "host", "answer"),
    [
        (True, "http://localhost:8000", "localhost:8000", True),
        (True, "http://localhost:3000", "127.0.0.1:8000", True),
        (True, "http://room.localhost:8000", "room.localhost:8000", True),
        (True, "http://[::1]:8000", "[::1]:8000", True),
        (True, "http://evil.example", "localhost:8000", False),
        (True, "http://evil.example", "evil.example", False),
        (False, "http://localhost:8000", "localhost:8000", False),
        (False, "", "localhost:8000", False),
    ],
)
def test_without_allowed_hosts_this_machine_is_allowed_while_debugging(
    hosts: Settings, debug: bool, origin: str, host: str, answer: bool
) -> None:
    hosts.DEBUG, hosts.ALLOWED_HOSTS = debug, []
    assert allowed(origin, host) is answer


PIECES = st.sampled_from(
    ["https:", "http:", "//", ":", "8000", "@", "[", "]", "::1", "chat.example", ".", "*", "\0", "℀"]
)
HEADERS = st.text() | st.lists(PIECES, max_size=6).map("".join)


@given(HEADERS, HEADERS)
@hypothesis_settings(deadline=None)
def test_any_two_headers_get_an_answer_and_only_a_page_of_http_may_be_allowed(origin: str, host: str) -> None:
    assert not allowed(origin, host) or origin == "" or origin.lower().startswith(("http:", "https:"))


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
    client = communicator(OriginCheck(greet), {"path": "/", "headers": headers, **scope})
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
async def test_a_request_of_another_page_is_answered_403_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    start, body = await ask({"type": "http", "method": "GET"}, "https://evil.example", 2)
    assert start["status"] == 403
    assert json.loads(body["body"]) == {"code": 4, "message": "Origin not allowed."}
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "'https://evil.example' for the host 'chat.example'" in record.getMessage()


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


# REQUIRE_ORIGIN


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ([], False),
        ([(b"origin", b"https://chat.example")], True),
        ([(b"origin", b"https://evil.example")], False),
        ([(b"sec-fetch-site", b"same-origin")], True),
        ([(b"sec-fetch-site", b"cross-site")], False),
        ([(b"sec-fetch-site", b"none")], False),
        ([(b"referer", b"http://Chat.example/rooms/tea/")], True),
        ([(b"referer", b"https://chat.example.evil.example/")], False),
        ([(b"referer", b"https://evil.example/?https://chat.example/")], False),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_clients_may_have_to_say_where_they_are_from(
    hosts: Settings, required: bool, headers: list[tuple[bytes, bytes]], passes: bool
) -> None:
    hosts.SOCKETIO = {"REQUIRE_ORIGIN": required}
    named = dict(headers)
    origin = named.get(b"origin", b"").decode()
    assert admits(named, origin, "chat.example") is (passes or (not required and not origin))
