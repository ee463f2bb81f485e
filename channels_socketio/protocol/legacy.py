"""Engine.IO v3 and Socket.IO v4 and older, which the JavaScript clients 1.x and 2.x speak.

Here the client pings, the server joins it to the main namespace by itself, and polling bodies count
characters or bytes instead of separating packets.

The two differ in one thing that no handshake tells: in a text body, 1.x takes each character for a byte of UTF-8, on
the way in and out. What is sent is therefore JSON in ASCII, which both understand. What comes in is read as
bytes if that gives UTF-8. The price: a 2.x client that polls cannot say "Ã¼", it becomes "ü".
https://github.com/socketio/engine.io-protocol/tree/v3, https://github.com/socketio/socket.io-protocol/tree/v4
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from .engine import EngineProtocol, PongReceived
from .engine_packets import TEXT, Encoded, EnginePacket, EngineType, Framing, decode_base64, decode_text
from .packets import MAIN_NAMESPACE, Packet, PacketType
from .reasons import ProtocolError, Reason
from .socketio import SocketIOOptions, SocketIOProtocol

BINARY = "application/octet-stream"
MESSAGE_BYTE = b"\x04"
LENGTH = re.compile(r"([0-9]{1,10}):")
LENGTH_END = 255
JSON_START = re.compile(r'[\[{"]')
NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
MAX_LENGTH_DIGITS = 10


class LegacyFraming(Framing):
    """Engine.IO v3. Lengths in text bodies count UTF-16 code units, as JavaScript does."""

    def encode_frame(self, packet: Encoded) -> str | bytes:
        """Return the WebSocket frame of a packet: a binary one starts with its type."""
        if isinstance(packet, str):
            return packet
        return self.to_base64(packet) if self.base64 else MESSAGE_BYTE + packet

    def decode_frame(self, frame: str | bytes) -> Encoded:
        """Return the packet in a WebSocket frame; raises ProtocolError."""
        if isinstance(frame, str):
            return super().decode_frame(frame)
        if frame[:1] != MESSAGE_BYTE:
            raise ProtocolError(f"expected a binary message, got type byte {frame[:1]!r}")
        return frame[1:]

    def encode_body(self, packets: Sequence[Encoded]) -> tuple[bytes, str]:
        """Return a polling body, of bytes only when there is a binary packet that may be sent as such."""
        if not self.base64 and any(isinstance(packet, bytes) for packet in packets):
            return b"".join(_encode_bytes(packet) for packet in packets), BINARY
        texts = [_to_ascii(packet) if isinstance(packet, str) else self.to_base64(packet) for packet in packets]
        return "".join(f"{_utf16_length(text)}:{text}" for text in texts).encode(), TEXT

    def decode_body(self, body: bytes, content_type: str, most: int = sys.maxsize) -> list[Encoded]:
        """Return the packets in a polling body, at most the first `most`; raises ProtocolError."""
        packets = _decode_bytes(body, self) if content_type == BINARY else _decode_text(decode_text(body), self)
        return list(islice(packets, most))

    def to_base64(self, data: bytes) -> str:
        """Return a binary message as text, with its type behind the `b`."""
        return "b4" + super().to_base64(data)[1:]

    def from_base64(self, text: str) -> bytes:
        """Return the binary message in a text; raises ProtocolError."""
        if not text.startswith("b4"):
            raise ProtocolError(f"expected a binary message, got {text[:2]!r}")
        return decode_base64(text[2:])


class LegacyEngineProtocol(EngineProtocol):
    """The client pings; silence for interval and timeout together ends the session.

    A client's ping does not say what it has received, so flow control is coarse: what was sent before
    the last ping but one counts as received.
    """

    framing_class = LegacyFraming

    def send_ping(self, now: float) -> None:
        """Do nothing: the client pings."""

    def handle_timeout(self, now: float) -> None:
        """Close after too long a silence; early calls do nothing."""
        if now >= self._deadline:
            self.close(Reason.PING_TIMEOUT, "no packet within ping interval and timeout")

    def extend(self, now: float) -> None:
        """Give the peer its whole time again."""
        self._move("ping")
        self._deadline = now + self.options.ping_interval + self.options.ping_timeout

    def _receive_packet(self, packet: EnginePacket, now: float) -> None:
        self.extend(now)
        if packet.type is EngineType.PING:
            self._queue(EnginePacket(EngineType.PONG, packet.data))
            self._events.append(PongReceived())
        elif packet.type is not EngineType.PONG:
            super()._receive_packet(packet, now)


class LegacySocketIOProtocol(SocketIOProtocol):
    """The main namespace is joined without being asked for; refusals are bare texts; there is no auth."""

    def __init__(self, options: SocketIOOptions, now: float) -> None:
        super().__init__(options, now)
        self._receive_connect(Packet(PacketType.CONNECT, MAIN_NAMESPACE, {}))

    def accept(self, namespace: str, sid: str, pid: str | None = None) -> None:
        """Answer a ConnectRequested; the client takes the engine id for its own and knows no recovery."""
        self._move(namespace, "accept")
        self._connect_deadline = None
        self._send(Packet(PacketType.CONNECT, namespace))

    def refuse(self, namespace: str, error: dict[str, Any]) -> None:
        """Answer a ConnectRequested with the message of `error`."""
        self._move(namespace, "refuse")
        self._send(Packet(PacketType.CONNECT_ERROR, namespace, error["message"]))

    def _receive_connect(self, packet: Packet) -> None:
        if packet.namespace != MAIN_NAMESPACE or packet.namespace not in self._namespaces:
            super()._receive_connect(packet)


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _to_ascii(packet: str) -> str:
    """Return a packet with all characters of its JSON that are not ASCII escaped."""
    start = None if packet.isascii() else JSON_START.search(packet)
    if start is None:
        return packet
    head, data = packet[: start.start()], packet[start.start() :]
    return head + NOT_ASCII.sub(lambda found: json.dumps(found[0])[1:-1], data)


def _from_bytes_as_text(packet: str) -> str:
    """Return a packet whose characters are the bytes of UTF-8 as what these say, any other as it is."""
    try:
        return packet if packet.isascii() else packet.encode("latin-1").decode()
    except UnicodeError:
        return packet


def _encode_bytes(packet: Encoded) -> bytes:
    kind, data = (0, packet.encode()) if isinstance(packet, str) else (1, MESSAGE_BYTE + packet)
    digits = bytes(int(digit) for digit in str(len(data)))
    return bytes([kind]) + digits + bytes([LENGTH_END]) + data


def _decode_bytes(body: bytes, framing: Framing) -> Iterator[Encoded]:
    start = 0
    while start < len(body):
        mark = body.find(bytes([LENGTH_END]), start, start + MAX_LENGTH_DIGITS + 2)
        kind, digits = body[start], body[start + 1 : max(mark, 0)]
        if kind > 1 or not digits or max(digits) > 9:
            raise ProtocolError("expected the kind and length of a packet")
        length = int("".join(map(str, digits)))
        data = body[mark + 1 : mark + 1 + length]
        if len(data) < length:
            raise ProtocolError(f"expected {length} bytes, got {len(data)}")
        yield framing.decode_frame(data if kind else decode_text(data))
        start = mark + 1 + length


def _decode_text(text: str, framing: Framing) -> Iterator[Encoded]:
    units = text.encode("utf-16-le")
    start = 0
    while start < len(units):
        found = LENGTH.match(units[start : start + 2 * MAX_LENGTH_DIGITS + 2].decode("utf-16-le", "replace"))
        if found is None:
            raise ProtocolError("expected the length of a packet")
        start += found.end() * 2
        end = start + int(found[1]) * 2
        if end > len(units):
            raise ProtocolError(f"expected {found[1]} characters, got {(len(units) - start) // 2}")
        yield framing.decode_frame(_from_bytes_as_text(_from_utf16(units[start:end])))
        start = end


def _from_utf16(units: bytes) -> str:
    try:
        return units.decode("utf-16-le")
    except UnicodeDecodeError:
        raise ProtocolError("expected a length that does not split a character") from None
