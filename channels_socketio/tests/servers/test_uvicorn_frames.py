"""The fast path through uvicorn: what it relies on there, and that everything goes one way."""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.utils import apply_mask

from channels_socketio.servers import TURN_FRAMES
from channels_socketio.servers.uvicorn_frames import TURN_BYTES, USED, FramesProtocol, decode_plain_frame
from channels_socketio.tests.support.people import eventually, settle


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
    class WSClient:
        def __init__(self) -> None:
            self.written: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.written.append(data)

    protocol = FramesProtocol.__new__(FramesProtocol)
    wire = WSClient()
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


class Wired:
    """A protocol with an open WebSocket, whose client is a bare socket."""

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator["Wired"]:
        """Connect."""
        listening = socket.create_server(("127.0.0.1", 0))
        wired = cls()
        wired.client = socket.create_connection(listening.getsockname())
        wired.client.setblocking(False)
        server, _ = listening.accept()
        config = uvicorn.Config(
            nobody, ws=FramesProtocol, lifespan="off", log_config=None, ws_per_message_deflate=False
        )
        config.load()
        protocol = wired.protocol = FramesProtocol(config, ServerState(), {})
        loop = asyncio.get_running_loop()
        with listening, wired.client:
            wired.transport, _ = await loop.connect_accepted_socket(lambda: protocol, server)
            protocol.scope, protocol.handshake_complete, protocol._conn = {}, True, None  # type: ignore[typeddict-item]
            yield wired
            wired.transport.abort()

    client: socket.socket
    protocol: FramesProtocol
    transport: Any


async def test_a_client_that_does_not_answer_the_close_loses_its_connection() -> None:
    """It may never read again: then the close frame waits for ever, and so would the connection."""
    events: list[Any] = []
    async with Wired.open() as wired:
        write = wired.protocol.hand_over(events.append)
        wired.protocol.close_timeout = 0.05
        for _ in range(100):
            write(bytes(1_000_000))
        wired.protocol.close_frames(1000, "slow consumer")
        await eventually(lambda: bool(events), "the connection was lost")
        assert wired.transport.is_closing()
    assert events == [{"type": "websocket.disconnect", "code": 1005}]


def texts(numbers: Iterable[int]) -> bytes:
    """Return frames with these numbers."""
    return b"".join(masked(0x81, str(number).encode()) for number in numbers)


@pytest.mark.parametrize("first", [b"", masked(0x82, b"")])  # the second has all go to the parser
async def test_a_long_read_is_handled_in_turns_and_in_order(first: bytes) -> None:
    events: list[Any] = []
    async with Wired.open() as wired:
        wired.protocol.hand_over(events.append)
        wired.protocol.data_received(first + texts(range(2000)))
        at_once = len(events)
        wired.protocol.data_received(texts([2000]))
        asyncio.get_running_loop().call_soon(events.append, {"text": "somebody else"})
        await eventually(lambda: len(events) >= 2002, "all was handled")
    found = [event["text"] for event in events if "text" in event]
    assert TURN_FRAMES <= at_once <= TURN_FRAMES + TURN_BYTES // 6
    assert found.index("somebody else") < 3 * (TURN_FRAMES + TURN_BYTES // 6)
    found.remove("somebody else")
    assert found == [str(number) for number in range(2001)]


async def test_what_waits_for_its_turn_waits_while_the_application_wants_nothing() -> None:
    events: list[Any] = []

    def take(event: Any) -> None:
        events.append(event["text"])
        if event["text"] == "60":
            wired.protocol.pause()

    async with Wired.open() as wired:
        wired.protocol.hand_over(take)
        wired.protocol.data_received(texts(range(200)))
        await eventually(lambda: len(events) > 60, "the second turn had come")
        await settle()
        assert len(events) == 61
        wired.protocol.resume()
        await eventually(lambda: len(events) == 200, "all was handled")
    assert events == [str(number) for number in range(200)]


@pytest.mark.parametrize(
    "frames",
    [
        texts(range(30)),
        masked(0x82, b"") * 30,
        masked(0x89, b"") * 30,
        masked(0x8A, b"") * 30,
        masked(0x01, b"4") + masked(0x00, b"") * 28 + masked(0x80, b""),
        texts(range(10)) + masked(0x89, b"") * 20,
    ],
)
@pytest.mark.parametrize("handed_over", [True, False])
async def test_every_frame_is_counted_and_who_sends_too_many_is_read_from_no_more(
    frames: bytes, handed_over: bool
) -> None:
    counted = [0]
    events: list[Any] = []

    def count(number: int) -> bool:
        counted[0] += number
        return counted[0] <= 45

    async with Wired.open() as wired:
        wired.protocol.count_with(count)
        if handed_over:
            wired.protocol.hand_over(events.append)
        wired.protocol.data_received(frames)
        await eventually(lambda: counted[0] == 30, "all was counted")
        assert not wired.protocol.close_sent
        wired.protocol.data_received(frames + masked(0x81, b"behind"))
        await eventually(lambda: wired.protocol.close_sent, "it was closed")
        at_close = counted[0]
        wired.client.sendall(frames)
        await settle()
        assert counted[0] == at_close > 45
        assert not wired.transport.is_reading()
        assert b"\x03\xf0too many events" in wired.client.recv(65_536)
        assert {"type": "websocket.receive", "text": "behind"} not in events
        await eventually(wired.transport.is_closing, "it was cut off")


async def test_what_a_client_sends_behind_a_close_counts_as_well() -> None:
    left = [100]

    def count(number: int) -> bool:
        left[0] -= number
        return left[0] >= 0

    async with Wired.open() as wired:
        wired.protocol.count_with(count)
        wired.protocol.hand_over(lambda event: None)
        wired.protocol.close_frames(1000, "parse error")
        wired.protocol.data_received(masked(0x81, b"x") * 90)
        await settle()
        assert not wired.protocol.cut_off
        wired.protocol.data_received(masked(0x81, b"x") * 90)
        await eventually(lambda: wired.protocol.cut_off, "it was cut off")


async def test_an_application_that_does_not_count_gets_all() -> None:
    async with Wired.open() as wired:
        wired.protocol.data_received(texts(range(2000)))
        assert wired.protocol.queue.qsize() == 2000
