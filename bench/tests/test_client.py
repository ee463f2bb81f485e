"""Clients that are fed by hand."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bench.client import Client, Sender, encode_frame, frames
from bench.crowd import let_pass
from bench.dialect import plain, socket_io
from bench.stream import Stream, WrongAnswerError

UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


class WSClient(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def abort(self) -> None:
        self.aborted = True


NewClient = Callable[..., tuple[Any, WSClient]]


def frame(payload: bytes) -> bytes:
    """Return a text frame as a server sends it."""
    length = len(payload)
    head = bytes((0x81, length)) if length < 126 else b"\x81\x7e" + length.to_bytes(2, "big")
    return head + payload


def chat(stream: Stream, number: int, padding: int = 0, author: int = 0) -> bytes:
    """Return the frame of message `number`."""
    text = stream.text(author, number, digits=20).encode()
    return frame(b'42["new chat",{"msg":"7: %s","room":"%s"},"%d.0./"]' % (text, b"x" * padding, number))


def enter(client: Client) -> WSClient:
    """Let a client into the room; return its transport."""
    wire = WSClient()
    client.connection_made(wire)
    client.data_received(UPGRADED + frame(b"0{}") + frame(b'40{"sid":"x"}') + frame(b'42["welcome",{}]'))
    assert client.joined.done()
    wire.written.clear()
    return wire


@pytest.fixture
def new_client() -> NewClient:
    """Make clients that follow `stream` and are in the room."""

    def make(stream: Stream, kind: type[Client] = Client) -> tuple[Any, WSClient]:
        client = kind(1, "key")
        client.follow(stream)
        return client, enter(client)

    return make


@pytest.mark.parametrize("cut", range(1, 400, 7))
async def test_every_client_counts_every_message_however_the_bytes_are_cut(new_client: NewClient, cut: int) -> None:
    stream = Stream()
    bytes_ = b"".join([chat(stream, 0), chat(stream, 1, padding=200), chat(stream, 2), chat(stream, 3)])
    for client, _ in (new_client(stream) for _ in range(3)):
        for start in range(0, len(bytes_), cut):
            client.data_received(bytes_[start : start + cut])
        assert client.received == len(stream) == 4
        assert client.lost is None


@pytest.mark.parametrize("cut", range(1, 400, 7))
async def test_a_ping_between_messages_is_answered_and_not_counted(new_client: NewClient, cut: int) -> None:
    stream = Stream()
    first, _ = new_client(stream)
    first.data_received(chat(stream, 0) + chat(stream, 1, padding=200) + chat(stream, 2))
    client, wire = new_client(stream)
    bytes_ = chat(stream, 0) + frame(b"2") + chat(stream, 1, padding=200) + frame(b"2") + chat(stream, 2)
    for start in range(0, len(bytes_), cut):
        client.data_received(bytes_[start : start + cut])
    assert client.received == 3
    assert wire.written == [encode_frame(b"3")] * 2


@pytest.mark.parametrize(("number", "padding"), [(0, 0), (2, 0), (0, 5)], ids=["doubled", "left out", "changed"])
async def test_a_message_out_of_order_is_an_error_for_the_first_who_gets_it(
    new_client: NewClient, number: int, padding: int
) -> None:
    stream = Stream()
    client, wire = new_client(stream)
    client.data_received(chat(stream, 0) + chat(stream, number, padding))
    assert isinstance(client.lost, WrongAnswerError)
    assert wire.aborted


@pytest.mark.parametrize(("number", "padding"), [(0, 0), (2, 0), (1, 5)], ids=["doubled", "left out", "changed"])
async def test_a_message_out_of_order_is_an_error_for_those_who_compare(
    new_client: NewClient, number: int, padding: int
) -> None:
    stream = Stream()
    first, _ = new_client(stream)
    first.data_received(chat(stream, 0) + chat(stream, 1) + chat(stream, 2))
    client, wire = new_client(stream)
    client.data_received(chat(stream, 0) + chat(stream, number, padding))
    assert isinstance(client.lost, WrongAnswerError)
    assert wire.aborted


async def test_the_sender_keeps_so_many_in_flight(new_client: NewClient) -> None:
    stream = Stream()
    sender, wire = new_client(stream, Sender)
    sender.keep_in_flight(2)
    assert (len(wire.written), sender.sent) == (2, 2)
    sender.data_received(chat(stream, 0))
    assert (len(wire.written), sender.sent) == (3, 3)
    sender.keep_in_flight(0)
    sender.data_received(chat(stream, 1) + chat(stream, 2))
    assert (sender.sent, sender.received) == (3, 3)


async def test_what_a_server_remembers_of_earlier_runs_is_no_message_of_this_one(new_client: NewClient) -> None:
    earlier, stream = Stream(), Stream()
    client, _ = new_client(earlier)
    client.data_received(chat(earlier, 0) + chat(earlier, 1))
    client.follow(stream)
    client.data_received(chat(earlier, 2) + chat(stream, 0))
    other, _ = new_client(stream)
    other.data_received(chat(earlier, 1) + chat(stream, 0) + chat(stream, 1))
    assert (client.received, other.received, len(stream)) == (1, 2, 2)
    assert client.lost is None


async def test_of_several_who_send_each_counts_its_own(new_client: NewClient) -> None:
    stream = Stream()
    senders = [new_client(stream, Sender)[0] for _ in range(2)]
    for author, sender in enumerate(senders):
        sender.author = author
        sender.keep_in_flight(1)
    for sender in senders:
        sender.data_received(chat(stream, 0, author=1) + chat(stream, 0))
        sender.data_received(chat(stream, 1, author=1))
    assert [(sender.returned, sender.sent, sender.received) for sender in senders] == [(1, 2, 3), (2, 3, 3)]


async def test_rooms_of_socket_io_are_namespaces() -> None:
    client, wire, stream = Sender(1, "key", socket_io("room-1")), WSClient(), Stream()
    client.connection_made(wire)
    client.data_received(UPGRADED + frame(b"0{}"))
    assert wire.written[-1] == encode_frame(b"40/rooms/room-1,")
    client.data_received(frame(b'40/rooms/room-1,{"sid":"x"}'))
    assert client.joined.done()
    client.follow(stream)
    client.keep_in_flight(1)
    text = stream.text(0, 0, digits=20)
    assert wire.written[-1] == encode_frame(f'42/rooms/room-1,["send chat",{{"msg":"{text}"}}]'.encode())
    client.data_received(frame(f'42/rooms/room-1,["new chat",{{"msg":"7: {text}"}}]'.encode()))
    assert client.received == 1


async def test_a_refused_room_is_the_reason_why_nobody_joined() -> None:
    client = Client(1, "key", socket_io("room-1"))
    client.connection_made(WSClient())
    client.data_received(UPGRADED + frame(b"0{}") + frame(b'44/rooms/room-1,{"message":"Unknown room."}'))
    with pytest.raises(WrongAnswerError, match="Unknown room"):
        await client.joined


async def test_where_the_websocket_is_the_room_the_upgrade_is_enough() -> None:
    client, wire, stream = Sender(1, "key", plain("/ws/chat/lobby/")), WSClient(), Stream()
    client.connection_made(wire)
    assert wire.written[0].startswith(b"GET /ws/chat/lobby/ HTTP/1.1\r\n")
    client.data_received(UPGRADED)
    assert client.joined.done()
    client.follow(stream)
    client.keep_in_flight(1)
    text = stream.text(0, 0, digits=20)
    assert wire.written[-1] == encode_frame(f'{{"msg": "{text}"}}'.encode())
    client.data_received(frame(f'{{"msg": "7: {text}"}}'.encode()) + b"\x89\x02hi")
    assert client.received == 1
    assert encode_frame(b"hi", kind=0x8A) in wire.written


async def test_a_refused_upgrade_is_the_reason_why_nobody_joined() -> None:
    client = Client(1, "key")
    client.connection_made(WSClient())
    client.data_received(b'HTTP/1.1 403 Forbidden\r\n\r\n{"code":4,"message":"No cookie transmitted."}')
    with pytest.raises(WrongAnswerError, match="No cookie transmitted"):
        await client.joined


def test_frames_of_all_lengths_are_found() -> None:
    payloads = [b"", b"x" * 125, b"x" * 126, b"x" * 65_535]
    data = b"".join(map(frame, payloads)) + b"\x81\x7f" + (70_000).to_bytes(8, "big") + b"y" * 70_000
    assert [payload for _, payload in frames(data)] == [*payloads, b"y" * 70_000]
    assert list(frames(data[:-1]))[-1][1] == payloads[-1]


async def test_a_window_lasts_until_a_message_came_back(new_client: NewClient) -> None:
    stream = Stream()
    sender, _ = new_client(stream, Sender)
    sender.keep_in_flight(1)
    window = asyncio.create_task(let_pass(0, [sender]))
    _, pending = await asyncio.wait([window], timeout=0.1)
    assert pending
    sender.data_received(chat(stream, 0))
    await asyncio.wait_for(window, 5)
