"""The stream that all clients compare with, and a client that is fed by hand."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bench.client import Client, Sender, Stream, WrongAnswerError, encode_frame, frames

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


NewClient = Callable[..., tuple[Any, Wire]]


def frame(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    length = len(payload)
    head = bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big")
    return head + payload


def chat(number: int, padding: int = 0) -> bytes:
    """Return the frame of message `number`."""
    return frame(b'42["new chat",{"msg":"7: %020d","room":"%s"}]' % (number, b"x" * padding))


@pytest.fixture
def new_client() -> NewClient:
    """Make clients that follow `stream` and are in the room."""

    def make(stream: Stream, kind: type[Client] = Client) -> tuple[Any, Wire]:
        client, wire = kind(1, "key"), Wire()
        client.follow(stream)
        client.connection_made(wire)
        client.data_received(UPGRADED + frame(b"0{}") + frame(b'40{"sid":"x"}') + frame(b'42["welcome",{}]'))
        assert client.joined.done()
        wire.written.clear()
        return client, wire

    return make


@pytest.mark.parametrize("cut", range(1, 400, 7))
async def test_every_client_counts_every_message_however_the_bytes_are_cut(new_client: NewClient, cut: int) -> None:
    stream = Stream()
    bytes_ = b"".join([chat(0), chat(1, padding=200), chat(2), chat(3)])
    for client, _ in (new_client(stream) for _ in range(3)):
        for start in range(0, len(bytes_), cut):
            client.data_received(bytes_[start : start + cut])
        assert client.received == len(stream) == 4
        assert client.lost is None


@pytest.mark.parametrize("cut", range(1, 400, 7))
async def test_a_ping_between_messages_is_answered_and_not_counted(new_client: NewClient, cut: int) -> None:
    stream = Stream()
    first, _ = new_client(stream)
    first.data_received(chat(0) + chat(1, padding=200) + chat(2))
    client, wire = new_client(stream)
    bytes_ = chat(0) + frame(b"2") + chat(1, padding=200) + frame(b"2") + chat(2)
    for start in range(0, len(bytes_), cut):
        client.data_received(bytes_[start : start + cut])
    assert client.received == 3
    assert wire.written == [encode_frame(b"3")] * 2


@pytest.mark.parametrize("second", [chat(0), chat(2), chat(0, padding=5)], ids=["doubled", "left out", "changed"])
async def test_a_message_out_of_order_is_an_error_for_the_first_who_gets_it(
    new_client: NewClient, second: bytes
) -> None:
    client, wire = new_client(Stream())
    client.data_received(chat(0) + second)
    assert isinstance(client.lost, WrongAnswerError)
    assert wire.aborted


@pytest.mark.parametrize("second", [chat(0), chat(2), chat(1, padding=5)], ids=["doubled", "left out", "changed"])
async def test_a_message_out_of_order_is_an_error_for_those_who_compare(new_client: NewClient, second: bytes) -> None:
    stream = Stream()
    first, _ = new_client(stream)
    first.data_received(chat(0) + chat(1) + chat(2))
    client, wire = new_client(stream)
    client.data_received(chat(0) + second)
    assert isinstance(client.lost, WrongAnswerError)
    assert wire.aborted


async def test_the_sender_keeps_so_many_in_flight(new_client: NewClient) -> None:
    sender, wire = new_client(Stream(), Sender)
    sender.keep_in_flight(2)
    assert (len(wire.written), sender.sent) == (2, 2)
    sender.data_received(chat(0))
    assert (len(wire.written), sender.sent) == (3, 3)
    sender.keep_in_flight(0)
    sender.data_received(chat(1) + chat(2))
    assert (sender.sent, sender.received) == (3, 3)


async def test_a_refused_upgrade_is_the_reason_why_nobody_joined() -> None:
    client = Client(1, "key")
    client.connection_made(Wire())
    client.data_received(b'HTTP/1.1 403 Forbidden\r\n\r\n{"code":4,"message":"No cookie transmitted."}')
    with pytest.raises(WrongAnswerError, match="No cookie transmitted"):
        await client.joined


def test_frames_of_all_lengths_are_found() -> None:
    payloads = [b"", b"x" * 125, b"x" * 126, b"x" * 65_535]
    data = b"".join(map(frame, payloads)) + b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"y" * 70_000
    assert [payload for _, payload in frames(data)] == [*payloads, b"y" * 70_000]
    assert list(frames(data[:-1]))[-1][1] == payloads[-1]
