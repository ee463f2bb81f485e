"""Ready frames for Daphne: what is relied on there, and that nobody else is taken for it."""

import inspect
from functools import partial
from typing import Any

from autobahn.twisted.websocket import WebSocketServerProtocol
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol

from channels_socketio.servers.daphne import find_write


class WSClient:
    """What is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data


def test_daphnes_send_still_knows_its_connection() -> None:
    message = "Daphne changed: expected `send` to be a partial of the protocol; see daphne.py"
    assert "send=partial(self.handle_reply, protocol)" in inspect.getsource(Server.create_application), message


def test_the_library_still_writes_to_the_transport_at_once() -> None:
    message = "autobahn changed: expected sendData to write to self.transport; see daphne.py"
    assert "self.transport.write(data)" in inspect.getsource(WebSocketServerProtocol.sendData), message


def test_frames_are_written_while_the_connection_is_open() -> None:
    protocol: Any = WebSocketProtocol.__new__(WebSocketProtocol)
    protocol.transport = WSClient()
    write = find_write(partial(Server.handle_reply, protocol))
    assert write is not None
    for state in (
        WebSocketProtocol.STATE_CONNECTING,
        WebSocketProtocol.STATE_CLOSING,
        WebSocketProtocol.STATE_CLOSED,
    ):
        protocol.state = state
        write(b"no")
    protocol.state = WebSocketProtocol.STATE_OPEN
    write(b"yes")
    assert protocol.transport.written == b"yes"


def test_any_other_send_is_left_alone() -> None:
    async def send(event: Any) -> None:
        raise AssertionError("expected nothing to be sent")

    assert [find_write(other) for other in (send, partial(send), partial(send, {"type": "x"}))] == [None] * 3
