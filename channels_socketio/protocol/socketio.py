"""The server's half of Socket.IO v5 over one engine session: namespaces, events, acks.

What the peer gets wrong ends the whole connection, as the specification asks: the result is
one `Failed` event and everything after it is ignored.
"""

import enum
import reprlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from .packets import Packet, PacketType, decode_packet, encode_packet, fill_placeholders
from .reasons import ProtocolError, Reason, SocketRefusal

Message = str | bytes


class NamespaceState(enum.Enum):
    """A namespace is known from the peer's CONNECT until either side disconnects."""

    UNKNOWN = "unknown"
    CONNECTING = "connecting"
    CONNECTED = "connected"


UNKNOWN, CONNECTING, CONNECTED = NamespaceState
TRANSITIONS = {
    UNKNOWN: {"CONNECT": CONNECTING},
    CONNECTING: {"accept": CONNECTED, "refuse": UNKNOWN},
    CONNECTED: {"disconnect": UNKNOWN, "DISCONNECT": UNKNOWN},
}


@dataclass(frozen=True, slots=True)
class SocketIOOptions:
    """Times in seconds, sizes in bytes."""

    connect_timeout: float = 45.0
    reassembly_timeout: float = 20.0
    max_attachment_bytes: int = 1_000_000
    max_namespaces: int = 100


@dataclass(frozen=True, slots=True)
class ConnectRequested:
    """The peer wants into `namespace`; answer with `accept` or `refuse`."""

    namespace: str
    auth: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EventReceived:
    """`args` are name and arguments; an `ack_id` wants one `send_ack`."""

    namespace: str
    args: list[Any]
    ack_id: int | None


@dataclass(frozen=True, slots=True)
class AckReceived:
    """The first answer to an event that was sent with this id."""

    namespace: str
    ack_id: int
    args: list[Any]


@dataclass(frozen=True, slots=True)
class DisconnectReceived:
    """The peer left the namespace, which is already forgotten."""

    namespace: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection must be closed. `detail` is for the log."""

    reason: Reason
    detail: str


SocketIOEvent = ConnectRequested | EventReceived | AckReceived | DisconnectReceived | Failed


@dataclass(slots=True)
class _Namespace:
    state: NamespaceState = UNKNOWN
    pending_acks: set[int] = field(default_factory=set)


@dataclass(slots=True)
class _Reassembly:
    packet: Packet
    deadline: float
    attachments: list[bytes] = field(default_factory=list)
    size: int = 0


def encode_event(namespace: str, args: Sequence[Any], ack_id: int | None = None) -> list[Message]:
    """Return the messages of one event, the same for every socket of `namespace`.

    Raises TypeError or ValueError when the arguments hold what JSON cannot carry.
    """
    return encode_packet(Packet(PacketType.EVENT, namespace, list(args), ack_id))


class SocketIOProtocol:
    """One connection's namespaces. Times are seconds of the clock that the driver uses."""

    def __init__(self, options: SocketIOOptions, now: float) -> None:
        self.options = options
        self._namespaces: dict[str, _Namespace] = {}
        self._connect_deadline: float | None = now + options.connect_timeout
        self.reassembly: _Reassembly | None = None
        self._failed = False
        self._events: list[SocketIOEvent] = []
        self._messages: list[Message] = []

    def receive_data(self, data: Message, now: float) -> None:
        """Take one engine message."""
        if self._failed:
            return
        try:
            if isinstance(data, bytes):
                self._receive_attachment(data)
            else:
                self._receive_text(data, now)
        except ProtocolError as error:
            self._fail(error.reason, str(error))

    def events_received(self) -> list[SocketIOEvent]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> list[Message]:
        """Return the engine messages to send, in order."""
        messages, self._messages = self._messages, []
        return messages

    def next_deadline(self) -> float | None:
        """Return when `handle_timeout` is due, if ever."""
        if self._failed:
            return None
        if self.reassembly is None:
            return self._connect_deadline
        deadlines = (self._connect_deadline, self.reassembly.deadline)
        return min(deadline for deadline in deadlines if deadline is not None)

    def handle_timeout(self, now: float) -> None:
        """Fail when no namespace was joined in time or attachments stay away; early calls do nothing."""
        if self._failed:
            return
        if self._connect_deadline is not None and now >= self._connect_deadline:
            self._fail(Reason.CONNECT_TIMEOUT, f"no namespace joined within {self.options.connect_timeout:g} s")
        elif self.reassembly is not None and now >= self.reassembly.deadline:
            self._fail(Reason.PARSE_ERROR, f"attachments missing after {self.options.reassembly_timeout:g} s")

    def close(self) -> None:
        """Forget everything; what still comes is ignored."""
        self._namespaces.clear()
        self.reassembly = None
        self._failed = True

    def accept(self, namespace: str, sid: str, pid: str | None = None) -> None:
        """Answer a ConnectRequested: the peer's id in `namespace` is `sid`, the private one to come back with `pid`."""
        self._move(namespace, "accept")
        self._connect_deadline = None
        self._send(Packet(PacketType.CONNECT, namespace, {"sid": sid} if pid is None else {"sid": sid, "pid": pid}))

    def refuse(self, namespace: str, error: dict[str, Any]) -> None:
        """Answer a ConnectRequested with `error`: `{"message": text, "data": object?}`."""
        self._move(namespace, "refuse")
        self._send(Packet(PacketType.CONNECT_ERROR, namespace, error))

    def disconnect(self, namespace: str, last: Sequence[Any] | None = None) -> None:
        """Put the peer out of `namespace`, behind the event `last`; official clients do not come back by themselves."""
        self._move(namespace, "disconnect")
        if last is not None:
            self._send(Packet(PacketType.EVENT, namespace, list(last)))
        self._send(Packet(PacketType.DISCONNECT, namespace))

    def send_ack(self, namespace: str, ack_id: int, args: Sequence[Any]) -> None:
        """Queue the answer to an event."""
        self._expect(namespace, CONNECTED)
        self._send(Packet(PacketType.ACK, namespace, list(args), ack_id))

    def expect_ack(self, namespace: str, ack_id: int) -> None:
        """Let one answer with this id through, for an event that was encoded elsewhere."""
        self._expect(namespace, CONNECTED).pending_acks.add(ack_id)

    def forget_ack(self, namespace: str, ack_id: int) -> None:
        """Ignore a late answer with this id."""
        if (known := self._namespaces.get(namespace)) is not None:
            known.pending_acks.discard(ack_id)

    def _receive_text(self, text: str, now: float) -> None:
        if self.reassembly is not None:
            missing = self.reassembly.packet.attachments - len(self.reassembly.attachments)
            raise ProtocolError(f"expected {missing} more attachments, got text")
        packet = decode_packet(text)
        if packet.attachments:
            self._connected(packet.namespace)
            self.reassembly = _Reassembly(packet, now + self.options.reassembly_timeout)
        else:
            self._receive_packet(packet)

    def _receive_attachment(self, data: bytes) -> None:
        reassembly = self.reassembly
        if reassembly is None:
            raise ProtocolError("expected text, got an attachment that no packet announced")
        reassembly.attachments.append(data)
        reassembly.size += len(data)
        if reassembly.size > self.options.max_attachment_bytes:
            limit = self.options.max_attachment_bytes
            raise ProtocolError(f"expected at most {limit} bytes of attachments", Reason.PAYLOAD_TOO_LARGE)
        if len(reassembly.attachments) == reassembly.packet.attachments:
            self.reassembly = None
            self._receive_packet(fill_placeholders(reassembly.packet, reassembly.attachments))

    def _receive_packet(self, packet: Packet) -> None:
        match packet.type:
            case PacketType.CONNECT:
                self._receive_connect(packet)
            case PacketType.EVENT:
                self._connected(packet.namespace)
                self._events.append(EventReceived(packet.namespace, packet.data, packet.id))
            case PacketType.ACK:
                self._receive_ack(packet)
            case PacketType.DISCONNECT:
                self._connected(packet.namespace)
                self._move(packet.namespace, "DISCONNECT")
                self._events.append(DisconnectReceived(packet.namespace))
            case _:
                raise ProtocolError("expected no connect error from a client")

    def _receive_connect(self, packet: Packet) -> None:
        if packet.namespace in self._namespaces:
            raise ProtocolError(f"expected one connect to {reprlib.repr(packet.namespace)}, got a second")
        if len(self._namespaces) >= self.options.max_namespaces:
            error = {"message": SocketRefusal.TOO_MANY_NAMESPACES.message}
            self._send(Packet(PacketType.CONNECT_ERROR, packet.namespace, error))
            return
        self._move(packet.namespace, "CONNECT")
        self._events.append(ConnectRequested(packet.namespace, packet.data))

    def _receive_ack(self, packet: Packet) -> None:
        pending = self._connected(packet.namespace).pending_acks
        if packet.id is not None and packet.id in pending:
            pending.remove(packet.id)
            self._events.append(AckReceived(packet.namespace, packet.id, packet.data))

    def _connected(self, namespace: str) -> _Namespace:
        known = self._namespaces.get(namespace)
        if known is None or known.state is not CONNECTED:
            raise ProtocolError(f"expected a connect to {reprlib.repr(namespace)} first")
        return known

    def _move(self, namespace: str, event: str) -> None:
        """Go on to the next state of a namespace; raises RuntimeError for what the server may not do in this one."""
        before = next(state for state, events in TRANSITIONS.items() if event in events)
        known = _Namespace() if before is UNKNOWN else self._expect(namespace, before)
        known.state = TRANSITIONS[before][event]
        if known.state is UNKNOWN:
            del self._namespaces[namespace]
        else:
            self._namespaces[namespace] = known

    def _expect(self, namespace: str, state: NamespaceState) -> _Namespace:
        known = self._namespaces.get(namespace)
        if known is None or known.state is not state:
            raise RuntimeError(f"expected the namespace {namespace!r} to be {state.value}")
        return known

    def _send(self, packet: Packet) -> None:
        self._messages.extend(encode_packet(packet))

    def _fail(self, reason: Reason, detail: str) -> None:
        self._failed = True
        self._events.append(Failed(reason, detail))
