"""What is written to clients: engine packets made ready once for any number of them."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from ..protocol.engine_packets import Encoded, EnginePacket, EngineType, Framing
from ..protocol.engine_packets import encode_packet as encode_engine_packet
from ..protocol.socketio import encode_event

PLAIN = Framing()


class PreparedMessage:
    """Engine packets in order, and their size in bytes. It never changes. What transports make of it is kept."""

    __slots__ = ("_events", "_frames", "packets", "size")

    def __init__(self, packets: Sequence[Encoded], size: int | None = None) -> None:
        self.packets = packets
        self.size = size_of(packets) if size is None else size
        self._frames: bytes | None = None
        self._events: list[dict[str, Any]] | None = None

    @property
    def frames(self) -> bytes:
        """The packets as WebSocket frames of Engine.IO v4, ready for the wire."""
        if self._frames is None:
            # Only an empty packet is not its own frame.
            self._frames = b"".join([websocket_frame(packet or PLAIN.encode_frame(packet)) for packet in self.packets])
        return self._frames

    @property
    def events(self) -> list[dict[str, Any]]:
        """The packets as ASGI's `websocket.send` events of Engine.IO v4."""
        if self._events is None:
            self._events = [send_event(PLAIN.encode_frame(packet)) for packet in self.packets]
        return self._events


def join(messages: Sequence[PreparedMessage]) -> PreparedMessage:
    """Return one message with the packets of all."""
    if len(messages) == 1:
        return messages[0]
    packets = [packet for prepared in messages for packet in prepared.packets]
    return PreparedMessage(packets, sum([prepared.size for prepared in messages]))


def send_event(frame: str | bytes) -> dict[str, Any]:
    """Return the ASGI event that sends a WebSocket frame."""
    return {"type": "websocket.send", ("text" if isinstance(frame, str) else "bytes"): frame}


def websocket_frame(payload: str | bytes) -> bytes:
    """Return a whole, unmasked WebSocket frame (RFC 6455 section 5.2)."""
    opcode, data = (0x81, payload.encode()) if isinstance(payload, str) else (0x82, payload)
    length = len(data)
    if length < 126:
        return bytes((opcode, length)) + data
    if length < 65_536:
        return bytes((opcode, 126)) + length.to_bytes(2, "big") + data
    return bytes((opcode, 127)) + length.to_bytes(8, "big") + data


def event_packets(namespace: str, args: Sequence[Any], ack_id: int | None = None) -> tuple[list[Encoded], int]:
    """Return the engine packets of an event, and their size. `args` are its name and arguments, as for `to_json`.

    Raises TypeError or ValueError when the arguments hold what JSON cannot carry.
    """
    messages = encode_event(namespace, to_json(args), ack_id)
    packets = [encode_engine_packet(EnginePacket(EngineType.MESSAGE, message)) for message in messages]
    return packets, size_of(packets)


def size_of(packets: Sequence[Encoded]) -> int:
    """Return the size of packets in bytes. Raises ValueError for text that is no Unicode."""
    return sum(
        [len(packet) if isinstance(packet, bytes) or packet.isascii() else len(packet.encode()) for packet in packets]
    )


def to_json(args: Sequence[Any]) -> list[Any]:
    """Return `args` with structs, dates, UUIDs and the like as JSON values; bytes stay bytes."""
    return list(msgspec.to_builtins(tuple(args), builtin_types=(bytes, bytearray, memoryview)))


def change_offset(prepared: PreparedMessage, old: str, new: str) -> PreparedMessage:
    """Return the message of an event whose last argument is the offset `old`, with `new` in its place."""
    text = prepared.packets[0]
    end = _end(old)
    if not isinstance(text, str) or not text.endswith(end):
        raise ValueError(f"expected an event that ends in {end}")
    return PreparedMessage([text.removesuffix(end) + _end(new), *prepared.packets[1:]])


def _end(offset: str) -> str:
    return json.dumps(offset, ensure_ascii=False) + "]"
