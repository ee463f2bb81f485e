"""Too many handshakes and too many connections are refused before any is accepted."""

import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.consumer import SocketIOConsumer
from channels_socketio.handshake import admission
from channels_socketio.limits.rates import Notices, Rate
from channels_socketio.middleware import throttle
from channels_socketio.middleware.throttle import HandshakeThrottle
from channels_socketio.protocol.reasons import Reason
from channels_socketio.server import SocketIOServer
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import everybody, settle

HERE, THERE = "203.0.113.1", "203.0.113.2"
TOO_MANY = (403, {"code": 4, "message": "Too many connections."})

GONE = "Session unknown or expired."

Answer = tuple[int, dict[str, Any] | None]


Build = Callable[..., "Site"]


class Lobby(SocketIOConsumer):
    """The main namespace."""


class Site:
    """A server behind the throttle; `clients` are the WebSockets that are open."""

    def __init__(self, options: dict[str, Any]) -> None:
        self.server = SocketIOServer([Lobby], admit=everybody, options=options)
        self.application = HandshakeThrottle(bare(self.server), self.server.admission.handshakes)
        self.clients: list[SocketIOCommunicator] = []

    async def knock(self, address: str = HERE, session: str | None = None, query: str = "") -> Answer:
        """Open a WebSocket and return status and body of the answer."""
        client = SocketIOCommunicator(self.application, f"/socket.io/?EIO=4&transport=websocket{query}")
        login = SimpleNamespace(session_key=session)
        scope: Any = client.scope
        scope |= {"client": [address, 4711], "session": login, "cookies": {}, "user": None}
        scope["extensions"] = {"websocket.http.response": {}}
        await client.send_input({"type": "websocket.connect"})
        message = await client.receive_output(5)
        if message["type"] == "websocket.accept":
            self.clients.append(client)
            return 101, None
        body = json.loads((await client.receive_output(5))["body"])
        for _ in range(2):
            await client.send_input({"type": "websocket.disconnect", "code": 1006})
        await client.wait(5)
        return message["status"], body

    async def poll(
        self, address: str = HERE, query: str = "", session: str | None = None, body: bytes = b""
    ) -> tuple[int, bytes, dict[bytes, bytes]]:
        """Ask by HTTP, with a body by POST, and return status, body and headers."""
        scope: dict[str, Any] = {
            "type": "http",
            "method": "POST" if body else "GET",
            "query_string": f"EIO=4&transport=polling{query}".encode(),
            "headers": [],
            "cookies": {},
            "client": [address, 4711],
            "session": SimpleNamespace(session_key=session),
            "user": None,
        }
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body}

        await self.application(scope, receive, send)
        return sent[0]["status"], sent[1]["body"], dict(sent[0]["headers"])


def sid_of(answer: tuple[int, bytes, dict[bytes, bytes]]) -> str:
    """Return the engine id in the answer to a handshake."""
    assert answer[0] == 200
    return str(json.loads(answer[1][1:])["sid"])


@pytest.fixture
async def open_site() -> AsyncIterator[Build]:
    """Open sites with options; their clients leave after the test."""
    sites: list[Site] = []

    def build(**options: Any) -> Site:
        sites.append(Site(options))
        return sites[-1]

    yield build
    for site in sites:
        for client in site.clients:
            await client.disconnect()
        for transport in list(current_runtime().polling.values()):
            transport.connection.close(Reason.TRANSPORT_CLOSE)


async def test_handshakes_of_an_address_are_counted_by_the_minute(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=3)
    assert [await site.knock() for _ in range(5)] == [(101, None)] * 3 + [TOO_MANY] * 2
    assert await site.knock(THERE) == (101, None)


async def test_both_transports_count_together_and_http_hears_when_to_come_back(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=2)
    assert await site.knock() == (101, None)
    assert (await site.poll())[0] == 200
    status, body, headers = await site.poll()
    assert (status, json.loads(body)) == TOO_MANY
    assert 1 <= int(headers[b"retry-after"]) <= 30
    assert await site.knock() == TOO_MANY


async def test_polls_and_posts_are_no_handshakes(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=1)
    sid = sid_of(await site.poll(session="mine"))
    answers = [await site.poll(query=f"&sid={sid}", session="mine", body=b"3") for _ in range(5)]
    assert {status for status, _, _ in answers} == {200}


async def test_a_field_whose_name_ends_in_sid_does_not_hide_a_handshake(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=1)
    assert [(await site.poll(query="&xsid=1"))[0] for _ in range(2)] == [200, 403]


async def test_requests_for_connections_that_are_none_are_counted_by_themselves(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=3)
    assert (await site.poll(query="&sid=unknown"))[0] == 400
    assert (await site.knock(query="&sid=unknown"))[0] == 400
    assert (await site.poll(query="&sid=unknown", body=b"3"))[0] == 400
    status, body, headers = await site.poll(query="&sid=unknown")
    assert (status, json.loads(body)) == TOO_MANY
    assert 1 <= int(headers[b"retry-after"]) <= 20
    assert await site.knock(query="&sid=unknown") == TOO_MANY
    assert (await site.poll(THERE, query="&sid=unknown"))[0] == 400
    assert await site.knock() == (101, None)


async def test_requests_with_another_login_session_than_the_connections_are_counted(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=3)
    sid = sid_of(await site.poll(session="mine"))
    answers = [await site.poll(query=f"&sid={sid}", session="another", body=b"3") for _ in range(4)]
    assert [json.loads(body)["message"] for _, body, _ in answers] == [GONE] * 3 + ["Too many connections."]
    assert (await site.poll(query=f"&sid={sid}", session="mine", body=b"3"))[0] == 200


async def test_ipv6_neighbours_count_as_one(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=2)
    answers = [await site.knock(f"2001:db8::{number}") for number in (1, 2, 3)]
    assert answers == [(101, None)] * 2 + [TOO_MANY]
    assert await site.knock("2001:db8:0:1::1") == (101, None)


async def test_leaving_and_coming_back_does_not_help(open_site: Build) -> None:
    site = open_site(HANDSHAKES_PER_MINUTE=2)
    for _ in range(2):
        assert await site.knock() == (101, None)
        await site.clients.pop().disconnect()
    assert await site.knock() == TOO_MANY


async def test_connections_of_a_login_session_are_counted_by_both_transports(open_site: Build) -> None:
    site = open_site(CONNECTIONS_PER_SESSION=3)
    assert await site.knock(HERE, "ada") == (101, None)
    assert (await site.poll(THERE, session="ada"))[0] == 200
    assert await site.knock(THERE, "ada") == (101, None)
    assert await site.knock(HERE, "ada") == TOO_MANY
    status, body, headers = await site.poll(session="ada")
    assert (status, json.loads(body), headers[b"retry-after"]) == (*TOO_MANY, b"10")
    assert await site.knock(HERE, "grace") == (101, None)


async def test_connections_of_an_address_are_counted_whoever_they_are(open_site: Build) -> None:
    site = open_site(CONNECTIONS_PER_ADDRESS=2)
    answers = [await site.knock(HERE, name) for name in ("ada", None, "grace")]
    assert answers == [(101, None)] * 2 + [TOO_MANY]
    assert await site.knock(THERE, "grace") == (101, None)


async def test_who_leaves_makes_room(open_site: Build) -> None:
    site = open_site(CONNECTIONS_PER_SESSION=1)
    for _ in range(3):
        assert await site.knock(HERE, "ada") == (101, None)
        assert await site.knock(HERE, "ada") == TOO_MANY
        await site.clients.pop().disconnect()


async def test_a_handshake_that_fails_later_takes_no_place(open_site: Build) -> None:
    site = open_site(CONNECTIONS_PER_SESSION=1)
    for _ in range(3):
        assert (await site.poll(query="&EIO=9", session="ada"))[0] == 400
    assert await site.knock(HERE, "ada") == (101, None)


async def test_without_limits_all_may_come(open_site: Build) -> None:
    site = open_site(LIMITS=False, HANDSHAKES_PER_MINUTE=1, CONNECTIONS_PER_SESSION=1, CONNECTIONS_PER_ADDRESS=1)
    assert [await site.knock(HERE, "ada") for _ in range(5)] == [(101, None)] * 5


async def test_too_many_messages_in_a_post_are_answered_429_and_end_the_connection(open_site: Build) -> None:
    site = open_site(MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=5)
    sid = json.loads((await site.poll())[1][1:])["sid"]
    assert (await site.poll(query=f"&sid={sid}", body=b"40"))[0] == 200
    await settle()
    assert (await site.poll(query=f"&sid={sid}", body=b"\x1e".join([b'42["x"]'] * 4)))[0] == 200
    assert (await site.poll(query=f"&sid={sid}", body=b"\x1e".join([b'42["x"]'] * 3)))[:2] == (429, b"too many events")
    assert current_runtime().connections == {}


async def test_refusals_are_counted_and_the_log_is_not_flooded(
    open_site: Build, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = Notices(Rate(0.01, 2))
    for module in (throttle, admission):
        monkeypatch.setattr(module, "notices", fresh)
    site = open_site(HANDSHAKES_PER_MINUTE=20, CONNECTIONS_PER_ADDRESS=1)
    for _ in range(30):
        await site.knock(HERE, "secret")
    assert fresh.counts == {"connections": 19, "handshakes": 10}
    assert caplog.messages == [
        *["Refused a connection from 203.0.113.1: too many."] * 2,
        *["Refused a handshake from 203.0.113.1: too many in a minute."] * 2,
    ]
