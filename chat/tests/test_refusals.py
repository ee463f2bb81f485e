"""Without a live login session that carries a name there is no socket: contract section 4."""

import json
import logging
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from asgiref.sync import async_to_sync
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.exceptions import InvalidStatus

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.ws_client import Dial
from chat.database import in_thread
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore
from chat.tests.people import age, row_of, visit
from chat.tests.site import Site
from chatproject.asgi import application

PATH = "/socket.io/?EIO=4&transport=websocket"
NO_COOKIE = "No cookie transmitted."
UNKNOWN = "Session unknown or expired."
FOREIGN = "Origin not allowed."

addresses = ip_network("10.0.0.0/8").hosts()


async def shake_hands(headers: list[tuple[bytes, bytes]], path: str = PATH) -> tuple[int, dict[str, Any]]:
    """Return status and JSON body of the refusal of a handshake, as a server that can send a body does."""
    client = SocketIOCommunicator(application, path, headers=[(b"host", b"testserver"), *headers])
    client.scope["client"] = (str(next(addresses)), 4711)  # there are too many for one
    client.scope["extensions"] = {"websocket.http.response": {}}
    await client.send_input({"type": "websocket.connect"})
    start = await client.receive_output(5)
    assert start["type"] == "websocket.http.response.start", "the socket was accepted"
    body = await client.receive_output(5)
    for _ in range(2):
        await client.send_input({"type": "websocket.disconnect", "code": 1006})
    await client.wait(5)
    return start["status"], json.loads(body["body"])


def cookie(value: str) -> list[tuple[bytes, bytes]]:
    """Return the headers with a cookie header."""
    return [(b"cookie", value.encode("latin-1"))]


# Login sessions that let nobody in


def expired() -> str | None:
    session = visit()
    age(session, timedelta(seconds=-1))
    return session.session_key


def ended() -> str | None:
    session = visit()
    key = session.session_key
    session.flush()
    return key


def deleted_in_the_admin() -> str | None:
    key = visit().session_key
    LoginSession.objects.filter(session_key=key).delete()
    return key


def without_name() -> str | None:
    session = SessionStore()
    session["colour"] = "red"
    session.create()
    return session.session_key


def with_a_name_of_its_own() -> str | None:
    session = SessionStore()
    session["name"] = 42
    session.create()
    return session.session_key


def without_visitor() -> str | None:
    key = visit().session_key
    Visitor.objects.filter(login_session__session_key=key).delete()
    return key


def forged(change: Callable[[str, str], str]) -> Callable[[], str | None]:
    """Return a way to make a login session whose data is what `change` makes of its own and of another's."""

    def make() -> str | None:
        own, other = row_of(visit()), row_of(visit())
        own.session_data = change(own.session_data, other.session_data)
        own.save()
        return own.session_key

    return make


CASES = {
    "unknown": lambda: "a" * 32,
    "expired": expired,
    "ended": ended,
    "deleted in the admin": deleted_in_the_admin,
    "without a name": without_name,
    "without a visitor": without_visitor,
    "with a name that no visitor holds": with_a_name_of_its_own,
    "data of another": forged(lambda own, other: other),
    "data with a changed signature": forged(lambda own, other: own[:-1] + ("a" if own[-1] != "a" else "b")),
    "data with a changed payload": forged(lambda own, other: "x" + own),
    "data that is none": forged(lambda own, other: "\x00"),
    "no data": forged(lambda own, other: ""),
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("make", CASES.values(), ids=CASES)
async def test_a_login_session_that_is_over_or_forged_is_refused(make: Callable[[], str]) -> None:
    key = await in_thread(make)()
    assert await shake_hands(cookie(f"sessionid={key}")) == (403, {"code": 4, "message": UNKNOWN})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("origin", "refused"),
    [
        ("http://evil.example", True),
        ("https://testserver.evil.example", True),
        ("http://testserver@evil.example", True),
        ("null", True),
        ("file://", True),
        ("http://[", True),
        ("\xff", True),
        ("https://testserver", True),
        ("http://testserver:8000", True),
        ("http://sub.testserver", True),
        ("http://testserver", False),
        ("http://testserver:80", False),
        (None, False),
    ],
)
async def test_a_page_of_another_site_is_refused_with_a_good_cookie_too(origin: str | None, refused: bool) -> None:
    session = await in_thread(visit)()
    headers = [(b"host", b"testserver"), *cookie(f"sessionid={session.session_key}")]
    if origin is not None:
        headers.append((b"origin", origin.encode("latin-1")))
    if refused:
        assert await shake_hands(headers) == (403, {"code": 4, "message": FOREIGN})
        return
    client = SocketIOCommunicator(application, PATH, headers=headers)
    assert await client.connect() == (True, None)
    await client.disconnect()


@pytest.mark.parametrize("path", ["/", "/socket.io/x", "/socket.iox", "/rooms/tea/", "/admin/", "/\x00", "/ws"])
async def test_a_websocket_to_an_unknown_path_is_refused_quietly(path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    status, _ = await shake_hands([], f"{path}?EIO=4&transport=websocket")
    assert status == 404
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


# Malformed cookies

NAMES = st.sampled_from(
    ["sessionid", "sessionid", "sessionid", "csrftoken", "koa:sess", "", " sessionid", "sessionid\t"]
)
JUNK = st.binary(max_size=60) | st.text('abc0189=;, "\\\t%\x00\x7f\xff', max_size=60).map(
    lambda text: text.encode("latin-1")
)
PAIR = st.builds(
    lambda name, sign, junk: name.encode() + sign + junk, NAMES, st.sampled_from([b"=", b"==", b"", b" = "]), JUNK
)
HEADER = st.lists(PAIR | JUNK, max_size=4).map(b"; ".join) | st.sampled_from(
    [b"=" * 5000, b"sessionid=" + b"a" * 20_000]
)


@pytest.mark.django_db(transaction=True)
@settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(headers=st.lists(HEADER, min_size=1, max_size=2))
def test_whatever_the_cookie_header_holds_the_answer_is_a_quiet_refusal(
    caplog: pytest.LogCaptureFixture, headers: list[bytes]
) -> None:
    caplog.clear()
    caplog.set_level(logging.INFO)
    status, body = async_to_sync(shake_hands)([(b"cookie", header) for header in headers])
    assert (status, body["code"]) == (403, 4)
    assert body["message"] in (NO_COOKIE, UNKNOWN)
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


# Real servers


REFUSED = [
    ({}, NO_COOKIE),
    ({"Cookie": "csrftoken=x"}, NO_COOKIE),
    ({"Cookie": f"sessionid={'a' * 32}"}, UNKNOWN),
    ({"Cookie": "sessionid='; DROP TABLE"}, UNKNOWN),
    ({"Cookie": "sessionid=\xe4\xff"}, UNKNOWN),
    ({"Origin": "http://evil.example"}, FOREIGN),
]


def is_quiet(site: Site) -> bool:
    """Return whether nothing went wrong on the server."""
    output = site.process.output()
    return "Traceback" not in output and "ERROR" not in output


@pytest.mark.parametrize(
    ("headers", "path", "status", "message"),
    [
        *((headers, PATH, 403, message) for headers, message in REFUSED),
        ({}, "/nowhere", 404, "Nothing here speaks WebSocket."),
    ],
)
async def test_a_real_server_denies_the_websocket_and_uvicorn_says_why(
    served: tuple[str, Site], dial: Dial, headers: dict[str, str], path: str, status: int, message: str
) -> None:
    server, site = served
    with pytest.raises(InvalidStatus) as refusal:
        await dial(site.ws_url + path, additional_headers=headers)
    response = refusal.value.response
    if server == "daphne":  # it can only say 403
        assert response.status_code == 403
    else:
        assert response.status_code == status
        assert json.loads(response.body)["message"] == message
    assert is_quiet(site)


@pytest.mark.parametrize(("headers", "message"), REFUSED)
def test_a_real_server_denies_polling_and_says_why(
    served: tuple[str, Site], headers: dict[str, str], message: str
) -> None:
    _, site = served
    with pytest.raises(HTTPError) as refusal:
        urlopen(Request(f"{site.url}/socket.io/?EIO=4&transport=polling", headers=headers), timeout=10)
    with refusal.value as response:
        assert response.status == 403
        assert json.loads(response.read()) == {"code": 4, "message": message}
    assert is_quiet(site)


async def test_a_real_server_lets_the_visitor_of_the_page_in(served: tuple[str, Site], dial: Dial) -> None:
    _, site = served
    client = await dial(site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={site.new_cookie()}"})
    assert (await client.receive_event())[0] == "welcome"
