"""WebSocket requests that uvicorn's HTTP protocol hands on: which ones, and that both ways answer alike."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from channels_socketio.servers import FRAMES_EXTENSION
from channels_socketio.servers.uvicorn_frames import FramesProtocol
from channels_socketio.servers.uvicorn_upgrade import USED, UpgradeProtocol, accept_key
from channels_socketio.tests.support.echo_site import EchoApp
from channels_socketio.tests.support.people import eventually

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # this pair is in RFC 6455 section 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: sessionid=1\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + KEY + b"\r\n\r\n"
)
EARLY = bytes((0x81, 0x85, 0, 0, 0, 0)) + b"early"  # a masked text frame


def headers(**changes: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a plain request with some added, changed, or (None) left out."""
    plain: dict[str, bytes | None] = {
        "host": b"chat",
        "upgrade": b"websocket",
        "sec_websocket_version": b"13",
        "sec_websocket_key": KEY,
    }
    values = plain | changes
    return [(name.replace("_", "-").encode(), value) for name, value in values.items() if value is not None]


@pytest.mark.parametrize("name", USED)
def test_uvicorn_still_has_what_the_upgrade_relies_on(name: str) -> None:
    source = inspect.getsource(HttpToolsProtocol)
    message = f"uvicorn {uvicorn.__version__} changed: expected {name} in HttpToolsProtocol; see uvicorn_upgrade.py"
    assert f"self.{name}" in source or f"def {name}(" in source, message


def test_the_answer_to_a_plain_request_is_that_of_the_specification() -> None:
    assert accept_key(headers()) == ACCEPT
    assert accept_key(headers(sec_websocket_extensions=b"permessage-deflate")) == ACCEPT


@pytest.mark.parametrize(
    "uncommon",
    [
        headers(sec_websocket_version=None),
        headers(sec_websocket_version=b"8"),
        headers(sec_websocket_key=None),
        headers(sec_websocket_key=b""),
        headers(sec_websocket_key=b"c2hvcnQ="),
        headers(sec_websocket_key=b"not base64 at all, but 24"),
        headers(sec_websocket_protocol=b"chat"),
        headers(content_length=b"5"),
        headers(transfer_encoding=b"chunked"),
        [*headers(), (b"sec-websocket-key", KEY)],
        [*headers(), (b"sec-websocket-version", b"13")],
        [*headers(), (b"upgrade", b"websocket")],
    ],
)
def test_whatever_is_uncommon_is_left_to_the_library(uncommon: list[tuple[bytes, bytes]]) -> None:
    assert accept_key(uncommon) is None


@pytest.fixture(scope="module")
def echo_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoApp]:
    """A served application."""
    with EchoApp(tmp_path_factory.mktemp("hall"), "serve", {}) as running:
        yield running


async def talk(echo_app: EchoApp, *sent: bytes, until: bytes) -> bytes:
    """Send bytes; return what the server says up to `until`, or up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", echo_app.port)
    try:
        async with asyncio.timeout(10):
            writer.write(b"".join(sent))
            received = b""
            while until not in received and (data := await reader.read(65_536)):
                received += data
            return received
    finally:
        writer.close()
        await writer.wait_closed()


async def test_a_plain_request_is_accepted_and_frames_follow(echo_app: EchoApp) -> None:
    received = await talk(echo_app, REQUEST, until=b'"maxPayload":1000000}')
    head, _, frames = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: " + ACCEPT in head.split(b"\r\n")
    assert frames.partition(b"{")[0][2:] == b"0"


async def test_a_frame_that_comes_before_the_accept_is_not_lost() -> None:
    protocols: list[Any] = []
    received: list[Any] = []
    go = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        protocols.append(scope["extensions"][FRAMES_EXTENSION])
        await receive()
        await go.wait()
        await send({"type": "websocket.accept"})
        received.append(await receive())
        await send({"type": "websocket.close"})

    config = uvicorn.Config(
        application, ws=FramesProtocol, lifespan="off", log_config=None, ws_per_message_deflate=False
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: UpgradeProtocol(config, state, {}), "127.0.0.1")
    async with asyncio.timeout(10), server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(REQUEST)
        await eventually(lambda: bool(protocols), "the application ran")
        writer.write(EARLY)
        await eventually(lambda: protocols[0].accept_key is None, "the early frame was seen")
        go.set()
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        await asyncio.gather(*state.tasks)
        writer.close()
        await writer.wait_closed()
    assert received == [{"type": "websocket.receive", "text": "early"}]


async def test_a_bad_key_is_refused_with_a_sentence(echo_app: EchoApp) -> None:
    received = await talk(echo_app, REQUEST.replace(KEY, b"c2hvcnQ="), until=b"never")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert b"Sec-WebSocket-Key" in received


async def test_a_refusal_by_the_application_has_status_and_body(echo_app: EchoApp) -> None:
    received = await talk(echo_app, REQUEST.replace(b"EIO=4", b"EIO=9"), until=b"never")
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.endswith(b'{"code":5,"message":"Unsupported protocol version"}')
