"""The WebSocket transport: one engine packet in a frame, as a Channels consumer.

Where the server offers it (see servers), ready frames are handed over, any number in one write, and after the
handshake nothing of this coroutine is left: the server calls `_take`. Elsewhere
sending takes no task and no queue while the client keeps up: the server's `send` is a coroutine that normally
ends without ever waiting, so it is driven on the spot. Only when it does wait (the server pushes back) a
task finishes it, and what comes meanwhile queues behind it in order. That queue is bounded by the
connection's budget of unconfirmed bytes.
"""

import asyncio
import enum
import itertools
import types
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from channels.consumer import AsyncConsumer

from ..connections.connection import Connection
from ..connections.runtime import current_runtime
from ..exceptions import Refused, session_gone
from ..fanout.prepared import PreparedMessage, send_event, websocket_frame
from ..handshake.admission import Admission
from ..handshake.request import EngineRequest, HandshakeError, parse_request
from ..handshake.responses import refuse_websocket
from ..protocol.engine_packets import Framing
from ..protocol.reasons import FORBIDDEN, NORMAL, Reason, Refusal
from ..protocol.upgrade import UpgradeProtocol, UpgradeState
from ..servers import FRAMES_EXTENSION, TURN_FRAMES, FrameStream
from ..servers.cutting import cut
from ..servers.daphne import find_write
from .polling import PollingTransport

# Reasons for which a client is closed that may go on sending: it is read from no more.
MAY_GO_ON = {Reason.TOO_MANY_EVENTS, Reason.PARSE_ERROR, Reason.PAYLOAD_TOO_LARGE, Reason.TRANSPORT_ERROR}
DISCONNECT = {"type": "websocket.disconnect"}
# What writing raises once the client is gone: an OSError by ASGI's rules, but a RuntimeError when uvicorn or uvloop has
# closed the connection, and Daphne lets its library's error through between the end of the WebSocket and that of the
# TCP connection.
CLIENT_GONE: tuple[type[Exception], ...] = (OSError, RuntimeError)
with suppress(ImportError):
    from autobahn.exception import Disconnected

    CLIENT_GONE += (Disconnected,)


class WebSocketState(enum.Enum):
    """While held, what the client sent waits until its handlers have caught up."""

    OPEN = "open"
    HELD = "held"
    CLOSED = "closed"


OPEN, HELD, CLOSED = WebSocketState
TRANSITIONS = {
    OPEN: {"hold": HELD, "close": CLOSED},
    HELD: {"release": OPEN, "close": CLOSED},
    CLOSED: {},
}


@dataclass(slots=True, eq=False, repr=False)  # slots, as Connection has
class WebSocketTransport(AsyncConsumer):
    """Serves one WebSocket. Expects `AuthMiddlewareStack` above it."""

    name = "websocket"
    upgrades = ()

    admission: Admission
    connection: Connection = field(init=False)
    scope: Any = field(init=False)
    receive: Any = field(init=False)
    base_send: Any = field(init=False)
    state: WebSocketState = field(init=False, default=OPEN)
    _framing: Framing = field(init=False)
    _plain: bool = field(init=False, default=True)
    _stream: FrameStream | None = field(init=False, default=None)
    _put: Callable[[bytes], None] | None = field(init=False, default=None)
    _waiting: deque[dict[str, Any]] | None = field(init=False, default=None)
    _writer: asyncio.Task[None] | None = field(init=False, default=None)
    _held: deque[dict[str, Any]] | None = field(init=False, default=None)
    _resumed: asyncio.Event | None = field(init=False, default=None)

    @property
    def ready(self) -> bool:
        """Whether a packet would be on its way at once."""
        return self._writer is None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run until the socket is closed.

        AsyncConsumer's own loop makes every consumer a member of the channel layer and every message a
        task; here the process is the member (see backplane).
        """
        self.scope, self.receive, self.base_send = scope, receive, send
        await receive()  # websocket.connect
        try:
            request = parse_request(scope, "websocket")
            opened = await (self._open(request) if request.sid is None else self._upgrade(request.sid))
        except HandshakeError as error:
            refusal = error.refusal
            await refuse_websocket(scope, receive, send, refusal.status, refusal.code, refusal.message)
        except Refused as refused:
            self.admission.log_refusal(scope, refused)
            code, status = FORBIDDEN
            await refuse_websocket(scope, receive, send, status, code, refused.message, *refused.headers)
        else:
            if opened:
                await self._serve()

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Send each packet as a frame: all at once where the server takes ready frames."""
        if self._put is None:
            for event in prepared.events if self._plain else map(send_event, self._encode(prepared)):
                self._send(event)
        elif self.state is not CLOSED:
            frames = prepared.frames if self._plain else b"".join(map(websocket_frame, self._encode(prepared)))
            try:
                self._put(frames)
            except CLIENT_GONE:
                self._lose()

    def close(self, reason: Reason) -> None:
        """Close the WebSocket, behind what was sent before."""
        if reason is Reason.SLOW_CONSUMER and self._waiting is not None:
            self._waiting.clear()  # it would never get there
        try:
            if self.state is not CLOSED:
                self._close(reason.close_code, reason.text)
            if self._stream is None and reason in MAY_GO_ON:
                cut(self.base_send)
        finally:
            self._move("close")
            self.resume()

    def _close(self, code: int, text: str) -> None:
        if self._stream is not None:
            self._stream.close_frames(code, text)
            return
        try:
            self._send({"type": "websocket.close", "code": code, "reason": text})
        except Exception:  # Daphne's library takes no code from 1001 to 2999
            self._send({"type": "websocket.close", "code": NORMAL, "reason": text})

    def resume(self) -> None:
        """Read on."""
        if self._resumed is not None:
            self._resumed.set()
        if self._held is not None:
            self.connection.runtime.loop.call_soon(self._drain)

    async def _open(self, request: EngineRequest) -> bool:
        async with self.admission.handshake(self.scope) as slot:
            connection = self.admission.new_connection(request, self.scope, self, slot)
            self._attach(connection)
            await self._accept()
            connection.open()
        return True

    async def _upgrade(self, sid: str) -> bool:
        """Take over from polling; return False when that fails, which the polling session survives."""
        polling = current_runtime().polling.get(sid)
        connection = current_runtime().connections.get(sid) if polling is None else polling.connection
        if connection is None:
            self.admission.count_unknown_sid(self.scope)
            await self.admission.admit_late(self.scope)
        else:
            await self.admission.check_owner(connection, self.scope)
        if sid in current_runtime().ended:
            raise session_gone()
        if connection is None:
            raise HandshakeError(Refusal.UNKNOWN_SID)
        self._attach(connection)
        await self._accept()
        if not connection.count() or polling is None or not polling.move("candidate"):
            self.close(Reason.TRANSPORT_ERROR)
            return False
        upgraded = False
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.admission.application.options.upgrade_timeout):
                    upgraded = await self._probe(polling) and not connection.closed
        finally:
            if not upgraded:
                polling.move("fail")
        if upgraded:
            connection.upgrade(self, polling.detach())
        else:
            self.close(Reason.TRANSPORT_ERROR)
        return upgraded

    async def _probe(self, polling: PollingTransport) -> bool:
        candidate = UpgradeProtocol()
        while (message := await self.receive())["type"] != "websocket.disconnect":
            candidate.receive_data(message.get("text") or "")
            self.send_prepared(PreparedMessage(candidate.data_to_send()))
            match candidate.state:
                case UpgradeState.PROBED:
                    polling.probe()
                case UpgradeState.UPGRADED:
                    return True
                case UpgradeState.FAILED:
                    return False
        self._move("close")
        return False

    def _attach(self, connection: Connection) -> None:
        self.connection, self._framing = connection, connection.engine.framing
        self._plain = type(self._framing) is Framing and not self._framing.base64
        extensions: dict[str, Any] = self.scope.get("extensions") or {}
        self._stream = extensions.get(FRAMES_EXTENSION)
        if self._stream is None:
            self._put = find_write(self.base_send)
        else:
            self._put = self._stream.write_frames
            self._stream.count_with(connection.count)

    async def _accept(self) -> None:
        await self.base_send({"type": "websocket.accept", "subprotocol": None, "headers": []})

    async def _serve(self) -> None:
        if self._stream is not None:
            del self.scope, self.receive, self.base_send
            self._put = self._stream.hand_over(self._take)
            return
        try:
            for number in itertools.count(1):
                event = await self.receive()
                if event["type"] == "websocket.disconnect" or self.connection.count():  # this server does not count
                    self._handle(event)
                await self._read_on()
                if self.state is CLOSED:
                    return
                if number % TURN_FRAMES == 0:
                    await asyncio.sleep(0)  # the server's `receive` does not wait while it has something
        finally:
            self._handle(DISCONNECT)

    async def _read_on(self) -> None:
        """Wait until the connection may be fed again."""
        while self.connection.congested and self.state is not CLOSED:
            self._resumed = asyncio.Event()
            await self._resumed.wait()

    def _take(self, event: dict[str, Any]) -> None:
        """Handle an event of a connection that was handed over, or hold it back while handlers are behind.

        The end is not held back: what came before it, which is all there will be, goes to the handlers' queue.
        """
        if self._held is None and (self.state is CLOSED or not self.connection.congested):
            self._handle(event)
        elif event["type"] == "websocket.disconnect":
            self._move("close")
            self._drain()
            self._handle(event)
        elif self._held is not None:
            self._held.append(event)
        elif self._stream is not None:
            self._held = deque((event,))
            self._move("hold")
            self._stream.pause()

    def _drain(self) -> None:
        while self._held and (self.state is CLOSED or not self.connection.congested):
            self._handle(self._held.popleft())
        if self._stream is not None and not self._held:
            self._held = None
            self._move("release")
            self._stream.resume()

    def _handle(self, event: dict[str, Any]) -> None:
        if event["type"] == "websocket.disconnect":
            self._move("close")
            self.connection.close(Reason.TRANSPORT_CLOSE)
            return
        text = event.get("text")
        self.connection.receive_frame(event["bytes"] if text is None else text)

    def _encode(self, prepared: PreparedMessage) -> list[str | bytes]:
        return [self._framing.encode_frame(packet) for packet in prepared.packets]

    def _send(self, event: dict[str, Any]) -> None:
        if self.state is CLOSED:
            return
        if self._waiting is not None:
            self._waiting.append(event)
            return
        sending = self.base_send(event).__await__()  # some servers return an awaitable that is no coroutine
        try:
            blocker = next(sending)
        except StopIteration:
            return
        except CLIENT_GONE:
            self._lose()
            return
        self._waiting = deque()
        self._writer = asyncio.create_task(self._write(sending, blocker, self._waiting))

    async def _write(self, sending: Iterator[Any], blocker: Any, waiting: deque[dict[str, Any]]) -> None:
        try:
            await _finish(sending, blocker)
            while waiting:
                await self.base_send(waiting.popleft())
        except CLIENT_GONE:
            self._lose()
        except Exception as error:
            self._lose(error)
        finally:
            self._writer = self._waiting = None

    def _move(self, event: str) -> None:
        self.state = TRANSITIONS[self.state].get(event, self.state)

    def _lose(self, error: Exception | None = None) -> None:
        """Nothing can be written any more: end the connection, whether or not the server says that the client is gone.

        `error` is one that does not tell that it is.
        """
        self._move("close")
        if self.connection.transport is not self:
            return  # a candidate
        if error is None:
            self.connection.runtime.loop.call_soon(self._take, DISCONNECT)
        else:
            self.connection.fail(error)


@types.coroutine
def _finish(sending: Iterator[Any], blocker: Any) -> Generator[Any, Any, None]:
    """Await what is left of an awaitable that was started outside of a task and waits for `blocker`.

    `sending` is what its `__await__` returned: a coroutine's has `throw`, another need not.
    """
    while True:
        failure: BaseException | None = None
        try:
            yield blocker  # a task sends nothing but None
        except BaseException as error:  # handed on: this only stands between task and awaitable
            failure = error
        try:
            if failure is None:
                blocker = next(sending)
            elif hasattr(sending, "throw"):
                blocker = sending.throw(failure)
            else:
                raise failure
        except StopIteration:
            return
