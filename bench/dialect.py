"""What a server is spoken to with: an address, and what a client has to say and to look for in one room of it."""

import json
from dataclasses import dataclass

LOBBY = "lobby"
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nCookie: {cookie}\r\n"
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one room is joined and spoken in. `join` is None where the WebSocket itself is the room."""

    path: str  # of the WebSocket
    speech: tuple[str, str]  # what is around the text of a message that is sent
    broadcast: bytes  # how a message begins that everybody gets
    join: bytes | None = None
    joined: bytes = b""  # how the answer to `join` begins

    def handshake(self, port: int, cookie: str) -> bytes:
        """Return the request for the upgrade."""
        return HANDSHAKE.format(path=self.path, port=port, cookie=cookie).encode()

    def say(self, text: str) -> bytes:
        """Return what a client sends to say `text`."""
        before, after = self.speech
        return f"{before}{text}{after}".encode()


def socket_io(room: str = LOBBY) -> Dialect:
    """Return Socket.IO's dialect: a room is a namespace."""
    namespace = "" if room == LOBBY else f"/rooms/{room},"
    packet = f"40{namespace}".encode()
    return Dialect(
        path="/socket.io/?EIO=4&transport=websocket",
        speech=(f'42{namespace}["send chat",{{"msg":"', '"}]'),
        broadcast=f'42{namespace}["new chat"'.encode(),
        join=packet,
        joined=packet,
    )


def plain(path: str, name: str = "") -> Dialect:
    """Return the dialect of servers that exchange `{"msg": ...}`; those that add no `name` get it from the client."""
    before = json.dumps({"msg": f"{name}: " if name else ""})[:-2]
    return Dialect(path=path, speech=(before, '"}'), broadcast=b'{"msg"')
