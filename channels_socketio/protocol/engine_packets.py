"""Engine.IO v4 packets: the first character is the type (https://socket.io/docs/v4/engine-io-protocol/).

A packet in its encoded form is `str` (type digit and data) or `bytes` (a binary message, which has
no digit). Every transport carries these two: WebSocket one in a frame, polling several in a body.
"""

import base64
import binascii
import enum
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .reasons import ProtocolError

Encoded = str | bytes

SEPARATOR = "\x1e"
BASE64_PREFIX = "b"
TEXT = "text/plain; charset=UTF-8"


class EngineType(enum.StrEnum):
    """The seven packet types and their digit on the wire."""

    OPEN = "0"
    CLOSE = "1"
    PING = "2"
    PONG = "3"
    MESSAGE = "4"
    UPGRADE = "5"
    NOOP = "6"


@dataclass(frozen=True, slots=True)
class EnginePacket:
    """One packet; `data` is `bytes` only in a binary message."""

    type: EngineType
    data: str | bytes = ""


TYPES = {str(kind): kind for kind in EngineType}


def encode_packet(packet: EnginePacket) -> Encoded:
    """Return the encoded form of `packet`."""
    if isinstance(packet.data, bytes):
        return packet.data
    return packet.type + packet.data


def decode_packet(encoded: Encoded) -> EnginePacket:
    """Return the packet that `encoded` stands for.

    Raises ProtocolError when the text is empty or its first character is no packet type.
    """
    if isinstance(encoded, bytes):
        return EnginePacket(EngineType.MESSAGE, encoded)
    kind = TYPES.get(encoded[:1])
    if kind is None:
        raise ProtocolError(f"expected a packet type 0 to 6, got {encoded[:1]!r}")
    return EnginePacket(kind, encoded[1:])


class Framing:
    """Engine.IO v4. `base64`: the peer cannot take binary WebSocket frames."""

    def __init__(self, base64: bool = False) -> None:
        self.base64 = base64

    def encode_frame(self, packet: Encoded) -> str | bytes:
        """Return the WebSocket frame of a packet."""
        if isinstance(packet, str):
            return packet
        # Daphne drops empty frames; as base64 text the same message is not empty.
        return self.to_base64(packet) if self.base64 or not packet else packet

    def decode_frame(self, frame: str | bytes) -> Encoded:
        """Return the packet in a WebSocket frame; raises ProtocolError."""
        if isinstance(frame, bytes) or not frame.startswith(BASE64_PREFIX):
            return frame
        return self.from_base64(frame)

    def encode_body(self, packets: Sequence[Encoded]) -> tuple[bytes, str]:
        """Return a polling body and its content type."""
        texts = (packet if isinstance(packet, str) else self.to_base64(packet) for packet in packets)
        return SEPARATOR.join(texts).encode(), TEXT

    def decode_body(self, body: bytes, content_type: str, most: int = sys.maxsize) -> list[Encoded]:
        """Return the packets in a polling body, at most the first `most`; raises ProtocolError."""
        if content_type == "application/octet-stream":
            raise ProtocolError("expected text, got application/octet-stream")
        return [self.decode_frame(part) for part in decode_text(body).split(SEPARATOR, most)[:most]]

    def to_base64(self, data: bytes) -> str:
        """Return a binary message as text."""
        return BASE64_PREFIX + base64.b64encode(data).decode()

    def from_base64(self, text: str) -> bytes:
        """Return the binary message in a text; raises ProtocolError."""
        return decode_base64(text.removeprefix(BASE64_PREFIX))


def decode_text(body: bytes) -> str:
    """Return a body as text; raises ProtocolError."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        raise ProtocolError("expected UTF-8") from None


def decode_base64(text: str) -> bytes:
    """Return the bytes that `text` stands for; raises ProtocolError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProtocolError("expected base64") from None
