"""One client inside one namespace: its consumer, and the order in which its handlers run.

Handlers of a socket run serially in a task that lives only while there is something to do, so an
idle socket has none. Acks do not wait in that line: a handler may await one.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..exceptions import Refused, SocketEnded
from ..fanout.backplane import EVENT
from ..fanout.prepared import PreparedMessage, event_packets, to_json
from ..fanout.targets import room_key, skip_keys, topics_of
from ..history.cache import START, format_offset
from ..history.feed import Feed
from ..history.log import Log, Position
from ..history.recovery import Claim, new_pid
from ..protocol.reasons import Reason, SocketRefusal
from . import replay
from .acks import call_each
from .runtime import TAKE_OVER, new_id
from .socket_state import CONNECTED, CONNECTING, ENDED, TRANSITIONS

if TYPE_CHECKING:
    from ..consumer import SocketIOConsumer
    from .connection import Connection

logger = logging.getLogger(__name__)

TASK_ENDS = (asyncio.CancelledError, GeneratorExit, KeyboardInterrupt, SystemExit)
INTERNAL = Refused(SocketRefusal.INTERNAL.code, SocketRefusal.INTERNAL.message)


class Socket:
    """A namespace's side of a connection."""

    def __init__(
        self,
        connection: "Connection",
        consumer_class: "type[SocketIOConsumer]",
        namespace: str,
        kwargs: dict[str, Any],
        socket_id: str,
    ) -> None:
        self.connection = connection
        self.namespace = namespace
        self.kwargs = kwargs
        self.id = socket_id
        self.consumer = consumer_class(self)
        self._inbox: deque[Callable[[], Awaitable[None]]] | None = None  # while a worker empties it
        self._worker: asyncio.Task[None] | None = None
        self._held: list[PreparedMessage] = []
        self._rooms: list[str] = []  # entered before the connect was answered
        self.state = CONNECTING
        self._acks: dict[int, asyncio.Future[list[Any]]] = {}
        self._later: list[asyncio.Future[Any]] = []  # what handlers returned to be the ack when it is there
        self.pid: str | None = None
        self.recovered = False
        self._feed: Feed | None = None
        self.began = START  # where the client is before it is sent anything of the log

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI scope of the connection's handshake."""
        return self.connection.scope

    @property
    def connected(self) -> bool:
        """Whether events reach the client: the connect was accepted and neither side has left."""
        return self.state is CONNECTED

    @property
    def offset(self) -> str:
        """The offset of a client that has got all that was sent to it so far."""
        position = self._feed.cache.position if self._feed is not None and self.connected else self.began
        return format_offset(position, self.namespace)

    @property
    def head(self) -> int:
        """The number of the newest entry of the log that was sent to this client."""
        return self.began.seq if self._feed is None else self._feed.cache.position.seq

    def handle_connect(self, auth: dict[str, Any], claim: Claim | None = None) -> None:
        """Ask the consumer whether the socket may enter; `claim` says which one it was before."""
        self._put(partial(self._connect, auth, claim))

    def handle_event(self, args: list[Any], ack_id: int | None) -> None:
        """Give an event to its handler, after those that came before."""
        self._put(partial(self._receive_event, args, ack_id))

    def handle_ack(self, ack_id: int, args: list[Any]) -> None:
        """Wake the `call` that waits for this answer."""
        if (future := self._acks.pop(ack_id, None)) is not None and not future.done():
            future.set_result(args)

    def handle_end(self, reason: str) -> None:
        """The socket is gone: leave the rooms now, clean up after the events that are still waiting."""
        self.move("end")
        runtime = self.connection.runtime
        if runtime.sockets.get(self.id) is self:  # not so for one that came back and has not entered yet
            del runtime.sockets[self.id]
            runtime.hub.forget(self.id)
        self._unfollow()
        runtime.tracker.note(self.connection.engine.sid)
        for future in self._acks.values():
            if not future.done():
                future.set_exception(SocketEnded(f"the socket ended before it answered: {reason}"))
        self._acks.clear()
        self._put(partial(self._disconnect, reason))

    def handle_rename(self) -> None:
        """The login session or its user may go by another name now."""
        self._put(self._renamed)

    def emit(self, event: str, args: Sequence[Any], volatile: bool = False) -> None:
        """Send an event to this client; it is held back until the connect is answered."""
        prepared = PreparedMessage(*event_packets(self.namespace, [event, *args]))
        if not self.connected:
            if self.state is CONNECTING:
                self._held.append(prepared)
        elif volatile:
            self.connection.runtime.hub.send_volatile_to(self.connection, prepared)
        else:
            self.connection.runtime.hub.send(self.connection, prepared)

    async def call(self, event: str, args: Sequence[Any], timeout: float) -> list[Any]:
        """Send an event and wait for its ack; see SocketIOConsumer.call."""
        if not self.connected:
            raise SocketEnded("expected a connected socket")
        answers = await call_each([self], event, args, timeout)
        return answers[0].result()

    async def call_all(
        self, event: str, args: Sequence[Any], room: str | None, timeout: float
    ) -> dict[str, list[Any] | None]:
        """Call everybody in a room of this process; see SocketIOConsumer.call_all."""
        runtime = self.connection.runtime
        called = [runtime.sockets[member] for member in runtime.hub.members(room_key(self.namespace, room))]
        answers = await call_each(called, event, args, timeout)
        return {
            socket.id: None if answer.exception() else answer.result()
            for socket, answer in zip(called, answers, strict=True)
        }

    def expect_answer(self, ack_id: int) -> "asyncio.Future[list[Any]]":
        """Return a future for the ack with this id; it raises ConnectionError when the socket ends before."""
        self.connection.protocol.expect_ack(self.namespace, ack_id)
        self._acks[ack_id] = asyncio.get_running_loop().create_future()
        return self._acks[ack_id]

    def forget_answer(self, ack_id: int) -> None:
        """Wait no longer for the ack with this id."""
        self._acks.pop(ack_id, None)
        self.connection.protocol.forget_ack(self.namespace, ack_id)

    def broadcast(
        self, event: str, args: Sequence[Any], room: str | None, skip: Collection[str], volatile: bool
    ) -> None:
        """Send an event to everybody in the namespace or in one of its rooms, encoded once."""
        publication = room_key(self.namespace, room), *event_packets(self.namespace, [event, *args])
        self.connection.runtime.backplane.publish(EVENT, *publication, skip_keys(self.namespace, skip), volatile)

    def join(self, room: str) -> None:
        """Enter a room of the namespace; before the connect is answered, as soon as it is."""
        if self.connected:
            self.connection.runtime.hub.join(room_key(self.namespace, room), self.id, self.connection)
        elif self.state is CONNECTING:
            self._rooms.append(room)

    def leave(self, room: str) -> None:
        """Leave a room of the namespace."""
        if room in self._rooms:
            self._rooms.remove(room)
        if self.connected:
            self.connection.runtime.hub.leave(room_key(self.namespace, room), self.id)

    def disconnect(self) -> None:
        """Put the client out of the namespace."""
        if self.connected:
            self.connection.disconnect(self)

    def follow(self, log: Log) -> Feed:
        """Return the feed of the log, which lives as long as this socket."""
        interval = self.connection.application.options.log_interval
        self._feed = self.connection.runtime.feeds.enter(self.namespace, log, interval)
        return self._feed

    def begin(self, position: Position) -> None:
        """Be a new socket, which is at `position` before it gets anything; what it claimed to be is void."""
        self.began = position
        self.id = new_id()
        if self.connection.application.options.recovery:
            self.pid = new_pid(self.id, self.namespace, self.connection.handshake.owner)

    def recover(self, claim: Claim) -> None:
        """Be the socket of the claim, or a new one at its position if that was another's."""
        if claim.pid is None:
            self.begin(claim.position)
        else:
            self.began, self.id, self.pid, self.recovered = claim.position, claim.socket_id, claim.pid, True

    async def greet(self, head: int, missed: tuple[int, int] | None) -> None:
        """Have the consumer say what comes before the log."""
        await run(self.consumer.welcome(head))
        if missed is not None:
            await self.skip(*missed)

    async def skip(self, first: int, last: int) -> None:
        """Have the consumer say that the entries `first` to `last` are not sent."""
        self.began = self.began._replace(seq=last)
        await run(self.consumer.gap(first, last))

    def move(self, event: str) -> None:
        """Go on to the next state, if `event` changes anything in this one."""
        self.state = TRANSITIONS[self.state].get(event, self.state)

    def _put(self, work: Callable[[], Awaitable[None]]) -> None:
        self.connection.begin_event()
        if self._inbox is not None:
            self._inbox.append(work)
        else:
            self._inbox = inbox = deque((work,))
            self._worker = asyncio.create_task(self._work(inbox))

    async def _work(self, inbox: deque[Callable[[], Awaitable[None]]]) -> None:
        """Do all that is in the inbox. An error that nothing else has caught ends the client; its clean-up runs still.

        A handler may have this very task cancelled: then another one goes on.
        """
        try:
            while inbox:
                try:
                    await inbox.popleft()()
                except TASK_ENDS as error:
                    if not self.connection.closed:  # otherwise it is the end of the process, most likely
                        self.connection.fail(error)
                    raise
                except BaseException as error:
                    self.connection.fail(error)
                finally:
                    self.connection.finish_event()
        finally:
            self._inbox = self._worker = None
            if inbox:
                self._inbox = inbox
                self._worker = asyncio.create_task(self._work(inbox))

    async def _connect(self, auth: dict[str, Any], claim: Claim | None) -> None:
        missed: list[PreparedMessage] = []
        try:
            await run(self.consumer.connect(auth))
            if self.consumer.log is not None and self.state is CONNECTING:
                missed = await replay.prepare(self, self.consumer.log, claim)
        except replay.LogUnavailable as error:
            self.connection.close(Reason.LOG_UNAVAILABLE, str(error))  # its client comes back by itself
        except Refused as error:
            self._refuse(error)
        except Exception as error:
            self._log_failure("connect", error)
            self._refuse(INTERNAL)
        else:
            self._enter(missed)

    def _refuse(self, refused: Refused) -> None:
        self._unfollow()
        self.connection.refuse(self, refused)

    def _unfollow(self) -> None:
        if self._feed is not None:
            self.connection.runtime.feeds.leave(self._feed)
            self._feed = None

    def _enter(self, missed: list[PreparedMessage]) -> None:
        """Answer the connect, then what was held back, what was missed, then live: all without giving way."""
        self.move("accept")
        if self.recovered and self.connected:
            self.connection.runtime.backplane.publish(TAKE_OVER, self.id)
        if not self.connection.accept(self):
            self._unfollow()  # it ended while its connect was handled
            return
        held, self._held = self._held, []
        for prepared in (*held, *missed):
            self.connection.runtime.hub.send(self.connection, prepared)
        if self.connected:
            self._join_all()

    def _join_all(self) -> None:
        runtime = self.connection.runtime
        runtime.sockets[self.id] = self
        rooms, self._rooms = self._rooms, []
        handshake = self.connection.handshake
        for topic in topics_of(self.namespace, handshake.session, handshake.user):
            runtime.hub.join(topic, self.id, self.connection)
        for room in rooms:
            runtime.hub.join(room_key(self.namespace, room), self.id, self.connection)
        runtime.tracker.note(self.connection.engine.sid)
        self.consumer.entered()

    async def _renamed(self) -> None:
        if not self.connected:
            return
        try:
            await run(self.consumer.renamed())
        except Exception as error:
            self._log_failure("renamed", error)

    async def _receive_event(self, args: list[Any], ack_id: int | None) -> None:
        if self.connection.final:
            return
        event = str(args[0])
        try:
            if (handler := self.consumer.handlers.get(args[0])) is None:
                raise Refused(SocketRefusal.UNKNOWN_EVENT.code, SocketRefusal.UNKNOWN_EVENT.message)
            result = await run(handler.function(self.consumer, *handler.decode(args[1:])))
        except Exception as error:
            self._fail_event(error, event, ack_id)
            return
        if isinstance(result, asyncio.Future):
            self.connection.begin_event()
            self._later.append(result)
            result.add_done_callback(partial(self._answer_later, event, ack_id))
        else:
            self._answer(result, event, ack_id)

    def _answer_later(self, event: str, ack_id: int | None, future: "asyncio.Future[Any]") -> None:
        self._later.remove(future)
        error = RuntimeError("expected a result, got a cancelled future") if future.cancelled() else future.exception()
        try:
            if error is not None:
                self._fail_event(error, event, ack_id)
            else:
                self._answer(future.result(), event, ack_id)
        except Exception as failure:
            self.connection.fail(failure)
        finally:
            self.connection.finish_event()

    def _answer(self, result: Any, event: str, ack_id: int | None) -> None:
        if ack_id is None or not self.connected:
            return
        try:
            answer = [] if result is None else to_json(result if isinstance(result, tuple) else (result,))
            self.connection.protocol.send_ack(self.namespace, ack_id, answer)
        except Exception as error:  # what JSON cannot carry
            self._fail_event(error, event, ack_id)
        else:
            self.connection.flush()

    def _fail_event(self, error: BaseException, event: str, ack_id: int | None) -> None:
        if isinstance(error, SocketEnded):
            return  # a client that left while its handler asked it something is no failure
        refused = error if isinstance(error, Refused) else INTERNAL
        if refused is INTERNAL:
            self._log_failure(event, error)
        if not self.connected:
            return
        answer = {"code": refused.code, "message": refused.message} | refused.more
        if ack_id is None:
            self.emit(self.consumer.refusal_event, [answer])
        else:
            self.connection.protocol.send_ack(self.namespace, ack_id, [{"ok": False} | answer])
            self.connection.flush()

    async def _disconnect(self, reason: str) -> None:
        if self.state is not ENDED:
            return
        if self._later:
            await asyncio.wait(self._later)
        try:
            await run(self.consumer.disconnect(reason))
        except Exception as error:
            self._log_failure("disconnect", error)

    def _log_failure(self, where: str, error: BaseException) -> None:
        label = self.connection.label
        logger.error("%.100r failed in %s for %s.", where, self.namespace, label, exc_info=error)


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
