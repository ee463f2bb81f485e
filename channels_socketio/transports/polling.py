"""The long-polling transport: what waits for the next poll of one client."""

import asyncio
import enum
from typing import TYPE_CHECKING

from ..fanout.prepared import PreparedMessage
from ..protocol.engine_packets import Encoded, EngineType
from ..protocol.reasons import Reason, Refusal

if TYPE_CHECKING:
    from ..connections.connection import Connection

CLOSE_FETCH_SECONDS = 30.0  # that a client has to fetch the close packet
RELEASE_SECONDS = 0.1  # from a probe to the end of the poll that is held


class PollingState(enum.Enum):
    """A WebSocket that tries to take over is the candidate."""

    OPEN = "open"
    CANDIDATE = "candidate"
    PROBED = "probed"
    UPGRADED = "upgraded"
    CLOSED = "closed"


OPEN, CANDIDATE, PROBED, UPGRADED, CLOSED = PollingState
TRANSITIONS = {
    OPEN: {"candidate": CANDIDATE, "close": CLOSED},
    CANDIDATE: {"probe": PROBED, "fail": OPEN, "close": CLOSED},
    PROBED: {"upgrade": UPGRADED, "fail": OPEN, "close": CLOSED},
    UPGRADED: {},
    CLOSED: {},
}


class PollingTransport:
    """The packets of one client until it fetches them; the connection's budget bounds them.

    `posting` is whether a post is being read. `limit` is the number of packets that one poll may fetch. A client that
    `stays_away` takes a close packet for a wish that it never come back.
    """

    name = "polling"
    upgrades = ("websocket",)

    def __init__(self, limit: int, stays_away: bool) -> None:
        self.connection: Connection
        self.posting = False
        self.state = OPEN
        self._limit = limit
        self._stays_away = stays_away
        self._refusal: Refusal | None = None  # of a poll that has nothing to fetch
        self._packets: list[Encoded] = []
        self._poll: asyncio.Future[Refusal | None] | None = None
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
        self.connection = connection
        connection.runtime.polling[connection.engine.sid] = self

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Keep packets for the poll that is held, or for the next one."""
        self._packets.extend(prepared.packets)
        self._release()

    def close(self, reason: Reason) -> None:
        """Let the client know by the poll that is held, or by the next one if it may still come.

        What waits goes before, in a poll of its own: a close packet beside it would overtake it in JavaScript clients.
        A server that shuts down refuses the poll instead, and a client with nothing to fetch need not come for that.
        So are clients refused that may come back, and that a close packet would keep away.
        """
        if reason is Reason.SERVER_SHUTTING_DOWN:
            self._refusal = Refusal.SHUTTING_DOWN
        elif reason is not Reason.TRANSPORT_CLOSE:
            if self._stays_away and reason.comes_back:
                self._refusal = Refusal.UNKNOWN_SID
            self._last_packet = str(EngineType.CLOSE)
        self.move("close")
        self.resume()
        self._release()
        if not reason.is_told or (self.polling and not self._packets) or self._is_refused():
            self._forget()
        else:
            self.connection.runtime.loop.call_later(CLOSE_FETCH_SECONDS, self._forget)

    def resume(self) -> None:
        """Read on."""
        self._resumed.set()

    async def read_on(self) -> None:
        """Wait until the connection may be fed again."""
        while self.connection.congested and not self._ended():
            self._resumed.clear()
            await self._resumed.wait()

    def hold(self) -> "asyncio.Future[Refusal | None]":
        """Hold a poll: the result is its refusal, or None as soon as `take` has something for it."""
        self._poll = self.connection.runtime.loop.create_future()
        if self._packets or self._ended():
            self._release()
            if self._is_refused():
                self._forget()
        elif self.state is PROBED:
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
        if self.state is CLOSED:
            self._forget()
        return [self._last_packet]

    def move(self, event: str) -> bool:
        """Go on to the next state; return False when `event` changes nothing in this one.

        A WebSocket that tries to take over is no `candidate` while another one is, or when the connection is over.
        """
        before, self.state = self.state, TRANSITIONS[self.state].get(event, self.state)
        return self.state is not before

    def probe(self) -> None:
        """A candidate has probed: end the poll that is held, and each one that still comes, soon.

        Not at once: the frame that completes the upgrade may be here already, and then a poll that was sent behind it
        must not be answered as if it had come before.
        """
        self.move("probe")
        if self._poll is not None:
            self._release_soon(self._poll)

    def detach(self) -> list[Encoded]:
        """End this transport for the candidate's sake; return what was not fetched."""
        packets, self._packets = self._packets, []
        self._refusal = Refusal.BAD_REQUEST
        self.move("upgrade")
        self.resume()
        self._forget()
        self._release()
        return packets

    def _ended(self) -> bool:
        return self.state is CLOSED or self.state is UPGRADED

    def _is_refused(self) -> bool:
        """Return whether a poll is refused, because nothing waits that it could fetch before."""
        return self._refusal is not None and not self._packets

    def _release(self) -> None:
        if self._poll is not None:
            release(self._poll, self._refusal if self._is_refused() else None)

    def _release_soon(self, poll: "asyncio.Future[Refusal | None]") -> None:
        self.connection.runtime.loop.call_later(RELEASE_SECONDS, release, poll)

    def _forget(self) -> None:
        self.connection.runtime.polling.pop(self.connection.engine.sid, None)


def release(poll: "asyncio.Future[Refusal | None]", refusal: Refusal | None = None) -> None:
    """End a poll that is held."""
    if not poll.done():
        poll.set_result(refusal)
