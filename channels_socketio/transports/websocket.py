"""The WebSocket transport: one engine packet in a frame, as a Channels consumer.

Sending takes no task and no queue while the client keeps up: the server's `send` is a coroutine that normally
ends without ever waiting, so it is driven on the spot. Only when it does wait (the server pushes back) a
task finishes it, and what comes meanwhile queues behind it in order. That queue is bounded by the
connection's budget of unconfirmed bytes.
"""

import asyncio
import types
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import TYPE_CHECKING, Any

from channels.consumer import AsyncConsumer

from ..connection import Connection
from ..handshake import HandshakeError, parse_handshake
from ..protocol.engine_packets import Encoded
from ..protocol.reasons import Reason
from ..refusal import FORBIDDEN, Refused, refuse_websocket

if TYPE_CHECKING:
    from ..server import SocketIOServer

NORMAL_CLOSURE = 1000  # RFC 6455 section 7.4.1
GOING_AWAY = 1001


class WebSocketTransport(AsyncConsumer):
    """Serves one WebSocket of `server`. Expects `AuthMiddlewareStack` above it."""

    base_send: Any

    def __init__(self, server: "SocketIOServer") -> None:
        self.server = server
        self.connection: Connection | None = None
        self._waiting: deque[dict[str, Any]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False
        self._resumed = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Run until the socket is closed.

        AsyncConsumer's own loop makes every consumer a member of the channel layer and every message a
        task; here the process is the member (see backplane).
        """
        self.scope, self.base_send = scope, send
        await receive()  # websocket.connect
        try:
            await self._accept()
        except HandshakeError as error:
            await refuse_websocket(scope, receive, send, error.status, error.code, error.message)
            return
        except Refused as refused:
            self.server.log_refusal(scope, refused)
            await refuse_websocket(scope, receive, send, 403, FORBIDDEN, refused.message)
            return
        assert self.connection is not None  # noqa: S101  (for the type checker)
        try:
            while (message := await receive())["type"] != "websocket.disconnect":
                await self._receive(message)
        finally:
            self._closed = True
            self.connection.close(Reason.TRANSPORT_CLOSE)

    def send_packets(self, packets: Sequence[Encoded]) -> None:
        """Send each packet as a frame."""
        for packet in packets:
            if isinstance(packet, str):
                self._send({"type": "websocket.send", "text": packet})
            elif packet:
                self._send({"type": "websocket.send", "bytes": packet})
            else:
                # Daphne drops empty frames; "b" and no base64 is the same message as text.
                self._send({"type": "websocket.send", "text": "b"})

    def close(self, reason: Reason) -> None:
        """Close the WebSocket, behind what was sent before."""
        going_away = reason is Reason.SERVER_SHUTTING_DOWN
        code = GOING_AWAY if going_away else NORMAL_CLOSURE
        self._send({"type": "websocket.close", "code": code, "reason": reason.text})
        self._closed = True
        self.resume()
        if reason is Reason.SLOW_CONSUMER and self._writer is not None:
            self._waiting.clear()  # it would never get there

    def resume(self) -> None:
        """Read on."""
        self._resumed.set()

    async def _accept(self) -> None:
        parse_handshake(self.scope, "websocket")
        await self.server.admit(self.scope)
        await self.server.runtime.start()
        await self.base_send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        self.connection = Connection(self.server, dict(self.scope), self, self.server.new_id())
        self.connection.open()

    async def _receive(self, message: Any) -> None:
        assert self.connection is not None  # noqa: S101  (for the type checker)
        text = message.get("text")
        self.connection.receive(message["bytes"] if text is None else text)
        while self.connection.congested and not self._closed:
            self._resumed.clear()
            await self._resumed.wait()

    def _send(self, event: dict[str, Any]) -> None:
        if self._closed:
            return
        if self._writer is not None:
            self._waiting.append(event)
            return
        coroutine = self.base_send(event)
        try:
            blocker = coroutine.send(None)
        except StopIteration:
            return
        except OSError:
            # The client is gone (ASGI: send raises an OSError then); the server's disconnect follows.
            self._closed = True
            return
        self._writer = asyncio.create_task(self._write(coroutine, blocker))

    async def _write(self, coroutine: Coroutine[Any, Any, None], blocker: Any) -> None:
        try:
            await _finish(coroutine, blocker)
            while self._waiting:
                await self.base_send(self._waiting.popleft())
        except OSError:
            self._closed = True
            self._waiting.clear()
        finally:
            self._writer = None


@types.coroutine
def _finish(coroutine: Coroutine[Any, Any, None], blocker: Any) -> Generator[Any, Any, None]:
    """Await what is left of a coroutine that was started outside of a task and waits for `blocker`."""
    step: Callable[[Any], Any]
    while True:
        try:
            result = yield blocker
        except BaseException as error:  # handed on: this only stands between task and coroutine
            step, value = coroutine.throw, error
        else:
            step, value = coroutine.send, result
        try:
            blocker = step(value)
        except StopIteration:
            return
