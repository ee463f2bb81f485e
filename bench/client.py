"""A Socket.IO client that costs next to nothing, so that a thousand of them load one core only lightly.

Every client of a room must receive the same broadcast frames in the same order, byte for byte. So the first client
that gets a frame has it parsed and checked, and all others compare what arrives with what is known: one
`memcmp` for each read, however many frames it holds. What is no broadcast (handshake, pings, presence)
is parsed by each client for itself.
"""

import asyncio
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import cast

BROADCAST = b'42["new chat"'
NUMBER = re.compile(rb'"msg":"[^"]*: (\d+)"')
OPEN, JOIN, JOINED, PING, PONG = b"0", b"40", b"40", b"2", b"3"
HANDSHAKE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class WrongAnswerError(Exception):
    """The server did what it must not do; a figure for it would mean nothing."""


class Stream:
    """The broadcast frames that all clients must receive. Messages are numbers: 0, 1, 2 ..."""

    def __init__(self) -> None:
        self.data = bytearray()
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def count(self, position: int) -> int:
        """Return how many whole frames end at or before `position`."""
        begun = bisect_right(self._starts, position)
        return begun if position == len(self.data) else begun - 1

    def start_of_frame(self, position: int) -> int:
        """Return where the frame begins in which `position` lies."""
        begun = bisect_right(self._starts, position)
        return position if position == len(self.data) else self._starts[begun - 1]

    def take(self, frame: bytes, position: int) -> None:
        """Take a frame that a client received at `position`; raises WrongAnswerError when it does not belong there."""
        if position == len(self.data):
            found = NUMBER.search(frame)
            if found is None or int(found[1]) != len(self):
                raise WrongAnswerError(f"expected message {len(self)}, got {frame[:200]!r}")
            self._starts.append(position)
            self.data += frame
        elif not self.data.startswith(frame, position):
            raise WrongAnswerError(f"expected what other clients got, got {frame[:200]!r}")


class Client(asyncio.Protocol):
    """One listener. `joined` is done once it is in the room; `lost` is why its connection ended.

    `cookie` is the value of the header; `pings` counts the heartbeats that were answered.
    """

    def __init__(self, port: int, cookie: str) -> None:
        self.handshake = HANDSHAKE.format(port=port, cookie=cookie).encode()
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
        """Begin with a new stream; nothing of the old one may be under way."""
        self.stream, self.position = stream, 0

    def send(self, packet: bytes) -> None:
        """Send one text frame."""
        if self._transport is not None:
            self._transport.write(encode_frame(packet))

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
        return rest

    def _receive(self, frame: bytes, payload: bytes) -> None:
        if payload.startswith(BROADCAST):
            self.stream.take(frame, self.position)
            self.position += len(frame)
        elif payload == PING:
            self.pings += 1
            self.send(PONG)
        elif payload.startswith(JOINED):
            self.joined.set_result(None)
        elif payload.startswith(OPEN):
            self.send(JOIN)

    def _fail(self, error: Exception) -> None:
        self.lost = self.lost or error
        if not self.joined.done():
            self.joined.set_exception(error)


class Sender(Client):
    """A client that keeps a number of own messages in flight: it sends the next when one has come back.

    A message is a number of so many `digits`.
    """

    def __init__(self, port: int, cookie: str) -> None:
        super().__init__(port, cookie)
        self.sent = 0
        self.in_flight = 0
        self.digits = 20

    def follow(self, stream: Stream) -> None:
        """See Client."""
        super().follow(stream)
        self.sent = 0

    def keep_in_flight(self, messages: int) -> None:
        """Send, from now on, so that `messages` are in flight; 0 stops."""
        self.in_flight = messages
        self._fill()

    def say(self) -> None:
        """Send the next message."""
        self.send(f'42["send chat",{{"msg":"{self.sent:0{self.digits}}"}}]'.encode())
        self.sent += 1

    def data_received(self, data: bytes) -> None:
        """See Client."""
        super().data_received(data)
        self._fill()

    def _fill(self) -> None:
        for _ in range(self.received + self.in_flight - self.sent):
            self.say()


def encode_frame(payload: bytes) -> bytes:
    """Return a text frame of less than 64 KiB, masked with zeros: legal, and no work."""
    length = len(payload)
    size = bytes((0x80 | length,)) if length < 126 else b"\xfe" + length.to_bytes(2, "big")
    return b"\x81" + size + b"\0\0\0\0" + payload


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
