"""What all connections of one event loop share. A process that serves has one loop."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from channels.layers import get_channel_layer

from ..fanout.backplane import Backplane
from ..fanout.hub import Hub
from ..fanout.prepared import PreparedMessage, event_packets, join
from ..fanout.relay import Endpoint, Relay
from ..history.feed import Feeds
from ..limits.connection_counts import ConnectionCounts
from ..loops import PerLoop
from ..protocol.reasons import Reason
from ..sessions.monitor import SessionMonitor
from .timers import Timers
from .tracker import ConnectionTracker

if TYPE_CHECKING:
    from .application import Application
    from .connection import Connection
    from .socket import Socket

logger = logging.getLogger(__name__)

CLOSE_CHECK_SECONDS = 0.02
PROCESS_BYTES = 6  # 8 characters at the front of every engine id
ID_BYTES = 15  # 120 random bits, 20 characters
ENDED_SECONDS = 30.0
TAKE_OVER = "take over"  # the kind of publication


class Runtime:
    """Hub, backplane and timers of one event loop, and its connections by engine id."""

    def __init__(self) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self.now = loop.time  # the clock of all deadlines
        self.hub: Hub[PreparedMessage] = Hub(join, loop.call_soon)
        self.process = secrets.token_urlsafe(PROCESS_BYTES)
        self.backplane = Backplane(self.hub, get_channel_layer(), self.process)
        self.relay = Relay(self.backplane, self.process, self.endpoint_of)
        self.backplane.handle(TAKE_OVER, self._end_socket)
        self.feeds = Feeds(self.hub, self.backplane)
        self.timers = Timers(loop)
        self.monitor = SessionMonitor(self.now, self.timers.schedule, self.backplane.handle)
        self.connections: dict[str, Connection] = {}
        self.tracker = ConnectionTracker(self.connections)
        self.on_shutdown: list[Callable[[], Awaitable[None]]] = []
        self.polling: dict[str, Any] = {}  # the polling transports by engine id
        self.ended: dict[str, Application] = {}  # engine ids that ended with their login session lately
        self.sockets: dict[str, Socket] = {}
        # Made by the first server, whose options say who else counts.
        self.connection_counts: ConnectionCounts | None = None
        self.closing = False

    def new_engine_id(self) -> str:
        """Return an id that cannot be guessed, and tells other processes whom to ask about it."""
        return self.process + new_id()

    def endpoint_of(self, sid: str) -> Endpoint | None:
        """Return the HTTP endpoint for a connection of this process, None for an unknown engine id."""
        transport = self.polling.get(sid)
        connection = self.connections.get(sid) if transport is None else transport.connection
        application = self.ended.get(sid) if connection is None else connection.application
        return None if application is None else application.endpoint

    def note_end(self, connection: "Connection") -> None:
        """A connection ends with its login session: for a while its engine id is refused, and not just unknown."""
        self.ended[connection.engine.sid] = connection.application
        self.loop.call_later(ENDED_SECONDS, self.ended.pop, connection.engine.sid, None)

    async def close(self, reason: Reason, seconds: float) -> None:
        """Close all connections, and let nobody open another.

        One whose handlers are running is closed when they are done, and clients that poll may fetch what waits for
        them: all this within `seconds`. Returns when the handlers that clean up are done as well.
        """
        self.closing = True
        self.relay.close()
        logger.info("Closing %d connections: %s.", len(self.connections), reason.text)
        last = self.now() + seconds
        closed: list[Connection] = []
        while self.connections or self.polling or self.relay.busy or any(connection.busy for connection in closed):
            late = self.now() > last
            for connection in list(self.connections.values()):
                if late or not connection.busy:
                    connection.close(reason)
                    closed.append(connection)
            if late:
                break
            await asyncio.sleep(CLOSE_CHECK_SECONDS)
        await self._run_shutdown_hooks(seconds)
        await self.backplane.flush(seconds)

    def publish_here(self, namespace: str, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to all sockets in `namespace` of this process, and of no other, encoded once."""
        if not self.hub.occupied(namespace):
            return
        prepared = PreparedMessage(*event_packets(namespace, [event, *args]))
        (self.hub.send_volatile if volatile else self.hub.publish)(namespace, prepared)

    async def _run_shutdown_hooks(self, seconds: float) -> None:
        """Await what `on_shutdown` holds, at most `seconds`."""
        tasks = [asyncio.ensure_future(hook()) for hook in self.on_shutdown]
        if not tasks:
            return
        done, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        for task in done:
            if not task.cancelled() and (error := task.exception()) is not None:
                logger.error("A shutdown hook failed: %s: %s", type(error).__name__, error)

    def _end_socket(self, socket_id: str) -> None:
        """A client is back as the socket with this id, on any process: the link that it had must be dead."""
        if (socket := self.sockets.get(socket_id)) is not None:
            socket.connection.close(Reason.TAKEN_OVER)


def is_connected(sid: str) -> bool:
    """Return whether this process has the connection with an engine id."""
    return sid in current_runtime().connections


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(ID_BYTES)


current_runtime = PerLoop(Runtime)  # call it for the runtime of the running event loop
