"""The driver of one client: feeds both protocols, dispatches what comes out, writes what they have.

After any input: feed, dispatch, flush. `deliver` is the one function that sends to a client: its own
packets come there by way of the hub, which keeps them in order with what is published.

An error of the server's that concerns one client ends that client alone: every loop over several gives it to `fail`.
"""

import hashlib
import logging
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns, time
from typing import Any

from ..exceptions import Refused, session_gone
from ..fanout.prepared import PreparedMessage
from ..limits.connection_counts import Slot
from ..limits.rates import Rate, notices
from ..protocol.engine import PINGED, EngineClosed, EngineProtocol, MessageReceived, PongReceived
from ..protocol.engine_packets import Encoded
from ..protocol.reasons import Reason, SocketRefusal
from ..protocol.socketio import (
    AckReceived,
    ConnectRequested,
    DisconnectReceived,
    EventReceived,
    Failed,
    SocketIOEvent,
    SocketIOProtocol,
)
from ..sessions.end_reasons import EVENT, EndReason
from ..sessions.registry import Login
from ..sessions.session_data import read_again
from .application import Application
from .handshake import Handshake
from .runtime import Runtime, current_runtime
from .socket import Socket
from .socket_state import CONNECTED
from .transport import Transport

logger = logging.getLogger(__name__)


# Slots, because a delivery reads some of them for every client, mostly from cold memory.
@dataclass(slots=True, eq=False, repr=False)
class Connection:
    """One live client of this process."""

    application: Application
    scope: dict[str, Any]
    transport: Transport
    engine: EngineProtocol
    protocol: SocketIOProtocol
    slot: Slot
    runtime: Runtime = field(init=False)
    handshake: Handshake = field(init=False)
    sockets: dict[str, Socket] = field(init=False, default_factory=dict)
    scheduled_at: float = field(init=False, default=math.inf)
    since: float = field(init=False)
    close_reason: Reason | None = field(init=False, default=None)
    login: Login | None = field(init=False, default=None)
    final: bool = field(init=False, default=False)  # no event is handled: the authority is gone, or the state in doubt
    _failed: bool = field(init=False, default=False)
    _budget: int = field(init=False)
    _probe_at: int = field(init=False)
    _unconfirmed: int = field(init=False, default=0)
    _unconfirmed_at_ping: int | None = field(init=False, default=None)
    _backlog: int = field(init=False, default=0)
    _handled: int = field(init=False, default=0)  # events
    _handled_at_check: int = field(init=False, default=0)
    _messages: Rate | None = field(init=False)
    _full_at: int = field(init=False, default=0)  # of the bucket, see limits.rates

    def __post_init__(self) -> None:
        self.runtime = current_runtime()
        self.handshake = self.scope["handshake"]
        self.since = time()
        options = self.application.options
        self._budget = options.queue_budget
        self._probe_at = self._budget // 2
        self._messages = options.messages

    @property
    def label(self) -> str:
        """How the log names this connection: the engine id is a credential, so it is hashed."""
        return "connection " + hashlib.sha256(self.engine.sid.encode()).hexdigest()[:8]

    @property
    def closed(self) -> bool:
        """Whether the connection is over; `close_reason` says why."""
        return self.close_reason is not None

    @property
    def congested(self) -> bool:
        """Whether so many events wait for their handlers that nothing more should be read."""
        return self._backlog > self.application.options.backlog

    @property
    def busy(self) -> bool:
        """Whether handlers run, also those that clean up after the close."""
        return self._backlog > 0

    def open(self) -> None:
        """Send the handshake, start the clock, and live by the login session from now on."""
        self.runtime.connections[self.engine.sid] = self
        if self.handshake.session is not None:
            interval = self.application.options.session_check_interval
            self.login = self.runtime.monitor.enter(self, self.handshake.session, self.handshake.user, interval)
        self.runtime.tracker.note(self.engine.sid)
        self._pump(self.runtime.now())
        self.runtime.timers.schedule(self)
        self.runtime.hub.flush()  # the handshake waits for nobody

    def receive(self, packet: Encoded) -> None:
        """Take one encoded engine packet from the client, which was counted."""
        now = self.runtime.now()
        self.engine.receive_data(packet, now)
        self._pump(now)

    def receive_frame(self, frame: str | bytes) -> None:
        """Take one WebSocket frame from the client, which was counted."""
        now = self.runtime.now()
        self.engine.receive_frame(frame, now)
        self._pump(now)

    def split_body(self, body: bytes, content_type: str) -> list[Encoded]:
        """Return the packets in a polling body, counted, each to be given to `receive`.

        Closes when it is no body, and when they are too many; no more are looked at than it takes to know that.
        """
        most = sys.maxsize if self._messages is None else self._messages.burst + 1
        packets = self.engine.split_body(body, content_type, most)
        if not self.count(len(packets) or 1):
            return []
        self._pump(self.runtime.now())
        return packets

    def count(self, number: int = 1) -> bool:
        """Count packets or frames of any kind before they are parsed; close, and return False, if too many.

        What is refused counts as well, so a client that does not stop is not read again.
        """
        rate = self._messages
        if rate is None:
            return True
        self._full_at, wait = rate.take(self._full_at, monotonic_ns(), number)
        if wait <= 0:
            return True
        if not self.closed:
            notices.note("messages of a connection", "Closed %s: too many messages.", self.label)
            self.close(Reason.TOO_MANY_EVENTS)
        return False

    def upgrade(self, transport: Transport, packets: Sequence[Encoded]) -> None:
        """Go on by `transport`, which gets `packets`, those that the old one had not sent yet, first."""
        self.transport = transport
        self._attempt(transport.send_prepared, PreparedMessage(packets))
        self._attempt(self.runtime.tracker.note, self.engine.sid)
        self.engine.extend(self.runtime.now())  # so that a client that died while upgrading is found
        self.runtime.timers.schedule(self)

    def close(self, reason: Reason, detail: str = "") -> None:
        """End the connection; what was queued before is sent first. Raises nothing."""
        if self.close_reason is None:
            self.flush()
            self.runtime.hub.flush()
        if self.close_reason is None:  # still: to send what was queued may have ended it
            self._shut(reason, detail)

    def fail(self, error: BaseException, reason: Reason = Reason.INTERNAL_ERROR) -> None:
        """End the connection at once because of an error of the server's; the first is logged. Raises nothing."""
        if not self._failed:
            self._failed = self.final = True
            logger.error("Something failed for %s.", self.label, exc_info=error)
        if not self.closed:
            self._shut(reason, type(error).__name__)

    def review(self) -> EndReason | None:
        """Return why the application does not let the connection stay."""
        return self.application.review(self.scope)

    def end(self, end_reason: EndReason) -> None:
        """Tell all sockets that their login session has ended, put them out, and close.

        Official clients do not come back by themselves.
        """
        self.final = True
        self.runtime.note_end(self)
        for socket in list(self.sockets.values()):
            if socket.state is CONNECTED:
                self.disconnect(socket, Reason.SESSION_ENDED, [EVENT, end_reason._asdict()])
            else:
                self.refuse(socket, Refused(EVENT, end_reason.message))
        self.runtime.hub.flush()
        if not self.closed:
            self._shut(Reason.SESSION_ENDED, end_reason.reason)

    def rotate(self) -> None:
        """Close, for the login session has another key or user; clients come back by themselves, with the new key."""
        self.final = True
        self.close(Reason.SESSION_ROTATED)

    def rename(self, session: Any, user: Any) -> None:
        """Know the login session, and its user if not None, as they are now: the same ones, maybe by other names."""
        self.scope["session"] = session
        if user is not None and "user" in self.scope:
            self.scope["user"] = user
        for socket in list(self.sockets.values()):
            socket.handle_rename()
        self._attempt(self.runtime.tracker.note, self.engine.sid)

    async def read_session(self) -> Any:
        """Read the login session again, and go by it; raises Refused when it is over, or another user's."""
        if self.login is None or self.closed:
            raise session_gone()
        session = await read_again(self.scope["session"])
        if session is None:
            await self.runtime.monitor.look_at(self.login)
            raise session_gone()
        self.scope["session"] = session
        return session

    def flush(self) -> None:
        """Write what the protocols have queued."""
        for message in self.protocol.data_to_send():
            self.engine.send_message(message)
        if packets := self.engine.data_to_send():
            self.runtime.hub.send(self, PreparedMessage(packets))

    def deliver(self, prepared: PreparedMessage) -> None:
        """Send a message; closes a client that does not keep up. Part of the hub's contract."""
        if self.close_reason is not None:
            return
        unconfirmed = self._unconfirmed
        if unconfirmed > self._budget:
            self.engine.data_to_send()  # nothing more goes to a client that does not read
            self.close(Reason.SLOW_CONSUMER, f"more than {self._budget} bytes unconfirmed")
            return
        self._unconfirmed = unconfirmed + prepared.size
        self.transport.send_prepared(prepared)
        if self._unconfirmed > self._probe_at and self.engine.state is not PINGED:
            self._probe()

    def send_volatile(self, prepared: PreparedMessage) -> None:
        """Send a message unless it would have to wait. Part of the hub's contract."""
        if self.transport.ready:
            self.deliver(prepared)

    def next_deadline(self) -> float | None:
        """Return when `handle_timeout` is due, as a loop time."""
        deadlines = (self.engine.next_deadline(), self.protocol.next_deadline())
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def handle_timeout(self, now: float) -> None:
        """Do what is due at `now`; part of Timers' contract."""
        if self.congested and self._handled != self._handled_at_check:
            self.engine.extend(now)  # the client's pong may stand behind what is not read yet
        else:
            self.engine.handle_timeout(now)
        self._handled_at_check = self._handled
        self.protocol.handle_timeout(now)
        self._pump(now)

    def accept(self, socket: Socket) -> bool:
        """Answer a socket's connect; False when it is gone already."""
        if not socket.connected:
            return False
        self.protocol.accept(socket.namespace, socket.id, socket.pid)
        self.flush()
        return not self.closed

    def refuse(self, socket: Socket, refused: Refused) -> None:
        """Refuse a socket's connect."""
        if self.sockets.get(socket.namespace) is socket:
            del self.sockets[socket.namespace]
            socket.move("refuse")
            error = {"message": refused.message, "data": {"code": refused.code} | refused.more}
            self.protocol.refuse(socket.namespace, error)
            self.flush()

    def disconnect(
        self, socket: Socket, reason: Reason = Reason.SERVER_DISCONNECT, last: Sequence[Any] | None = None
    ) -> None:
        """Put a connected socket out of its namespace, behind the event `last`."""
        del self.sockets[socket.namespace]
        self.protocol.disconnect(socket.namespace, last)
        self.flush()
        socket.handle_end((self.close_reason or reason).text)  # that was too much for a client that does not keep up

    def begin_event(self) -> None:
        """Count an event that waits for its handler."""
        self._backlog += 1

    def finish_event(self) -> None:
        """Count it no more, whatever has become of it. Raises nothing."""
        self._backlog -= 1
        self._handled += 1
        if self._backlog == self.application.options.backlog:  # it was congested
            self.engine.extend(self.runtime.now())
            self._attempt(self.transport.resume)

    def _pump(self, now: float) -> None:
        closed: EngineClosed | None = None
        try:
            for engine_event in self.engine.events_received():
                match engine_event:
                    case MessageReceived():
                        self.protocol.receive_data(engine_event.data, now)
                    case PongReceived():
                        self._unconfirmed -= self._unconfirmed_at_ping or 0
                        self._unconfirmed_at_ping = None
                        self.runtime.timers.schedule(self)
                    case EngineClosed():
                        closed = engine_event
            for event in self.protocol.events_received():
                self._dispatch(event)
        except Exception as error:
            self.fail(error)
            return
        if closed is not None:
            self.close(closed.reason, closed.detail)
            return
        if self.engine.state is PINGED:
            self._mark_ping()
        self.flush()
        if self.protocol.reassembly is not None:  # only this and a pong bring a deadline nearer
            self.runtime.timers.schedule(self)

    def _dispatch(self, event: SocketIOEvent) -> None:
        match event:
            case EventReceived():
                self.sockets[event.namespace].handle_event(event.args, event.ack_id)
            case AckReceived():
                self.sockets[event.namespace].handle_ack(event.ack_id, event.args)
            case ConnectRequested():
                if not self.application.open_socket(self, event):
                    self.protocol.refuse(event.namespace, {"message": SocketRefusal.UNKNOWN_NAMESPACE.message})
            case DisconnectReceived():
                self.sockets.pop(event.namespace).handle_end(Reason.CLIENT_DISCONNECT.text)
            case Failed():
                self.close(event.reason, event.detail)

    def _probe(self) -> None:
        self.engine.send_ping(self.runtime.now())
        self._mark_ping()
        self.flush()
        self.runtime.timers.schedule(self)

    def _mark_ping(self) -> None:
        if self._unconfirmed_at_ping is None:
            self._unconfirmed_at_ping = self._unconfirmed

    def _shut(self, reason: Reason, detail: str) -> None:
        self.close_reason = reason
        self.engine.close(reason)
        self.protocol.close()
        sockets, self.sockets = self.sockets, {}
        self.runtime.connections.pop(self.engine.sid, None)
        if self.login is not None:
            self.runtime.monitor.registry.leave(self, self.login)
        self.slot.leave()
        self._attempt(self.runtime.tracker.note, self.engine.sid)
        for socket in sockets.values():
            self._attempt(socket.handle_end, reason.text)
        self._attempt(self.transport.close, reason)
        logger.log(reason.log_level, "Closed %s: %s. %s", self.label, reason.text, detail)

    def _attempt(self, step: Callable[..., None], *args: Any) -> None:
        """Do what may fail; if it does, the connection ends, and an end goes on."""
        try:
            step(*args)
        except Exception as error:
            self.fail(error)
