"""What all connections of one event loop share. A process that serves has one loop."""

import asyncio
import secrets
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from channels.layers import get_channel_layer

from .backplane import Backplane
from .deadlines import Deadlines
from .hub import Hub
from .protocol.parcel import Parcel, join

if TYPE_CHECKING:
    from .connection import Connection
    from .socket import Socket
    from .transports.polling import PollingTransport

ID_BYTES = 15  # 120 random bits, 20 characters


class Runtime:
    """Hub, backplane and timers of one event loop, and its connections by engine id."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.hub: Hub[Parcel] = Hub(join, loop.call_soon)
        self.backplane = Backplane(self.hub, get_channel_layer(), new_id())
        self.deadlines = Deadlines(loop)
        self.connections: dict[str, Connection] = {}
        self.polling: dict[str, PollingTransport] = {}
        self.sockets: dict[str, Socket] = {}
        self._started = False

    @property
    def serving(self) -> bool:
        """Whether this loop serves sockets, or has and still runs."""
        return self._started and self.loop.is_running()

    async def start(self) -> None:
        """Be ready to hear from other processes."""
        self._started = True
        await self.backplane.start()

    def now(self) -> float:
        """Return the time on the clock of all deadlines."""
        return self.loop.time()


runtimes: WeakKeyDictionary[asyncio.AbstractEventLoop, Runtime] = WeakKeyDictionary()


def current_runtime() -> Runtime:
    """Return the runtime of the running event loop."""
    loop = asyncio.get_running_loop()
    if (runtime := runtimes.get(loop)) is None:
        runtime = runtimes[loop] = Runtime(loop)
    return runtime


def new_id() -> str:
    """Return an id that cannot be guessed."""
    return secrets.token_urlsafe(ID_BYTES)
