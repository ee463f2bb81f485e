"""The query of Engine.IO's requests, and the order of what it may get wrong."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.handshake.request import (
    EngineRequest,
    HandshakeError,
    parse_query,
    parse_request,
    retained_scope,
)
from channels_socketio.protocol.reasons import Refusal


def request(query: str, method: str | None = None) -> dict[str, Any]:
    """Return an ASGI scope; those of WebSockets have no method."""
    return {"query_string": query.encode()} | ({} if method is None else {"method": method})


@pytest.mark.parametrize(
    ("query", "method", "transport", "parsed"),
    [
        ("EIO=4&transport=polling", "GET", "polling", EngineRequest(None, "4", False)),
        ("EIO=4&transport=websocket", None, "websocket", EngineRequest(None, "4", False)),
        ("EIO=4&transport=polling&t=abc&b64=1&x=", "GET", "polling", EngineRequest(None, "4", True)),
        ("EIO=3&transport=websocket&b64=true", None, "websocket", EngineRequest(None, "3", True)),
        ("transport=websocket&b64=0", None, "websocket", EngineRequest(None, "", False)),
        ("EIO=4&transport=polling&sid=a%2Db_1", "POST", "polling", EngineRequest("a-b_1", "4", False)),
        ("EIO=4&transport=polling&sid=", "POST", "polling", EngineRequest("", "4", False)),
        ("EIO=3&EIO=4&transport=polling", "GET", "polling", EngineRequest(None, "4", False)),
        ("transport=polling&sid=%ff%00", "GET", "polling", EngineRequest("�\0", "", False)),
    ],
)
def test_a_query_says_what_is_asked_for(query: str, method: str | None, transport: str, parsed: EngineRequest) -> None:
    assert parse_request(request(query, method), transport) == parsed


@pytest.mark.parametrize(
    ("query", "method", "transport", "refusal"),
    [
        ("", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=flash", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=Polling", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=__proto__", None, "websocket", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=polling&transport=flash", "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("transport=polling" + "&a" * 100, "GET", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("transport=flash", "POST", "polling", Refusal.UNKNOWN_TRANSPORT),
        ("EIO=4&transport=polling", "POST", "polling", Refusal.BAD_METHOD),
        ("EIO=4&transport=polling", "OPTIONS", "polling", Refusal.BAD_METHOD),
        ("EIO=4&transport=websocket", "PUT", "polling", Refusal.BAD_METHOD),
        ("EIO=4&transport=websocket", "GET", "polling", Refusal.BAD_REQUEST),
        ("EIO=4&transport=polling", None, "websocket", Refusal.BAD_REQUEST),
        ("EIO=4&transport=polling&sid=a", None, "websocket", Refusal.BAD_REQUEST),
    ],
)
def test_what_is_wrong_is_found_in_the_order_of_the_javascript_server(
    query: str, method: str | None, transport: str, refusal: Refusal
) -> None:
    with pytest.raises(HandshakeError) as caught:
        parse_request(request(query, method), transport)
    assert caught.value.refusal is refusal
    assert str(caught.value) == refusal.message


def test_faults_have_the_numbers_and_texts_of_engine_io_and_one_is_added() -> None:
    assert [(refusal.code, refusal.message) for refusal in Refusal if refusal.status in (400, 503)] == [
        (0, "Transport unknown"),
        (1, "Session ID unknown"),
        (2, "Bad handshake method"),
        (3, "Bad request"),
        (5, "Unsupported protocol version"),
        (3, "Server shutting down"),
    ]


def test_a_scope_without_a_query_has_an_empty_one() -> None:
    assert parse_query({}) == {}


@given(st.binary(), st.sampled_from(["GET", "POST"]))
@settings(deadline=None)
def test_any_query_either_parses_or_is_a_handshake_error(query: bytes, method: str) -> None:
    try:
        parsed = parse_request({"query_string": b"transport=polling&" + query, "method": method}, "polling")
    except HandshakeError:
        return
    assert parsed.sid is not None or method == "GET"


def test_a_connection_keeps_what_handlers_may_ask_for_and_no_credential() -> None:
    scope = {
        "type": "websocket",
        "path": "/socket.io/",
        "query_string": b"EIO=4&token=1",
        "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"chat"), (b"cookie", b"sessionid=secret"), (b"upgrade", b"websocket")],
        "cookies": {"sessionid": "secret", "language": "de"},
        "session": object(),
        "user": object(),
        "tenant": "put there by the site's own middleware",
        "extensions": {},
    }
    same = ("type", "path", "query_string", "client", "session", "user", "tenant")
    expected = {key: scope[key] for key in same} | {"headers": [(b"host", b"chat")], "cookies": {"language": "de"}}
    assert retained_scope(scope) == expected
