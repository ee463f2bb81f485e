"""The fast path through uvicorn: what it relies on there, and that everything goes one way."""

import asyncio
import inspect
import socket
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.utils import apply_mask

from channels_socketio.servers.uvicorn_frames import USED, FramesProtocol, decode_plain_frame
from channels_socketio.tests.party import eventually


@pytest.mark.parametrize("name", USED)
def test_uvicorn_still_has_what_the_fast_path_relies_on(name: str) -> None:
    source = inspect.getsource(WebSocketsSansIOProtocol)
    message = (
        f"uvicorn {uvicorn.__version__} changed: expected {name} in WebSocketsSansIOProtocol; see uvicorn_frames.py"
    )
    assert f"self.{name}" in source or f"def {name}(" in source, message


def test_the_application_starts_after_the_request_was_handled() -> None:
    """Only so can the extension be added to the scope in time."""
    source = inspect.getsource(WebSocketsSansIOProtocol.handle_connect)
    assert "create_task(self.run_asgi())" in source


def test_frames_are_written_only_while_the_connection_is_open() -> None:
    class Wire:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

    protocol = FramesProtocol.__new__(FramesProtocol)
    wire = Wire()
    protocol.transport = wire  # type: ignore[assignment]
    for handshake_complete, close_sent, disconnected in (
        (False, False, False),
        (True, True, False),
        (True, False, True),
    ):
        protocol.handshake_complete = handshake_complete
        protocol.close_sent, protocol.disconnected = close_sent, disconnected
        protocol.write_frames(b"no")
    protocol.close_sent = protocol.disconnected = False
    protocol.write_frames(b"yes")
    assert wire.written == [b"yes"]


def masked(opcode: int, payload: bytes, mask: bytes = b"\x01\x02\x03\x04") -> bytes:
    """Return a frame as clients send it (RFC 6455 section 5.2)."""
    length = len(payload)
    size = bytes((0x80 | length,)) if length < 126 else bytes((0x80 | 126,)) + length.to_bytes(2, "big")
    return bytes((opcode,)) + size + mask + apply_mask(payload, mask)


@given(st.text(max_size=400), st.binary(min_size=4, max_size=4), st.binary(max_size=20), st.binary(max_size=20))
def test_a_whole_short_text_frame_is_decoded(text: str, mask: bytes, before: bytes, behind: bytes) -> None:
    frame = masked(0x81, text.encode(), mask)
    assert decode_plain_frame(before + frame + behind, len(before)) == (text, len(before) + len(frame))


@given(st.text(max_size=400), st.data())
def test_a_part_of_a_frame_is_left_to_the_parser(text: str, data: st.DataObject) -> None:
    frame = masked(0x81, text.encode())
    assert decode_plain_frame(frame[: data.draw(st.integers(0, len(frame) - 1))], 0) is None


@pytest.mark.parametrize(
    "frame",
    [
        masked(0x82, b"binary"),
        masked(0x01, b"fragment"),
        masked(0x80, b"continued"),
        masked(0x89, b"ping"),
        masked(0x88, b""),
        masked(0xC1, b"reserved bit"),
        b"\x81\x0anot masked",
        b"\x81\xff" + bytes(7) + b"\x01mask\x00",
        masked(0x81, b"\xff\xfe"),
    ],
)
def test_any_other_frame_is_left_to_the_parser(frame: bytes) -> None:
    assert decode_plain_frame(frame, 0) is None


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    """An application that is not asked."""


async def test_a_client_that_does_not_answer_the_close_loses_its_connection() -> None:
    """It may never read again: then the close frame waits for ever, and so would the connection."""
    listening = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listening.getsockname())
    server, _ = listening.accept()
    config = uvicorn.Config(nobody, ws=FramesProtocol, lifespan="off", log_config=None, ws_per_message_deflate=False)
    config.load()
    protocol = FramesProtocol(config, ServerState(), {})
    events: list[Any] = []
    loop = asyncio.get_running_loop()
    with listening, client:
        transport, _ = await loop.connect_accepted_socket(lambda: protocol, server)
        protocol.scope, protocol.handshake_complete, protocol._conn = {}, True, None  # type: ignore[typeddict-item]
        write = protocol.hand_over(events.append)
        protocol.close_timeout = 0.05
        for _ in range(100):
            write(bytes(1_000_000))
        protocol.close_frames(1000, "slow consumer")
        await eventually(lambda: bool(events), "the connection was lost")
    assert transport.is_closing()
    assert events == [{"type": "websocket.disconnect", "code": 1005}]
