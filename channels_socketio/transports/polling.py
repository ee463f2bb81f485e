"""The long-polling transport: what waits for the next poll of one client."""

import asyncio
import sys
from typing import TYPE_CHECKING

from ..connections.runtime import Runtime
from ..fanout.prepared import PreparedMessage
from ..handshake.request import Fault
from ..protocol.engine_packets import Encoded, EngineType
from ..protocol.reasons import Reason

if TYPE_CHECKING:
    from ..connections.connection import Connection

CLOSE_FETCH_SECONDS = 30.0  # that a client has to fetch the close packet
# Reasons after which nobody comes to fetch one, and those that a client hears of by the status of its request.
NO_CLOSE_PACKET = {
    Reason.TRANSPORT_CLOSE,
    Reason.TRANSPORT_ERROR,
    Reason.PING_TIMEOUT,
    Reason.PARSE_ERROR,
    Reason.PAYLOAD_TOO_LARGE,
    Reason.TOO_MANY_EVENTS,
    Reason.SESSION_ROTATED,
}
RELEASE_SECONDS = 0.1  # from a probe to the end of the poll that is held


class PollingTransport:
    """The packets of one client until it fetches them; the connection's budget bounds them.

    `posting` is whether a post is being read, `candidate` whether a WebSocket tries to take over, `fault` what a poll
    is told that came too late. `limit` is the number of packets that one poll may fetch. With `stays_away` the client
    takes a close packet for a wish that it never come back.
    """

    name = "polling"
    upgrades = ("websocket",)

    def __init__(self, runtime: Runtime, limit: int = sys.maxsize, stays_away: bool = False) -> None:
        self.connection: Connection
        self.posting = False
        self.candidate = False
        self.fault = Fault.BAD_REQUEST
        self._runtime = runtime
        self._limit = limit
        self._stays_away = stays_away
        self._faulty = False  # whether a poll that has nothing to fetch is answered by `fault`
        self._sid = ""
        self._packets: list[Encoded] = []
        self._poll: asyncio.Future[bool] | None = None
        self._probed = False
        self._closed = False
        self._last_packet = str(EngineType.NOOP)
        self._resumed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether a packet would be on its way at once."""
        return self._poll is not None and not self._packets

    @property
    def polling(self) -> bool:
        """Whether a poll is being held."""
        return self._poll is not None

    def attach(self, connection: "Connection") -> None:
        """Serve `connection`, under its engine id."""
        self.connection, self._sid = connection, connection.engine.sid
        self._runtime.polling[self._sid] = self

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Keep packets for the poll that is held, or for the next one."""
        self._packets.extend(prepared.packets)
        self._release()

    def close(self, reason: Reason) -> None:
        """Let the client know by the poll that is held, or by the next one if it may still come.

        What waits goes before, in a poll of its own: a close packet beside it would overtake it in JavaScript clients.
        A server that goes away has no close packet for its clients, which the Python client would take for a wish that
        it stay away, but a fault; and who has nothing to fetch need not come for that. The same holds for a login
        session whose key was rotated, but for clients that a close packet has come back.
        """
        if reason is Reason.SERVER_SHUTTING_DOWN:
            self.fault, self._faulty = Fault.SHUTTING_DOWN, True
        elif reason is Reason.SESSION_ROTATED and self._stays_away:
            self.fault, self._faulty = Fault.UNKNOWN_SID, True
        elif reason is not Reason.TRANSPORT_CLOSE:
            self._last_packet = str(EngineType.CLOSE)
        self._closed = True
        self.resume()
        self._release()
        if reason in NO_CLOSE_PACKET or (self.polling and not self._packets) or self._going_away():
            self._forget()
        else:
            self._runtime.loop.call_later(CLOSE_FETCH_SECONDS, self._forget)

    def resume(self) -> None:
        """Read on."""
        self._resumed.set()

    async def read_on(self) -> None:
        """Wait until the connection may be fed again."""
        while self.connection.congested and not self._closed:
            self._resumed.clear()
            await self._resumed.wait()

    def hold(self) -> "asyncio.Future[bool]":
        """Hold a poll: the result is True as soon as `take` has something for it, False when `fault` is its answer."""
        self._poll = self._runtime.loop.create_future()
        if self._packets or self._closed:
            self._release()
            if self._going_away():
                self._forget()
        elif self._probed:
            self._release_soon(self._poll)
        return self._poll

    def let_go(self) -> None:
        """The poll that was held is over."""
        self._poll = None

    def take(self) -> list[Encoded]:
        """Return the packets for a poll: a noop if it only had to end."""
        packets = self._packets[: self._limit]
        del self._packets[: self._limit]
        if packets:
            return packets
        if self._closed:
            self._forget()
        return [self._last_packet]

    def probe(self) -> None:
        """A candidate has probed: end the poll that is held, and each one that still comes, soon.

        Not at once: the frame that completes the upgrade may be here already, and then a poll that was sent behind it
        must not be answered as if it had come before.
        """
        self._probed = True
        if self._poll is not None:
            self._release_soon(self._poll)

    def fail_candidate(self) -> None:
        """The candidate failed: go on as before."""
        self.candidate = self._probed = False

    def detach(self) -> list[Encoded]:
        """End this transport for the candidate's sake; return what was not fetched."""
        packets, self._packets = self._packets, []
        self._forget()
        self._release(in_time=False)
        return packets

    def _release(self, in_time: bool = True) -> None:
        if self._poll is not None:
            release(self._poll, in_time and not self._going_away())

    def _going_away(self) -> bool:
        """Return whether `fault` is the answer, and nothing waits that a poll could fetch before."""
        return self._faulty and not self._packets

    def _release_soon(self, poll: "asyncio.Future[bool]") -> None:
        self._runtime.loop.call_later(RELEASE_SECONDS, release, poll)

    def _forget(self) -> None:
        self._runtime.polling.pop(self._sid, None)


def release(poll: "asyncio.Future[bool]", in_time: bool = True) -> None:
    """End a poll that is held."""
    if not poll.done():
        poll.set_result(in_time)
