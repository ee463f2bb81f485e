"""A WebSocket client that costs next to nothing, so that a thousand of them load one core only lightly.

Every client of a room must receive the same broadcast frames in the same order, byte for byte. So the first client
that gets a frame has it parsed and checked, and all others compare what arrives with what is known: one
`memcmp` for each read, however many frames it holds. What is no broadcast of this run (handshake, history, pings,
presence) is parsed by each client for itself.
"""

import asyncio
from collections.abc import Iterator
from typing import cast

from bench.dialect import Dialect, socket_io
from bench.stream import Stream, WrongAnswerError

OPEN, PING, PONG = b"0", b"2", b"3"  # of Engine.IO
REFUSED = b"44"  # of Socket.IO: no access to the namespace
WEBSOCKET_PING, WEBSOCKET_PONG = 0x89, 0x8A
SOCKET_IO = socket_io()


class Client(asyncio.Protocol):
    """One listener. `joined` is done once it is in the room; `lost` is why its connection ended.

    `cookie` is the value of the header; `pings` counts the heartbeats that were answered.
    """

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        self.dialect = dialect
        self.handshake = dialect.handshake(port, cookie)
        self.stream = Stream()
        self.position = 0
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: Exception | None = None
        self.pings = 0
        self._rest = b""
        self._upgraded = False
        self._transport: asyncio.Transport | None = None

    @property
    def received(self) -> int:
        """How many broadcasts of the present stream have arrived."""
        return self.stream.count(self.position)

    def follow(self, stream: Stream) -> None:
        """Begin with a new stream; no message of the old one may be under way."""
        self.stream, self.position = stream, 0

    def send(self, payload: bytes, kind: int = 0x81) -> None:
        """Send one frame, of text unless `kind` says otherwise."""
        if self._transport is not None:
            self._transport.write(encode_frame(payload, kind))

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol: ask for the upgrade."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self.handshake)

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol: compare, or parse what does not compare."""
        if not self._rest and self._upgraded and self.stream.data.startswith(data, self.position):
            self.position += len(data)
            return
        try:
            self._parse(data)
        except WrongAnswerError as error:
            self._fail(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._fail(exc or WrongAnswerError("the server closed the connection"))

    def _parse(self, data: bytes) -> None:
        start = self.stream.start_of_frame(self.position)
        data = self._rest + self.stream.data[start : self.position] + data
        self.position = start
        if not self._upgraded:
            data = self._upgrade(data)
        used = 0
        for end, payload in frames(data):
            self._receive(bytes(data[used:end]), payload)
            used = end
        self._rest = data[used:]

    def _upgrade(self, data: bytes) -> bytes:
        head, found, rest = data.partition(b"\r\n\r\n")
        if not found:
            return data
        if not head.startswith(b"HTTP/1.1 101 "):
            raise WrongAnswerError(f"expected the upgrade, got {data[:200]!r}")
        self._upgraded = True
        if self.dialect.join is None:
            self.joined.set_result(None)
        return rest

    def _receive(self, frame: bytes, payload: bytes) -> None:
        if frame[0] == WEBSOCKET_PING:
            self.send(payload, WEBSOCKET_PONG)
        elif payload.startswith(self.dialect.broadcast):
            if self.stream.take(frame, self.position):
                self.position += len(frame)
        elif self.dialect.join is not None:
            self._handle_engine(payload, self.dialect.join)

    def _handle_engine(self, payload: bytes, join: bytes) -> None:
        if payload == PING:
            self.pings += 1
            self.send(PONG)
        elif payload.startswith(REFUSED):
            raise WrongAnswerError(f"expected to join the room, got {payload[:200]!r}")
        elif payload.startswith(self.dialect.joined):
            self.joined.set_result(None)
        elif payload.startswith(OPEN):
            self.send(join)

    def _fail(self, error: Exception) -> None:
        self.lost = self.lost or error
        if not self.joined.done():
            self.joined.set_exception(error)


class Sender(Client):
    """A client that keeps a number of own messages in flight: it sends the next when one has come back.

    `author` is its number in the room, `digits` the length of the number in its messages; `sent` and `returned`
    count the messages of the present stream.
    """

    author = 0
    digits = 20

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        super().__init__(port, cookie, dialect)
        self.sent = self.returned = self.in_flight = 0
        self._seen = 0

    def follow(self, stream: Stream) -> None:
        """See Client."""
        super().follow(stream)
        self.sent = self.returned = self._seen = 0

    def keep_in_flight(self, messages: int) -> None:
        """Send, from now on, so that `messages` are in flight; 0 stops."""
        self.in_flight = messages
        self._fill()

    def say(self) -> None:
        """Send the next message."""
        self.send(self.dialect.say(self.stream.text(self.author, self.sent, self.digits)))
        self.sent += 1

    def data_received(self, data: bytes) -> None:
        """See Client."""
        super().data_received(data)
        received = self.received
        self.returned += self.stream.authors[self._seen : received].count(self.author)
        self._seen = received
        self._fill()

    def _fill(self) -> None:
        for _ in range(self.returned + self.in_flight - self.sent):
            self.say()


def encode_frame(payload: bytes, kind: int = 0x81) -> bytes:
    """Return a frame of less than 64 KiB, masked with zeros: legal, and no work."""
    length = len(payload)
    size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return bytes((kind,)) + size + b"\0\0\0\0" + payload


def frames(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the end and the payload of each whole frame in `data` (RFC 6455 section 5.2, from a server)."""
    start = 0
    while len(data) >= start + 2:
        length, head = data[start + 1], 2
        if length == 126:
            head = 4
        elif length == 127:
            head = 10
        if len(data) < start + head:
            return
        if head > 2:
            length = int.from_bytes(data[start + 2 : start + head], "big")
        end = start + head + length
        if len(data) < end:
            return
        yield end, bytes(data[start + head : end])
        start = end
