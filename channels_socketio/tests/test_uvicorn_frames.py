"""The fast path through uvicorn: what it relies on there, and that everything goes one way."""

import inspect

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from channels_socketio.servers.uvicorn_frames import USED, FramesProtocol


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
