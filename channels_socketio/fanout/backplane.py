"""The way from anywhere in Django to the sockets of all processes: the only file that speaks by the channel layer.

`publish` is for views, signals, commands and threads. A publication has a kind and arguments that msgpack knows. The
parts of a process that handle a kind say so to its backplane, and get the same from it whoever has published.

Each process is one member of one group, that of its site. The group's name keeps sites apart that share a Redis server,
whose channels are the same for all of its databases.

A broadcast reaches this process's own clients at once and the layer once. Every other process hands the ready packets
to its hub. The alternative is a layer group for each room. It spares processes the events of rooms that they do not
have, but costs a round trip to the layer on every connect and a membership that expires. The price of one group is that
every process reads everything.

One sender keeps the order of what one process publishes. Publications that cannot be sent are counted and logged: the
layer is fast, and promises nothing.
"""

import asyncio
import logging
import warnings
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import BaseChannelLayer, InMemoryChannelLayer, get_channel_layer
from django.db import transaction

from ..options import site_prefix
from ..protocol.engine_packets import Encoded
from .hub import Hub
from .prepared import PreparedMessage

logger = logging.getLogger(__name__)

DIRECT = "socketio.direct"  # type of the layer messages for one process
EVENT = "event"  # the kind that goes straight to the hub: topic, packets, their size, skip, volatile
OUTBOX_LIMIT = 10_000  # publications that may wait for the layer
BATCH = 100  # publications in one layer message
STRANGE = 20  # kinds without a handler that are remembered as logged
RETRY_SECONDS = 1.0
JOIN_SECONDS = 2.0  # that the first clients of a process wait for the layer


class Backplane:
    """Publishes to the clients of all processes. One per event loop.

    `crosses_processes` is whether the layer reaches other processes; the in-memory one does not.
    """

    def __init__(self, hub: Hub[PreparedMessage], layer: BaseChannelLayer | None, process: str) -> None:
        self.loop = asyncio.get_running_loop()
        self.crosses_processes = crosses_processes(layer)
        self._hub = hub
        self._layer = layer
        self._process = process
        self._group = site_group()
        self._handlers: dict[str, Callable[..., None]] = {EVENT: self._publish_event}
        self._outbox: deque[list[Any]] = deque()
        self._outbox_filled = asyncio.Event()
        self._outbox_sent = asyncio.Event()
        self._outbox_sent.set()
        self._joined = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self.on_message: Callable[[dict[str, Any]], None] | None = None
        self._strange: deque[str] = deque(maxlen=STRANGE)
        self.dropped = 0
        self._dropping = False

    async def start(self) -> None:
        """Serve `publish`, and join the group, or have tried to: with the layer down this process works alone."""
        if self not in serving:
            serving[:] = [*(other for other in serving if not other.loop.is_closed()), self]
        if not self.crosses_processes:
            return
        if not self._tasks:
            self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._send())]
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                await self._joined.wait()
        except TimeoutError:
            logger.error(
                "expected the channel layer to answer within %g s; going on without until it does.", JOIN_SECONDS
            )
            self._joined.set()

    def handle(self, kind: str, handler: Callable[..., None]) -> None:
        """Have `handler` called with the arguments of what is published under `kind`."""
        self._handlers[kind] = handler

    def publish(self, kind: str, *args: Any) -> None:
        """Give `args`, which msgpack must know, to the handler of `kind` in all processes: this one has it last."""
        if self.crosses_processes:
            self.publish_to_others(kind, *args)
        (self._handlers.get(kind) or partial(self._ignore, kind))(*args)

    def publish_to_others(self, kind: str, *args: Any) -> None:
        """As `publish`, but for this process."""
        if not self.crosses_processes:
            return
        if len(self._outbox) >= OUTBOX_LIMIT:
            self._drop(1, "the channel layer does not keep up")
            return
        self._outbox.append([kind, *args])
        self._outbox_sent.clear()
        self._outbox_filled.set()

    async def send_to(self, process: str, message: dict[str, Any]) -> bool:
        """Have the backplane of another process call its `on_message`; return False when the layer fails.

        Nobody says whether that process lives.
        """
        assert self._layer is not None  # noqa: S101  (for the type checker)
        try:
            await self._layer.group_send(process_group(self._group, process), {"type": DIRECT, "message": message})
        except Exception as error:  # each layer has its own
            logger.warning("A message to another process was lost: %s: %s", type(error).__name__, error)
            return False
        return True

    async def flush(self, seconds: float) -> None:
        """Wait until the layer has what was published, at most `seconds`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._outbox_sent.wait()

    async def _send(self) -> None:
        assert self._layer is not None  # noqa: S101  (for the type checker)
        while True:
            await self._outbox_filled.wait()
            items = [self._outbox.popleft() for _ in range(min(BATCH, len(self._outbox)))]
            if not self._outbox:
                self._outbox_filled.clear()
            try:
                await self._layer.group_send(self._group, publications_message(self._process, items))
            except Exception as error:
                self._drop(len(items), f"the channel layer failed: {type(error).__name__}: {error}")
            else:
                self._recover()
            if not self._outbox:
                self._outbox_sent.set()

    async def _listen(self) -> None:
        assert self._layer is not None  # noqa: S101  (for the type checker)
        channel: str | None = None
        while True:
            try:
                # One channel for ever: what is left in a group without a reader fills up.
                if channel is None:
                    channel = await self._layer.new_channel()
                await self._layer.group_add(self._group, channel)
                await self._layer.group_add(process_group(self._group, self._process), channel)
                self._joined.set()
                while True:
                    self._receive_safely(await self._layer.receive(channel))
            except Exception as error:
                name = type(error).__name__
                logger.error("Listening to the layer failed, again in %g s: %s: %s", RETRY_SECONDS, name, error)
                self._joined.set()
                await asyncio.sleep(RETRY_SECONDS)

    def _receive_safely(self, message: dict[str, Any]) -> None:
        try:
            self._receive(message)
        except Exception as error:  # of another version; the layer itself has not failed
            logger.error("A message of another process could not be handled: %.100r.", message, exc_info=error)

    def _receive(self, message: dict[str, Any]) -> None:
        if message["type"] == DIRECT:
            if self.on_message is not None:
                self.on_message(message["message"])
            return
        if message["process"] == self._process:
            return
        for item in message["items"]:
            try:
                kind, *args = item
                (self._handlers.get(kind) or partial(self._ignore, kind))(*args)
            except Exception as error:  # the other items concern others
                logger.error("A publication of another process could not be handled: %.100r.", item, exc_info=error)

    def _ignore(self, kind: str, *args: Any) -> None:
        if kind not in self._strange:  # of another version, or of a part that is not in use here
            self._strange.append(kind)
            logger.info("Publications of the kind %.100r reach nobody here.", kind)

    def _publish_event(
        self, topic: str, packets: list[Encoded], size: int, skip: Collection[str], volatile: bool
    ) -> None:
        (self._hub.send_volatile if volatile else self._hub.publish)(topic, PreparedMessage(packets, size), skip)

    def _drop(self, count: int, why: str) -> None:
        self.dropped += count
        if not self._dropping:
            self._dropping = True
            logger.error("Publications for other processes are being dropped: %s", why)

    def _recover(self) -> None:
        if self._dropping:
            self._dropping = False
            logger.warning("Publications reach other processes again; %d were dropped so far.", self.dropped)


serving: list[Backplane] = []  # of the event loops that have clients, or had some and still run


def publish(kind: str, *args: Any, using: str | None = None, unheard: str | None = None) -> None:
    """Publish once the current transaction of the database `using` commits, at once without one.

    From any thread without a running event loop, or from one that serves. What fails is logged: callers have committed
    already. `unheard` is a warning for when no process has any sockets, as far as this one can reach. Sites without a
    database may publish.
    """
    work = partial(publish_now, kind, args, unheard)
    if transaction.get_connection(using).in_atomic_block:
        transaction.on_commit(work, using=using, robust=True)
        return
    try:
        work()
    except Warning:  # of a site that turns warnings into errors
        raise
    except Exception:
        logger.exception("Publishing of the kind %r failed.", kind)


def publish_now(kind: str, args: Sequence[Any], unheard: str | None) -> None:
    """Publish now, as `publish` does. Raises what the layer raises."""
    if not hand_over(kind, args):
        async_to_sync(apublish)(kind, *args, unheard=unheard)


async def apublish(kind: str, *args: Any, unheard: str | None = None) -> None:
    """Publish now, from asynchronous code; see `publish`. Raises what the layer raises."""
    if hand_over(kind, args) or await send_alone(get_channel_layer(), [kind, *args]) or unheard is None:
        return
    warnings.warn(unheard, RuntimeWarning, stacklevel=2)


def hand_over(kind: str, args: Sequence[Any]) -> bool:
    """Publish by the event loops of this process that serve sockets; return whether there is one.

    With a layer that crosses processes one of them is enough: it reaches the others as well.
    """
    try:
        own_loop = asyncio.get_running_loop()
    except RuntimeError:
        own_loop = None
    running = [backplane for backplane in serving if backplane.loop.is_running()]
    if running and running[0].crosses_processes:
        del running[1:]
    for backplane in running:
        if backplane.loop is own_loop:
            backplane.publish(kind, *args)
        else:
            backplane.loop.call_soon_threadsafe(backplane.publish, kind, *args)
    return bool(running)


def crosses_processes(layer: BaseChannelLayer | None) -> bool:
    """Return whether `layer` reaches other processes."""
    return layer is not None and not isinstance(layer, InMemoryChannelLayer)


async def send_alone(layer: BaseChannelLayer | None, item: list[Any]) -> bool:
    """Publish `item`, kind first, from a process without clients; return False when `layer` reaches no other."""
    if layer is None or not crosses_processes(layer):
        return False
    await layer.group_send(site_group(), publications_message("", [item]))
    return True


def site_group() -> str:
    """Return the layer's group that all processes of this site are in, and none of another site."""
    return f"socketio.{site_prefix()}"


def process_group(group: str, process: str) -> str:
    """Return the layer's group that only `process` is in, of the site whose processes are in `group`."""
    return f"{group}.{process}"


def publications_message(process: str, items: list[list[Any]]) -> dict[str, Any]:
    """Return the layer message of publications, each a list with its kind first."""
    return {"type": "socketio.publications", "process": process, "items": items}
