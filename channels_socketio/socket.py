"""One client inside one namespace: its consumer, and the order in which its handlers run.

Handlers of a socket run serially in a task that lives only while there is something to do, so an
idle socket has none. Acks do not wait in that line: a handler may await one.
"""

import asyncio
import itertools
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from .consumer import SocketIOConsumer
from .hub import Packets
from .protocol.broadcast import encode_broadcast
from .refusal import Refused

if TYPE_CHECKING:
    from .connection import Connection

logger = logging.getLogger(__name__)

INTERNAL = Refused("internal", "Something went wrong on the server.")
ack_ids = itertools.count(1)  # one counter for the process, so that one id can serve a broadcast


class Socket:
    """A namespace's side of a connection. `room` is the hub's room of the whole namespace."""

    def __init__(
        self,
        connection: "Connection",
        consumer_class: type[SocketIOConsumer],
        namespace: str,
        kwargs: dict[str, Any],
        socket_id: str,
    ) -> None:
        self.connection = connection
        self.namespace = namespace
        self.kwargs = kwargs
        self.id = socket_id
        self.consumer = consumer_class(self)
        self._inbox: deque[Callable[[], Awaitable[None]]] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._held: list[tuple[Packets, int]] = []
        self._entered = False
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI scope of the connection's handshake."""
        return self.connection.scope

    @property
    def connected(self) -> bool:
        """Whether events reach the client: the connect was accepted and neither side has left."""
        return self._entered and self.connection.sockets.get(self.namespace) is self

    def handle_connect(self, auth: dict[str, Any]) -> None:
        """Ask the consumer whether the socket may enter."""
        self._put(partial(self._connect, auth))

    def handle_event(self, args: list[Any], ack_id: int | None) -> None:
        """Give an event to its handler, after those that came before."""
        self._put(partial(self._receive_event, args, ack_id))

    def handle_ack(self, ack_id: int, args: list[Any]) -> None:
        """Wake the `call` that waits for this answer."""
        if (future := self._acks.pop(ack_id, None)) is not None and not future.done():
            future.set_result(args)

    def handle_end(self, reason: str) -> None:
        """The socket is gone: leave the rooms now, clean up after the events that are still waiting."""
        self.connection.runtime.hub.forget(self.id)
        for future in self._acks.values():
            if not future.done():
                future.set_exception(ConnectionError(f"the socket ended before it answered: {reason}"))
        self._acks.clear()
        self._put(partial(self._disconnect, reason))

    def emit(self, event: str, args: Sequence[Any], ack_id: int | None = None) -> None:
        """Send an event to this client; without `ack_id` it is held back until the connect is answered."""
        if self.connected:
            self.connection.protocol.send_event(self.namespace, [event, *to_json(args)], ack_id)
            self.connection.flush()
        elif not self._entered:
            self._held.append(encode_broadcast(self.namespace, [event, *to_json(args)]))

    async def call(self, event: str, args: Sequence[Any], timeout: float) -> list[Any]:
        """Send an event and wait for its ack; see SocketIOConsumer.call."""
        if not self.connected:
            raise ConnectionError("expected a connected socket")
        ack_id = next(ack_ids)
        self._acks[ack_id] = future = asyncio.get_running_loop().create_future()
        try:
            self.emit(event, args, ack_id)
            async with asyncio.timeout(timeout):
                answer: list[Any] = await future
                return answer
        finally:
            self._acks.pop(ack_id, None)
            self.connection.protocol.forget_ack(self.namespace, ack_id)

    def broadcast(self, event: str, args: Sequence[Any], skip: Collection[str]) -> None:
        """Send an event to everybody in the namespace, encoded once."""
        packets, size = encode_broadcast(self.namespace, [event, *to_json(args)])
        self.connection.runtime.backplane.publish(self.namespace, packets, size, skip)

    def disconnect(self) -> None:
        """Put the client out of the namespace."""
        if self.connected:
            self.connection.disconnect(self)

    def deliver(self, packets: Packets, size: int) -> None:
        """Write what the hub has ready for this client."""
        self.connection.write(packets, size)

    def _put(self, work: Callable[[], Awaitable[None]]) -> None:
        self._inbox.append(work)
        self.connection.count_backlog(1)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())

    async def _work(self) -> None:
        while self._inbox:
            await self._inbox.popleft()()
            self.connection.count_backlog(-1)
        self._worker = None

    async def _connect(self, auth: dict[str, Any]) -> None:
        refused: Refused | None = None
        try:
            await run(self.consumer.connect(auth))
        except Refused as error:
            refused = error
        except Exception:
            self._log_failure("connect")
            refused = INTERNAL
        if refused is not None:
            self.connection.refuse(self, refused)
        else:
            self._enter()

    def _enter(self) -> None:
        """Answer the connect, then what was held back, then live: all without giving way."""
        self._entered = True
        if not self.connection.accept(self):
            return
        held, self._held = self._held, []
        for packets, size in held:
            self.deliver(packets, size)
        if self.connected:
            self.connection.runtime.hub.join(self.namespace, self.id, self.deliver)

    async def _receive_event(self, args: list[Any], ack_id: int | None) -> None:
        try:
            result = await self._handle(args)
            if ack_id is not None and self.connected:
                self.connection.protocol.send_ack(self.namespace, ack_id, ack_args(result))
                self.connection.flush()
        except Refused as refused:
            self._refuse_event(refused, ack_id)
        except Exception:
            self._log_failure(str(args[0]))
            self._refuse_event(INTERNAL, ack_id)

    async def _handle(self, args: list[Any]) -> Any:
        handler = self.consumer.handlers.get(args[0])
        if handler is None:
            raise Refused("unknown event", "Expected an event that this namespace knows.")
        return await run(handler.function(self.consumer, *handler.decode(args[1:])))

    def _refuse_event(self, refused: Refused, ack_id: int | None) -> None:
        if not self.connected:
            return
        answer = {"code": refused.code, "message": refused.message}
        if ack_id is None:
            self.emit(self.consumer.refusal_event, [answer])
        else:
            self.connection.protocol.send_ack(self.namespace, ack_id, [{"ok": False} | answer])
            self.connection.flush()

    async def _disconnect(self, reason: str) -> None:
        if not self._entered:
            return
        try:
            await run(self.consumer.disconnect(reason))
        except Exception:
            self._log_failure("disconnect")

    def _log_failure(self, where: str) -> None:
        logger.exception("%.100r failed in %s for %s.", where, self.namespace, self.connection.label)


async def run(hook: Awaitable[Any]) -> Any:
    """Await the application's code.

    A CancelledError of something that it awaited, while nobody cancels this task, is a failure like any
    other; it must not end the task, which has the socket's next events to handle.
    """
    try:
        return await hook
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("expected a result, got the cancellation of what was awaited") from error


def to_json(args: Sequence[Any]) -> list[Any]:
    """Return `args` with structs, dates, UUIDs and the like as JSON values; bytes stay bytes."""
    return list(msgspec.to_builtins(tuple(args), builtin_types=(bytes, bytearray, memoryview)))


def ack_args(result: Any) -> list[Any]:
    """Return what a handler returned as the arguments of an ack."""
    if result is None:
        return []
    return to_json(result if isinstance(result, tuple) else (result,))
