"""A Socket.IO client by long-polling that costs next to nothing: one kept-alive connection, on which a poll is held.

What a poll brings is answered before the next poll goes out, so a heartbeat is three requests' worth of work for
the server: the end of a poll, a POST, a new poll. The official clients do the same, the POST on a second connection.
"""

import asyncio
import json
from typing import cast

from bench.client import OPEN, PING, PONG, SOCKET_IO
from bench.dialect import Dialect
from bench.stream import Stream, WrongAnswerError, read

PATH = "/socket.io/?EIO=4&transport=polling"
SEPARATOR = b"\x1e"


class Poller(asyncio.Protocol):
    """One listener: `joined`, `lost`, `pings` and `received` are as in Client; `held` says whether a poll is out."""

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        self.dialect = dialect
        self.headers = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
        self.path = PATH
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.lost: Exception | None = None
        self.pings = 0
        self.follow(Stream())
        self.held = False
        self._answer = b""  # what has to be posted before the next poll
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def follow(self, stream: Stream) -> None:
        """Begin with a new stream; no message of the old one may be under way."""
        self.run, self.received = stream.run, 0

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Part of asyncio.Protocol: ask for the handshake."""
        self._transport = cast(asyncio.Transport, transport)
        self._get()

    def data_received(self, data: bytes) -> None:
        """Part of asyncio.Protocol."""
        self._buffer += data
        try:
            body = whole_body(self._buffer)
            if body is None:
                return
            self._buffer = b""
            if self.held:
                self.held = False
                for packet in body.split(SEPARATOR):
                    self._receive(packet)
            elif body.lower() != b"ok":
                raise WrongAnswerError(f"expected ok for a POST, got {body[:200]!r}")
        except WrongAnswerError as error:
            self._fail(error)
            self.close()
            return
        if self._answer:
            self._post()
        else:
            self._get()

    def connection_lost(self, exc: Exception | None) -> None:
        """Part of asyncio.Protocol."""
        self._fail(exc or WrongAnswerError("the server closed the connection"))

    def _receive(self, packet: bytes) -> None:
        if packet.startswith(self.dialect.broadcast):
            self._count(packet)
        elif packet == PING:
            self.pings += 1
            self._answer = PONG
        elif packet.startswith(self.dialect.joined):
            self.joined.set_result(None)
        elif packet.startswith(OPEN):
            self.path = f"{PATH}&sid={json.loads(packet[1:])['sid']}"
            self._answer = self.dialect.join or b""
        elif not packet.startswith(b"42"):
            raise WrongAnswerError(f"expected a packet, got {packet[:200]!r}")

    def _count(self, packet: bytes) -> None:
        _, number = read(packet, self.run)
        if number is None:
            return  # it was said before
        if number != self.received:
            raise WrongAnswerError(f"expected message {self.received}, got {packet[:200]!r}")
        self.received += 1

    def _get(self) -> None:
        self.held = True
        self._write(f"GET {self.path}{self.headers}\r\n".encode())

    def _post(self) -> None:
        head = f"POST {self.path}{self.headers}Content-Type: text/plain;charset=UTF-8\r\n"
        self._write(f"{head}Content-Length: {len(self._answer)}\r\n\r\n".encode() + self._answer)
        self._answer = b""

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _fail(self, error: Exception) -> None:
        self.lost = self.lost or error
        if not self.joined.done():
            self.joined.set_exception(error)


def whole_body(data: bytes) -> bytes | None:
    """Return the body of an HTTP answer, None while it is not complete; raises WrongAnswerError unless it is a 200."""
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        return None
    if not head.startswith(b"HTTP/1.1 200 "):
        raise WrongAnswerError(f"expected the status 200, got {data[:300]!r}")
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if (length := headers.get(b"content-length")) is not None:
        return rest if len(rest) >= int(length) else None
    return unchunk(rest)


def unchunk(data: bytes) -> bytes | None:
    """Return the body of chunked data, None while its end is missing (RFC 9112 section 7.1)."""
    body = b""
    while True:
        line, found, data = data.partition(b"\r\n")
        if not found:
            return None
        size = int(line, 16)
        if len(data) < size + 2:
            return None
        if not size:
            return body
        body, data = body + data[:size], data[size + 2 :]
