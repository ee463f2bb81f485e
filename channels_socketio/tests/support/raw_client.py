"""HTTP requests and WebSockets as they are on the wire, for servers that must be held to the letter."""

import asyncio
import itertools
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

SECONDS = 15.0  # that anything may take


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response; the names of `headers` are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def pair(self) -> tuple[int, str]:
        """Status and body."""
        return self.status, self.text

    @property
    def code(self) -> int:
        """Engine.IO's code for the error."""
        assert self.headers["content-type"] == "application/json"
        error = json.loads(self.body)
        assert set(error) == {"code", "message"}
        return int(error["code"])


class Request:
    """A request that is on its way; `answer` waits for its response.

    A bare socket: a stream forgets what it has read when the server, done with a request whose body it does not want,
    closes the connection.
    """

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)

    async def connect(self, port: int) -> None:
        """Connect to a server on this machine."""
        await asyncio.get_running_loop().sock_connect(self.socket, ("127.0.0.1", port))

    async def send(self, data: bytes) -> None:
        """Send more; a server may have stopped reading."""
        with suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                await asyncio.get_running_loop().sock_sendall(self.socket, data)

    async def answer(self) -> Answer:
        """Return the response; the server must close after it."""
        data = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(SECONDS):
                while part := await asyncio.get_running_loop().sock_recv(self.socket, 65_536):
                    data += part
        self.abort()
        head, _, body = data.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        assert len(body) == int(headers.get("content-length", "0")), data
        return Answer(int(status.split()[1]), headers, body)

    def abort(self) -> None:
        """Give up."""
        self.socket.close()


class RawClient:
    """Asks one endpoint of one server, as one visitor: `headers` go with everything. Use as a context manager.

    Requests for a session go to `other`, if given, every other time.
    """

    def __init__(
        self, port: int, path: str = "/socket.io/", headers: Iterable[str] = (), other: int | None = None
    ) -> None:
        self.port, self.path, self.headers = port, path, list(headers)
        self._ports = itertools.cycle([other or port, port])
        self._requests: list[Request] = []
        self._sockets: list[ClientConnection] = []

    async def __aenter__(self) -> "RawClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for request in self._requests:
            request.abort()
        for connection in self._sockets:
            connection.transport.abort()
            await connection.wait_closed()

    def target(self, query: dict[str, str]) -> str:
        """Return path and query; a value of None in `query` leaves a default out."""
        fields = {"EIO": "4", "transport": "polling"} | query
        return f"{self.path}?{urlencode({name: value for name, value in fields.items() if value is not None})}"

    async def start(self, method: str, head: Iterable[str] = (), body: bytes = b"", **query: Any) -> Request:
        """Send a request and return it while it waits; `head` are more headers, `body` the first part of the body."""
        target = self.target(query)
        lines = [f"{method} {target} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Connection: close"]
        request = Request()
        self._requests.append(request)
        await request.connect(next(self._ports) if "sid" in query else self.port)
        await request.send("\r\n".join([*lines, *self.headers, *head, "", ""]).encode("latin-1") + body)
        return request

    async def ask(self, method: str, head: Iterable[str] = (), body: bytes | None = None, **query: Any) -> Answer:
        """Send a whole request and return the response."""
        length = [] if body is None else [f"Content-Length: {len(body)}"]
        request = await self.start(method, [*head, *length], body or b"", **query)
        return await request.answer()

    async def open(self, **query: Any) -> str:
        """Open an engine session by polling and return its id."""
        answer = await self.ask("GET", **query)
        assert answer.status == 200, answer
        return str(json.loads(answer.text[answer.text.index("{") :])["sid"])

    async def poll(self, sid: str, **query: Any) -> Answer:
        """Fetch what waits."""
        return await self.ask("GET", sid=sid, **query)

    async def post(self, sid: str, body: str | bytes, **query: Any) -> Answer:
        """Send a body."""
        content = body.encode() if isinstance(body, str) else body
        return await self.ask("POST", ["Content-Type: text/plain;charset=UTF-8"], content, sid=sid, **query)

    async def websocket(self, **query: Any) -> ClientConnection:
        """Open a WebSocket."""
        url = f"ws://127.0.0.1:{self.port}{self.target({'transport': 'websocket'} | query)}"
        headers = [(name, value) for name, _, value in (header.partition(": ") for header in self.headers)]
        connection = await connect(
            url, additional_headers=headers, ping_interval=None, compression=None, max_size=None, proxy=None
        )
        self._sockets.append(connection)
        return connection


async def read(socket: ClientConnection) -> str | bytes:
    """Return the next frame."""
    return await asyncio.wait_for(socket.recv(), SECONDS)


async def read_packet(socket: ClientConnection) -> str | bytes:
    """Return the next frame that is no ping; pings are answered."""
    while (frame := await read(socket)) == "2":
        await socket.send("3")
    return frame


async def read_to_end(socket: ClientConnection, pong: bool = True) -> list[str | bytes]:
    """Return all that comes until the server closes; pings are answered, or else returned."""
    frames = []
    try:
        while True:
            frames.append(await (read_packet if pong else read)(socket))
    except ConnectionClosed:
        return frames


async def upgraded(raw_client: RawClient, sid: str) -> ClientConnection:
    """Change an engine session to a WebSocket, as the official client does."""
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    await socket.send("5")
    return socket
