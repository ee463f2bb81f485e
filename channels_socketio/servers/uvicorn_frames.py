"""A WebSocket protocol for uvicorn that takes ready frames.

    uvicorn --ws channels_socketio.servers.uvicorn_frames:FramesProtocol ...

Plain ASGI wraps every message into an event, awaits `send`, and has the server build the frame anew for
every client. Here a frame is built once for all clients, and any number of them goes to a client in one
write. Plain ASGI also keeps a task with the frames of all middleware, a queue and the request for
every idle connection, which is most of its memory; here the application hands its connection over and returns.
Parsing, the closing handshake, pings and limits are uvicorn's own. What is relied on of uvicorn's class is in `USED`,
and a test says when it changes.

Backpressure is the connection's budget of unconfirmed bytes (see connection): what is written waits in
the transport's buffer, and a client that does not read is closed when the budget is spent.
"""

from asyncio import Event, Transport
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.utils import apply_mask

from ..protocol.reasons import Reason
from . import CUT_SECONDS, FRAMES_EXTENSION, TURN_FRAMES

USED = (
    "app",
    "client",
    "close_sent",
    "close_timeout",
    "close_timer",
    "config",
    "conn",
    "connections",
    "default_headers",
    "disconnected",
    "handle_connect",
    "handle_events",
    "handle_parser_exception",
    "handshake_complete",
    "handshake_initiated",
    "loop",
    "on_task_complete",
    "pause_writing",
    "queue",
    "read_paused",
    "request",
    "response",
    "resume_writing",
    "run_asgi",
    "scheme",
    "scope",
    "send",
    "send_500_response",
    "server",
    "start_keepalive",
    "tasks",
    "transport",
    "writable",
)
SWITCHING_PROTOCOLS = 101
ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %s\r\n%s\r\n"
)
TURN_BYTES = 2048  # that the parser is given at once: at most 341 frames
EARLY_FRAMES = 100  # that a client may send before it is answered
SHORTEST_FRAME, WHOLE_TEXT, MASKED, LONGER = 6, 0x81, 0x80, 126
WRITABLE = Event()  # of connections that were handed over: their budget bounds them
WRITABLE.set()


class Taker:
    """Stands for the queue of a connection that was handed over."""

    __slots__ = ("put_nowait",)

    def __init__(self, take: Callable[[Any], None]) -> None:
        self.put_nowait = take


class FramesProtocol(WebSocketsSansIOProtocol):
    """A FrameStream, in the scope's extensions."""

    handed_over = False
    plain = True  # whether the parser has been given nothing yet
    accept_key: bytes | None = None  # of a request that `start` took
    url = b""
    count: Callable[[int], bool] | None = None  # of the application that counts frames
    early = 0  # frames before the handshake was complete
    rest = b""  # what was read and waits for its turn
    held = False  # whether the application wants nothing at present
    cut_off = False  # whether nothing more is read at all

    _conn: ServerProtocol | None

    @property
    def conn(self) -> ServerProtocol:
        """The parser; after a plain accept it is made when something comes that needs it."""
        if self._conn is None:
            self._conn = ServerProtocol(state=State.OPEN, max_size=self.config.ws_max_size, logger=self.logger)
        return self._conn

    @conn.setter
    def conn(self, conn: ServerProtocol) -> None:
        self._conn = conn

    def take_over(
        self, transport: Transport, server: tuple[str, int | None] | None, client: tuple[str, int] | None, secure: bool
    ) -> None:
        """What `connection_made` does, with addresses that are known already."""
        self.connections.add(self)
        self.transport, self.server, self.client = transport, server, client
        self.scheme = "wss" if secure else "ws"

    def start(self, scope: Any, url: bytes, accept_key: bytes) -> None:
        """What `handle_connect` does, for a request that was parsed and checked already."""
        self.scope, self.url, self.accept_key = scope, url, accept_key
        scope["extensions"][FRAMES_EXTENSION] = self
        self.handshake_initiated = True
        self.queue.put_nowait({"type": "websocket.connect"})
        task = self.loop.create_task(self.run_asgi())
        task.add_done_callback(self.on_task_complete)
        self.tasks.add(task)

    async def send(self, message: Any) -> None:
        """Part of uvicorn's class: what the application sends."""
        if self.accept_key is not None:
            if is_plain_accept(message):
                self._accept(self.accept_key)
                return
            self._parse_request()
        await super().send(message)

    def handle_connect(self, event: Any) -> None:
        """Part of uvicorn's class: the request has come; the application starts in a later turn of the loop."""
        super().handle_connect(event)
        if self.response.status_code == SWITCHING_PROTOCOLS:
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions[FRAMES_EXTENSION] = self

    def data_received(self, data: bytes) -> None:
        """Part of uvicorn's class: bytes have come."""
        if self.accept_key is not None:
            self._parse_request()  # the library knows what to do with frames that come too early
        if self.cut_off:
            self.transport.pause_reading()
        elif self.rest:
            self.rest += data
        else:
            self._take_turn(data)

    async def run_asgi(self) -> None:
        """Part of uvicorn's class: run the application; close behind it unless it has handed over."""
        try:
            await self.app(self.scope, self.receive, self.send)
        except ClientDisconnected:
            pass
        except BaseException:
            self.logger.exception("Exception in ASGI application\n")
            self.send_500_response()
        else:
            if not self.handshake_complete:
                self.logger.error("ASGI callable returned without completing handshake.")
                self.send_500_response()
        if self.close_timer is None and not self.handed_over:
            self.transport.close()

    def pause_writing(self) -> None:
        """Part of uvicorn's class: nobody waits for the buffer of a connection that was handed over."""
        if not self.handed_over:
            super().pause_writing()

    def resume_writing(self) -> None:
        """Part of uvicorn's class."""
        if not self.handed_over:
            super().resume_writing()

    def write_frames(self, frames: bytes) -> None:
        """See FrameStream."""
        if self.handshake_complete and not self.close_sent and not self.disconnected:
            self.transport.write(frames)

    def hand_over(self, take: Callable[[Any], None]) -> Callable[[bytes], None]:
        """See FrameStream."""
        waiting, self.queue = self.queue, Taker(take)  # type: ignore[assignment]  # all that uvicorn puts there goes on
        self.handed_over = True
        self.writable = WRITABLE
        del self.scope
        if self.read_paused:
            self.transport.resume_reading()
        self.read_paused = True  # or uvicorn would stop reading until somebody calls its `receive`
        while not waiting.empty():
            take(waiting.get_nowait())
        return self.transport.write

    def count_with(self, count: Callable[[int], bool]) -> None:
        """See FrameStream."""
        self.count = count

    def pause(self) -> None:
        """See FrameStream."""
        self.held = True
        self.transport.pause_reading()

    def resume(self) -> None:
        """See FrameStream."""
        self.held = False
        self._read_on()

    def close_frames(self, code: int, reason: str) -> None:
        """See FrameStream."""
        if self.close_sent or self.disconnected or self.conn.state is not State.OPEN:
            return  # the peer's close may have been parsed with the frames that lead here; its answer follows
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent, self.held = True, False
        self.loop.call_soon(self._read_on)
        self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def _take_turn(self, data: bytes) -> None:
        """Handle the beginning of `data`, and the rest when others have had their turn."""
        rest = self._take_plain(data) if self.plain and self.handed_over else self._parse(data)
        if rest:
            self.rest = rest
            self.transport.pause_reading()
            self.loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self.held or self.cut_off or self.transport.is_closing():
            return
        rest, self.rest = self.rest, b""
        if rest:
            self._take_turn(rest)
        if not self.rest and not self.held and not self.cut_off:
            self.transport.resume_reading()

    def _take_plain(self, data: bytes) -> bytes:
        """Take whole, short text frames, and leave to the parser what begins otherwise; return what has to wait."""
        start, count = 0, self.count
        for _ in range(TURN_FRAMES):
            found = None if self.close_sent else decode_plain_frame(data, start)
            if found is None:
                return self._parse(data[start:])
            text, start = found
            if count is not None and not count(1):
                return self._cut()
            self.queue.put_nowait({"type": "websocket.receive", "text": text})
            if start == len(data) or self.held:
                break
        return data[start:]

    def _parse(self, data: bytes) -> bytes:
        """Give `data` to the parser piece by piece, and handle what it finds; return what has to wait."""
        self.plain = False
        turn = TURN_FRAMES
        for start in range(0, len(data), TURN_BYTES):
            if self.handed_over and (turn <= 0 or self.held):
                return data[start:]
            self.conn.receive_data(data[start : start + TURN_BYTES])
            if self.conn.parser_exc is not None:
                self.handle_parser_exception()
                return b""
            frames = len(self.conn.events)
            if frames and not self._counts(frames):
                return self._cut()
            self.handle_events()
            turn -= frames
        return b""

    def _counts(self, frames: int) -> bool:
        if self.count is not None:
            return self.count(frames)
        if not self.handshake_complete:
            self.early += frames
        return self.early <= EARLY_FRAMES

    def _cut(self) -> bytes:
        """Read no more from a client that sends too much, and drop its connection soon; nothing has to wait."""
        reason = Reason.TOO_MANY_EVENTS
        self.close_frames(reason.close_code, reason.text)  # unless the application has
        self.cut_off, self.rest = True, b""
        self.transport.pause_reading()
        if self.close_timer is not None:
            self.close_timer.cancel()
        self.close_timer = self.loop.call_later(CUT_SECONDS, self.transport.abort)
        return b""

    def _accept(self, key: bytes) -> None:
        self.accept_key = None
        if self.disconnected or self.transport.is_closing():
            raise ClientDisconnected
        headers = b"".join(b"%s: %s\r\n" % header for header in self.default_headers)
        self.transport.write(ACCEPTED % (key, headers))
        self.handshake_complete = True
        self._conn = None
        self.start_keepalive()

    def _parse_request(self) -> None:
        """Have the library read the request, for it answers what is not a plain accept."""
        self.accept_key = None
        headers = b"".join(b"%s: %s\r\n" % header for header in self.scope["headers"])
        self.conn.receive_data(b"GET %s HTTP/1.1\r\n%s\r\n" % (self.url, headers))
        self.request = cast(Request, self.conn.events_received()[0])
        self.response = self.conn.accept(self.request)


def decode_plain_frame(data: bytes, start: int) -> tuple[str, int] | None:
    """Return the text of the frame at `start` and where it ends (RFC 6455 section 5.2).

    None for whatever is not a whole, unfragmented, masked text frame of less than 64 KiB: the parser's business.
    """
    if len(data) - start < SHORTEST_FRAME or data[start] != WHOLE_TEXT or data[start + 1] < MASKED:
        return None
    length, mask = data[start + 1] - MASKED, start + 2
    if length == LONGER:
        length, mask = int.from_bytes(data[mask : mask + 2], "big"), mask + 2
    elif length > LONGER:
        return None
    payload, end = mask + 4, mask + 4 + length
    if end > len(data):
        return None
    try:
        return apply_mask(data[payload:end], data[mask:payload]).decode(), end
    except UnicodeDecodeError:
        return None


def is_plain_accept(message: Any) -> bool:
    """Return whether an ASGI message accepts a WebSocket without more ado."""
    return message["type"] == "websocket.accept" and not message.get("subprotocol") and not message.get("headers")
