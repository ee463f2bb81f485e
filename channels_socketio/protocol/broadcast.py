"""An event made ready once for any number of sockets: both protocols' encoding in one step."""

from collections.abc import Sequence
from typing import Any

from .engine_packets import Encoded, EnginePacket, EngineType
from .engine_packets import encode_packet as encode_engine_packet
from .socketio import encode_event


def measure(packets: Sequence[Encoded]) -> int:
    """Return the size of `packets` in bytes."""
    return sum(
        len(packet) if isinstance(packet, bytes) or packet.isascii() else len(packet.encode()) for packet in packets
    )


def encode_broadcast(namespace: str, args: Sequence[Any], ack_id: int | None = None) -> tuple[tuple[Encoded, ...], int]:
    """Return the engine packets of an event (`args`: name first) and their size in bytes.

    Raises TypeError or ValueError when the arguments hold what JSON cannot carry.
    """
    messages = encode_event(namespace, args, ack_id)
    packets = tuple(encode_engine_packet(EnginePacket(EngineType.MESSAGE, message)) for message in messages)
    return packets, measure(packets)
