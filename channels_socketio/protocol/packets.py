"""Socket.IO v5 packets (https://socket.io/docs/v4/socket-io-protocol/).

Grammar of the text: ``type [attachments "-"] [namespace ","] [ack-id] [JSON]``. Bytes inside the
JSON stand as ``{"_placeholder":true,"num":i}`` and follow the text as binary messages.
"""

import enum
import json
import math
import re
import reprlib
from dataclasses import dataclass
from typing import Any

from .reasons import ProtocolError

MAX_ATTACHMENTS = 10
MAX_DEPTH = 100  # of nesting in a payload with attachments, which is searched for placeholders
MAIN_NAMESPACE = "/"
RESERVED_EVENTS = frozenset(
    {"connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"}
)
# Ids are counters: 15 digits are more than JavaScript can count to exactly.
HEAD = re.compile(r"(?P<type>[0-6])(?:(?P<attachments>[0-9]{1,9})-)?(?:(?P<namespace>/[^,]*)(?:,|\Z))?(?P<id>[0-9]*)")
MAX_ID_DIGITS = 15
ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


class PacketType(enum.IntEnum):
    """The seven packet types and their digit on the wire."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


BINARY_TYPES = {PacketType.EVENT: PacketType.BINARY_EVENT, PacketType.ACK: PacketType.BINARY_ACK}
PLAIN_TYPES = {binary: plain for plain, binary in BINARY_TYPES.items()}


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet. `type` is never a binary one: whether bytes are inside shows on the wire only.

    `data`: an object for CONNECT (`{}` if there was none) and CONNECT_ERROR, None for DISCONNECT, a
    list for EVENT (name first) and ACK. `attachments` counts binary messages still to come.
    """

    type: PacketType
    namespace: str = MAIN_NAMESPACE
    data: Any = None
    id: int | None = None
    attachments: int = 0


def encode_packet(packet: Packet) -> list[str | bytes]:
    """Return the text and the binary messages of `packet`, to be sent in this order.

    Raises TypeError or ValueError when the data holds what JSON cannot carry (NaN included) or more bytes
    objects than the peer's decoder takes.
    """
    binary: list[str | bytes] = []

    def extract(value: object) -> dict[str, object]:
        if not isinstance(value, bytes | bytearray | memoryview):
            raise TypeError(f"expected JSON values and bytes, got {type(value).__name__}")
        if packet.type not in BINARY_TYPES:
            raise TypeError(f"expected no bytes in packet type {packet.type.value}")
        if len(binary) == MAX_ATTACHMENTS:
            raise ValueError(f"expected at most {MAX_ATTACHMENTS} attachments, got more")
        binary.append(bytes(value))
        return {"_placeholder": True, "num": len(binary) - 1}

    payload = (
        ""
        if packet.data is None
        else json.dumps(packet.data, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=extract)
    )
    kind = BINARY_TYPES[packet.type] if binary else packet.type
    count = f"{len(binary)}-" if binary else ""
    namespace = "" if packet.namespace == MAIN_NAMESPACE else f"{packet.namespace},"
    number = "" if packet.id is None else str(packet.id)
    return [f"{kind.value}{count}{namespace}{number}{payload}", *binary]


def decode_packet(text: str) -> Packet:
    """Return the packet that `text` begins; placeholders stay until `fill_placeholders`.

    Raises ProtocolError for any text that is no valid packet.
    """
    head = HEAD.match(text)
    if head is None:
        raise ProtocolError(f"expected a packet type 0 to 6, got {text[:1]!r}")
    kind = PacketType(int(head["type"]))
    digits = head["attachments"]
    attachments = 0 if digits is None and kind not in PLAIN_TYPES else _decode_attachments(kind, digits)
    packet_id = _decode_id(kind, head["id"])
    namespace, rest = head["namespace"] or MAIN_NAMESPACE, text[head.end() :]
    kind = PLAIN_TYPES.get(kind, kind)
    return Packet(kind, namespace.partition("?")[0], _decode_data(kind, rest), packet_id, attachments)


def fill_placeholders(packet: Packet, attachments: list[bytes]) -> Packet:
    """Return `packet` with its placeholders replaced by the `attachments` they number.

    Raises ProtocolError for a number out of range and for nesting deeper than MAX_DEPTH.
    """
    data = _fill(packet.data, attachments, MAX_DEPTH)
    return Packet(packet.type, packet.namespace, data, packet.id)


def _decode_attachments(kind: PacketType, digits: str | None) -> int:
    if kind not in PLAIN_TYPES:
        raise ProtocolError(f"expected no attachments in packet type {kind.value}, got {digits}")
    if digits is None:
        raise ProtocolError(f"expected a number of attachments and '-' in packet type {kind.value}")
    if int(digits) > MAX_ATTACHMENTS:
        raise ProtocolError(f"expected at most {MAX_ATTACHMENTS} attachments, got {digits}")
    return int(digits)


def _decode_id(kind: PacketType, digits: str) -> int | None:
    if len(digits) > MAX_ID_DIGITS:
        raise ProtocolError(f"expected an id of at most {MAX_ID_DIGITS} digits, got {len(digits)}")
    acknowledges = kind in (PacketType.ACK, PacketType.BINARY_ACK)
    if acknowledges and not digits:
        raise ProtocolError("expected an id in an ack, got none")
    if digits and not acknowledges and kind not in (PacketType.EVENT, PacketType.BINARY_EVENT):
        raise ProtocolError(f"expected no id in packet type {kind.value}, got {digits}")
    return int(digits) if digits else None


def _decode_data(kind: PacketType, text: str) -> Any:
    data = _decode_json(text) if text else None
    match kind:
        case PacketType.DISCONNECT if text:
            raise ProtocolError("expected no payload in a disconnect packet")
        case PacketType.CONNECT if not text:
            return {}
        case PacketType.CONNECT if not isinstance(data, dict):
            raise ProtocolError(f"expected an object as auth, got {type(data).__name__}")
        case PacketType.CONNECT_ERROR if not isinstance(data, dict | str):
            raise ProtocolError(f"expected an object as error, got {type(data).__name__}")
        case PacketType.ACK if not isinstance(data, list):
            raise ProtocolError(f"expected a list in an ack, got {type(data).__name__}")
        case PacketType.EVENT:
            _check_event(data)
    return data


def _check_event(data: Any) -> None:
    if not isinstance(data, list) or not data:
        raise ProtocolError("expected a list with an event name first")
    name = data[0]
    if isinstance(name, bool) or not isinstance(name, str | int | float):
        raise ProtocolError(f"expected a text or number as event name, got {type(name).__name__}")
    if name in RESERVED_EVENTS:
        raise ProtocolError(f"expected an event name that is not reserved, got {name!r}")


def _decode_json(text: str) -> Any:
    try:
        data = json.loads(text, parse_float=_decode_float, parse_constant=_refuse_constant)
        # Half a surrogate pair can be written in JSON but not in UTF-8, so it could not be sent on.
        return _replace_surrogates(data) if ESCAPED_SURROGATE.search(text) else data
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"expected JSON: {type(error).__name__}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _decode_float(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number beyond 1.8e308 could not be sent on")
    return number


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value


def _fill(value: Any, attachments: list[bytes], depth: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if depth == 0:
        raise ProtocolError(f"expected at most {MAX_DEPTH} levels of nesting in a binary packet")
    if isinstance(value, list):
        return [_fill(item, attachments, depth - 1) for item in value]
    if value.get("_placeholder") is not True:
        return {key: _fill(item, attachments, depth - 1) for key, item in value.items()}
    number = value.get("num")
    if type(number) is not int or not 0 <= number < len(attachments):
        raise ProtocolError(
            f"expected the number of an attachment below {len(attachments)}, got {reprlib.repr(number)}"
        )
    return attachments[number]
