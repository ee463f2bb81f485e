"""Engine.IO v4 packets: the first character is the type (https://socket.io/docs/v4/engine-io-protocol/).

A packet in its encoded form is `str` (type digit and data) or `bytes` (a binary message, which has
no digit). Every transport carries these two: WebSocket one in a frame, polling several in a body.
"""

import enum
from dataclasses import dataclass

from .reasons import ProtocolError

Encoded = str | bytes


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
