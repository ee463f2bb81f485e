"""The server's half of one Engine.IO v4 session: open, heartbeat, messages, close.

Flow control uses the heartbeat: a client answers pings in order, so a pong says that
everything written before its ping has arrived. The alternative, asking each ASGI server how much
it has buffered, has no answer on Daphne and none for polling. The price is an early ping for
every half budget of bytes.
"""

import enum
import functools
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from .engine_packets import Encoded, EnginePacket, EngineType, Framing, decode_packet, encode_packet
from .reasons import ProtocolError, Reason


class EngineState(enum.Enum):
    """An engine session is open from the start, has been pinged while a pong is due, and closes once."""

    OPEN = "open"
    PINGED = "pinged"
    CLOSED = "closed"


OPEN, PINGED, CLOSED = EngineState
TRANSITIONS = {
    OPEN: {"ping": PINGED, "close": CLOSED},
    PINGED: {"pong": OPEN, "close": CLOSED},
    CLOSED: {},
}


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Times in seconds, sizes in bytes."""

    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    max_payload: int = 1_000_000


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """The peer sent a message."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class PongReceived:
    """All that was sent before the last ping has reached the peer."""


@dataclass(frozen=True, slots=True)
class EngineClosed:
    """The session is over; nothing may be sent any more. `detail` is for the log."""

    reason: Reason
    detail: str = ""


EngineEvent = MessageReceived | PongReceived | EngineClosed


class EngineProtocol:
    """One engine session. Times (`now`, deadlines) are seconds of any monotonic clock; for `base64` see Framing."""

    framing_class = Framing

    def __init__(
        self, sid: str, options: EngineOptions, now: float, upgrades: Sequence[str] = (), base64: bool = False
    ) -> None:
        self.sid = sid
        self.framing = self.framing_class(base64)
        self.options = options
        self.state = OPEN
        self.extend(now)
        self._events: list[EngineEvent] = []
        self._packets: list[Encoded] = [self._open_packet(upgrades)]

    def receive_data(self, data: Encoded, now: float) -> None:
        """Take one encoded packet from the peer; after the close it is ignored."""
        if self.state is CLOSED:
            return
        try:
            self._check_size(data)
            self._receive_packet(decode_packet(data), now)
        except ProtocolError as error:
            self.close(error.reason, str(error))

    def receive_frame(self, frame: str | bytes, now: float) -> None:
        """Take one WebSocket frame from the peer."""
        try:
            self.receive_data(self.framing.decode_frame(frame), now)
        except ProtocolError as error:
            self.close(error.reason, str(error))

    def split_body(self, body: bytes, content_type: str, most: int = sys.maxsize) -> list[Encoded]:
        """Return the first `most` packets in a polling body, for `receive_data`; closes when it is none."""
        try:
            return self.framing.decode_body(body, content_type, most)
        except ProtocolError as error:
            self.close(error.reason, str(error))
            return []

    def events_received(self) -> list[EngineEvent]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> list[Encoded]:
        """Return the encoded packets to write, in order."""
        packets, self._packets = self._packets, []
        return packets

    def next_deadline(self) -> float | None:
        """Return when `handle_timeout` is due, None once closed."""
        return None if self.state is CLOSED else self._deadline

    def handle_timeout(self, now: float) -> None:
        """Ping the peer, or close when the last ping has no answer; early calls do nothing."""
        if self.state is CLOSED or now < self._deadline:
            return
        if self.state is PINGED:
            self.close(Reason.PING_TIMEOUT, f"no pong within {self.options.ping_timeout:g} s")
        else:
            self.send_ping(now)

    def send_message(self, data: str | bytes) -> None:
        """Queue a message."""
        self._queue(EnginePacket(EngineType.MESSAGE, data))

    def send_ping(self, now: float) -> None:
        """Queue a ping unless one is unanswered; the pong is due within `ping_timeout`."""
        if self._move("ping"):
            self._queue(EnginePacket(EngineType.PING))
            self._deadline = now + self.options.ping_timeout

    def extend(self, now: float) -> None:
        """Give the peer its whole time again: the driver has not been reading what it sent."""
        self._deadline = now + (self.options.ping_timeout if self.state is PINGED else self.options.ping_interval)

    def close(self, reason: Reason, detail: str = "") -> None:
        """End the session; `detail` is for the log."""
        if self._move("close"):
            self._events.append(EngineClosed(reason, detail))

    def _receive_packet(self, packet: EnginePacket, now: float) -> None:
        match packet.type:
            case EngineType.MESSAGE:
                self._events.append(MessageReceived(packet.data))
            case EngineType.PONG:
                if self._move("pong"):
                    self.extend(now)
                    self._events.append(PongReceived())
            case EngineType.CLOSE:
                self.close(Reason.TRANSPORT_CLOSE, "close packet")
            case EngineType.NOOP:
                pass
            case _:
                raise ProtocolError(f"expected a message, pong or close, got packet type {packet.type}")

    def _check_size(self, data: Encoded) -> None:
        limit = self.options.max_payload
        # A character is at most 4 bytes: short text needs no encoding to be measured.
        if len(data) * 4 <= limit:
            return
        size = len(data.encode("utf-8", "surrogatepass")) if isinstance(data, str) else len(data)
        if size > limit:
            raise ProtocolError(f"expected at most {limit} bytes, got {size}", Reason.PAYLOAD_TOO_LARGE)

    def _move(self, event: str) -> bool:
        """Go on to the next state; return False when `event` changes nothing in this one."""
        before, self.state = self.state, TRANSITIONS[self.state].get(event, self.state)
        return self.state is not before

    def _queue(self, packet: EnginePacket) -> None:
        if self.state is not CLOSED:
            self._packets.append(encode_packet(packet))

    def _open_packet(self, upgrades: Sequence[str]) -> str:
        return f'{EngineType.OPEN}{{"sid":{json.dumps(self.sid)},{_encode_terms(self.options, tuple(upgrades))}'


@functools.lru_cache(maxsize=16)
def _encode_terms(options: EngineOptions, upgrades: tuple[str, ...]) -> str:
    """Return what the open packets of a server have in common: the end of a JSON object."""
    terms = {
        "upgrades": upgrades,
        "pingInterval": round(options.ping_interval * 1000),
        "pingTimeout": round(options.ping_timeout * 1000),
        "maxPayload": options.max_payload,
    }
    return json.dumps(terms, separators=(",", ":"))[1:]
