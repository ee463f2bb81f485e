"""The one composition of a site: what goes where, and that nothing is mounted without it."""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from channels.auth import AuthMiddlewareStack
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.core.asgi import get_asgi_application
from django.core.exceptions import ImproperlyConfigured

from channels_socketio import SocketIOConsumer, SocketIOServer
from channels_socketio.middleware.site import SiteApplication
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import everybody
from channels_socketio.transports.client_file import CLIENT
from channels_socketio.transports.websocket import WebSocketTransport

HANDSHAKE = "/socket.io/?EIO=4&transport=polling"
LOCAL = (b"host", b"testserver")


class Lobby(SocketIOConsumer):
    """The main namespace; says under which tenant a client is here."""

    async def connect(self, auth: dict[str, Any]) -> None:
        await self.emit("tenant", self.scope.get("tenant"))


async def pages(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the path of the request."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"page {scope['path']}".encode()})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Accept a WebSocket and tell its path."""
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": f"socket {scope['path']}"})


def new_server() -> SocketIOServer:
    """Return a server that lets everybody in."""
    return SocketIOServer([Lobby], admit=everybody, options={})


async def get(application: Any, path: str, *headers: tuple[bytes, bytes], method: str = "GET", root: str = "") -> Any:
    """Return the answer to a request as a dictionary."""
    client = HttpCommunicator(application, method, path, headers=[LOCAL, *headers])
    client.scope["root_path"] = root
    client.scope["client"] = ("127.0.0.1", 4711)
    return await client.get_response(5)


async def dialled(application: Any, path: str, root: str = "") -> tuple[bool, Any]:
    """Return whether a WebSocket was accepted, and what it was sent first."""
    client = WebsocketCommunicator(application, path, headers=[LOCAL])
    client.scope["root_path"] = root
    accepted, code = await client.connect()
    return accepted, (await client.receive_from(5)) if accepted else code


@pytest.mark.parametrize("path", ["/", "/socket.io/x", "/socket.io//", "/socket.iox", "/rooms/socket.io/"])
async def test_all_other_pages_are_the_sites(path: str) -> None:
    answer = await get(new_server().asgi(pages), path)
    assert answer["body"] == f"page {path}".encode()


@pytest.mark.parametrize(
    ("path", "at", "root"),
    [
        ("socket.io", "/socket.io/", ""),
        ("socket.io", "/socket.io", ""),
        ("/live/io/", "/live/io/", ""),
        ("socket.io", "/prefix/socket.io/", "/prefix"),
    ],
)
async def test_both_transports_are_served_at_the_path_below_the_sites_prefix(path: str, at: str, root: str) -> None:
    application = new_server().asgi(pages, path)
    answer = await get(application, f"{at}?EIO=4&transport=polling", root=root)
    assert (answer["status"], answer["body"][:7]) == (200, b'0{"sid"')
    accepted, first = await dialled(application, f"{at}?EIO=4&transport=websocket", root)
    assert (accepted, first[:7]) == (True, '0{"sid"')


async def test_the_prefix_may_be_a_setting_as_it_may_for_pages(settings: Any) -> None:
    settings.FORCE_SCRIPT_NAME = "/prefix"
    answer = await get(new_server().asgi(pages), f"/prefix{HANDSHAKE}")
    assert answer["status"] == 200


async def test_other_websockets_are_refused_or_the_sites_own() -> None:
    assert await dialled(new_server().asgi(pages), "/ws/tea/") == (False, 1008)
    assert await dialled(new_server().asgi(pages, websocket=echo), "/ws/tea/") == (True, "socket /ws/tea/")


async def test_pages_of_other_sites_are_refused_on_both_transports() -> None:
    application, evil = new_server().asgi(pages), (b"origin", b"http://evil.example")
    assert (await get(application, HANDSHAKE, evil))["status"] == 403
    client = WebsocketCommunicator(application, HANDSHAKE.replace("polling", "websocket"), headers=[LOCAL, evil])
    assert await client.connect() == (False, 1008)


@pytest.mark.parametrize("websocket", [None, echo])
async def test_two_servers_have_a_path_each(websocket: Any) -> None:
    application = new_server().asgi(new_server().asgi(pages, "second"), "first", websocket=websocket)
    for path in ("first", "second"):
        assert (await get(application, f"/{path}/?EIO=4&transport=polling"))["status"] == 200
        assert (await dialled(application, f"/{path}/?EIO=4&transport=websocket"))[0]
    assert (await get(application, "/third/"))["body"] == b"page /third/"


@pytest.mark.parametrize(
    ("compose", "message"),
    [
        (lambda: new_server().asgi(pages, "/"), "path: expected the path of Socket.IO, such as 'socket.io', got none."),
        (
            lambda: new_server().asgi(new_server().asgi(pages)),
            "path: expected another path for a second server, got '/socket.io' twice.",
        ),
        (
            lambda: new_server().asgi(new_server().asgi(new_server().asgi(pages), "between")),
            "path: expected another path for a second server, got '/socket.io' twice.",
        ),
        (
            lambda: new_server().asgi(pages, authenticate=len),  # type: ignore[arg-type]
            "authenticate: expected a coroutine function, got <built-in function len>.",
        ),
        (
            lambda: SocketIOServer([type("Empty", (Lobby,), {"namespaces": []})]),
            "Empty.namespaces: expected a list of patterns such as '/', got [].",
        ),
        (
            lambda: SocketIOServer([type("Text", (Lobby,), {"namespaces": "/tea"})]),
            "Text.namespaces: expected a list of patterns such as '/', got '/tea'.",
        ),
        (
            lambda: SocketIOServer([Lobby, type("Second", (Lobby,), {"namespaces": ["/tea", "/"]})]),
            "Second.namespaces: expected other patterns, '/' is Lobby's.",
        ),
    ],
)
def test_what_is_composed_wrongly_is_one_clear_line(compose: Callable[[], Any], message: str) -> None:
    with pytest.raises(ImproperlyConfigured) as raised:
        compose()
    assert str(raised.value) == message


def test_a_site_without_the_app_is_told_so(settings: Any) -> None:
    settings.INSTALLED_APPS = [app for app in settings.INSTALLED_APPS if app != "channels_socketio"]
    with pytest.raises(ImproperlyConfigured, match=r"^INSTALLED_APPS: expected 'channels_socketio' in it"):
        new_server()


async def test_endpoints_that_are_mounted_without_it_refuse_everybody() -> None:
    server = new_server()
    bare = {"http": server.application.endpoint, "websocket": WebSocketTransport.as_asgi(admission=server.admission)}

    stack: Any = AuthMiddlewareStack

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        raise AssertionError("expected no answer")

    for kind, transport in (("http", "polling"), ("websocket", "websocket")):
        query = f"EIO=4&transport={transport}".encode()
        scope = {"type": kind, "method": "GET", "path": "/socket.io/", "query_string": query, "headers": [LOCAL]}
        with pytest.raises(ImproperlyConfigured, match=r"^expected Socket.IO's endpoint behind `SocketIOServer.asgi`"):
            await stack(bare[kind])(scope, receive, send)


async def test_middleware_runs_behind_session_and_user_the_first_outermost() -> None:
    seen: list[Any] = []

    def naming(name: str) -> Callable[[Any], Any]:
        def wrap(application: Any) -> Any:
            async def named(scope: Any, receive: Any, send: Any) -> None:
                seen.append((name, scope["user"].is_anonymous, "session" in scope))
                await application({**scope, "tenant": name}, receive, send)

            return named

        return wrap

    application = new_server().asgi(pages, middleware=[naming("outer"), naming("inner")])
    client = SocketIOCommunicator(application, headers=[LOCAL])
    assert await client.connect() == (True, None)
    await client.join("/")
    assert await client.receive_event() == ["tenant", "inner"]
    assert seen == [("outer", True, True), ("inner", True, True)]
    await client.disconnect()


async def test_middleware_runs_for_handshakes_and_not_for_what_follows() -> None:
    seen: list[bytes] = []

    def noting(application: Any) -> Any:
        async def noted(scope: Any, receive: Any, send: Any) -> None:
            assert scope["user"] is not None
            seen.append(scope["query_string"])
            await application(scope, receive, send)

        return noted

    application = SocketIOServer([Lobby], options={}).asgi(pages, middleware=[noting])
    assert (await get(application, HANDSHAKE))["status"] == 403
    assert (await get(application, f"{HANDSHAKE}&sid=unknown"))["status"] == 403
    assert seen == [b"EIO=4&transport=polling"]


async def test_the_client_for_pages_is_served_and_kept() -> None:
    application = new_server().asgi(pages)
    answer = await get(application, "/socket.io/socket.io.js")
    headers = dict(answer["headers"])
    assert (answer["status"], answer["body"]) == (200, CLIENT.read_bytes())
    assert headers[b"content-type"] == b"text/javascript; charset=utf-8"
    assert headers[b"x-content-type-options"] == b"nosniff"
    assert headers[b"cache-control"] == b"max-age=3600, public"
    etag = headers[b"etag"]
    for known in (etag, b'"other", ' + etag, b"W/" + etag, b"*"):
        again = await get(application, "/socket.io/socket.io.js", (b"if-none-match", known))
        assert dict(again["headers"]).keys() == {b"etag", b"cache-control"}
        assert (again["status"], again["body"]) == (304, b"")
    other = await get(application, "/socket.io/socket.io.js", (b"if-none-match", b'"other"'))
    assert other["status"] == 200
    head = await get(application, "/socket.io/socket.io.js", method="HEAD")
    assert (head["status"], head["body"]) == (200, b"")
    assert dict(head["headers"])[b"content-length"] == b"%d" % len(CLIENT.read_bytes())
    refused = await get(application, "/socket.io/socket.io.js", method="POST")
    assert (refused["status"], dict(refused["headers"])[b"allow"]) == (405, b"GET, HEAD")
    assert b"cache-control" not in dict(refused["headers"])


class Lifespan:
    """Pages that take part in the lifespan of the server, or fail at a moment of it."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self.heard = fails, [""][:0]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        for kind in ("startup", "shutdown"):
            self.heard.append((await receive())["type"])
            if self.fails == f"at {kind}":
                raise RuntimeError("asked for")
            await send({"type": f"lifespan.{kind}.complete"})


def serving(pages: Any) -> Any:
    """Return a server's side of the lifespan of a site with these pages."""
    communicator: Any = ApplicationCommunicator  # untyped
    return communicator(SiteApplication("socket.io", {}, pages, pages), {"type": "lifespan"})


async def lived(pages: Any) -> list[str]:
    """Return what a server's lifespan is answered with."""
    client = serving(pages)
    answers = []
    for kind in ("startup", "shutdown"):
        await client.send_input({"type": f"lifespan.{kind}"})
        answers.append((await client.receive_output(5))["type"])
    await client.wait(5)
    return answers


ANSWERS = ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_the_lifespan_is_answered_where_pages_know_none() -> None:
    assert await lived(get_asgi_application()) == ANSWERS


async def test_pages_take_part_in_the_lifespan() -> None:
    taking_part = Lifespan()
    assert await lived(taking_part) == ANSWERS
    assert taking_part.heard == ["lifespan.startup", "lifespan.shutdown"]


async def test_pages_that_know_the_start_only_are_answered_for_at_the_end() -> None:
    async def starting(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})

    assert await lived(starting) == ANSWERS


@pytest.mark.parametrize("when", ["startup", "shutdown"])
async def test_pages_that_took_part_may_fail(when: str) -> None:
    failing = Lifespan(f"at {when}")
    client = serving(failing)
    for kind in ("startup", "shutdown"):
        await client.send_input({"type": f"lifespan.{kind}"})
    with pytest.raises(RuntimeError, match="asked for"):
        await client.wait(5)
    assert failing.heard[-1] == f"lifespan.{when}"


async def test_a_start_that_failed_is_told() -> None:
    client = serving(Lifespan("at startup"))
    await client.send_input({"type": "lifespan.startup"})
    assert await client.receive_output(5) == {
        "type": "lifespan.startup.failed",
        "message": "RuntimeError: asked for",
    }
    with pytest.raises(RuntimeError, match="asked for"):
        await client.wait(5)
