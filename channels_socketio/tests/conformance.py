"""A server that the public test suites of both protocols can be run against; it needs no database and no login.

python -m channels_socketio.tests.conformance 127.0.0.1:3000 [--server daphne|uvicorn|serve]

Socket.IO is at /socket.io/, Engine.IO alone, where every message comes back, at /engine.io/.
"""

import argparse
import math
import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "channels_socketio.tests.settings")
django.setup()

from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402  (needs the settings)
from django.urls import re_path  # noqa: E402

from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.handshake.admission import Admission  # noqa: E402
from channels_socketio.middleware.origin import cors_headers, preflight_headers, with_headers  # noqa: E402
from channels_socketio.protocol.socketio import Message, SocketIOOptions, SocketIOProtocol  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.tests.support.bare import bare  # noqa: E402
from channels_socketio.tests.support.processes import server_command  # noqa: E402
from channels_socketio.transports.http import PollingEndpoint  # noqa: E402

OPTIONS: dict[str, Any] = {
    "PING_INTERVAL": 0.3,
    "PING_TIMEOUT": 0.7,
    "MAX_PAYLOAD": 1_000_000,
    "CONNECT_TIMEOUT": 1.5,
    "LEGACY_CLIENTS": True,
}


class Conformance(SocketIOConsumer):
    """What the suites of Socket.IO ask for."""

    namespaces = ["/", "/custom"]

    async def connect(self, auth: dict[str, Any]) -> None:
        await self.emit("auth", auth)

    @on("message")
    async def message(self, *args: Any) -> None:
        await self.emit("message-back", *args)

    @on("message-with-ack")
    async def message_with_ack(self, *args: Any) -> tuple[Any, ...]:
        return args


class EchoProtocol(SocketIOProtocol):
    """In Socket.IO's place: sends every engine message back and never times out."""

    def __init__(self, options: SocketIOOptions) -> None:
        super().__init__(options, now=math.inf)
        self._echoes: list[Message] = []

    def receive_data(self, data: Message, now: float) -> None:
        """Take one engine message."""
        self._echoes.append(data)

    def data_to_send(self) -> list[Message]:
        """Return the engine messages to send, in order."""
        echoes, self._echoes = self._echoes, []
        return echoes


class EchoAdmission(Admission):
    """Opens engine sessions that hold no Socket.IO."""

    def new_protocol(self, legacy: bool, now: float) -> SocketIOProtocol:
        """Return what stands inside a new engine session."""
        return EchoProtocol(self.application.options.socketio)


class EchoServer(SocketIOServer):
    """Engine.IO alone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.admission = EchoAdmission(self.application, self.admission.admit)
        self.application.endpoint = PollingEndpoint.as_asgi(admission=self.admission)


class AnyOrigin:
    """ASGI middleware: pages of every site may read the answers."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on, or answer a preflight."""
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        if not origin or scope["type"] == "websocket":
            await self.application(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            await send({"type": "http.response.start", "status": 204, "headers": preflight_headers(origin, scope)})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self.application(scope, receive, with_headers(send, cors_headers(origin)))


async def admit(scope: Any) -> None:
    """Admit whoever comes."""


route: Any = re_path  # the type stubs know Django's views only
servers = {
    r"^socket\.io/?$": SocketIOServer([Conformance], admit, OPTIONS),
    r"^engine\.io/?$": EchoServer([], admit, OPTIONS),
}
application = ProtocolTypeRouter(
    {
        "http": URLRouter([route(path, AnyOrigin(bare(server))) for path, server in servers.items()]),
        "websocket": URLRouter([route(path, bare(server)) for path, server in servers.items()]),
    }
)


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m channels_socketio.tests.conformance")
    parser.add_argument("bind", nargs="?", default="127.0.0.1:3000", metavar="HOST:PORT")
    parser.add_argument("--server", choices=["daphne", "uvicorn", "serve"], default="uvicorn")
    options = parser.parse_args()
    host, _, port = options.bind.rpartition(":")
    application = "channels_socketio.tests.conformance:application"
    arguments = server_command(options.server, int(port), application, host or "127.0.0.1")
    os.execv(arguments[0], arguments)


if __name__ == "__main__":
    main()
