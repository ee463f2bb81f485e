"""A server's endpoints without what `SocketIOServer.asgi` puts in front of them."""

from typing import Any

from channels_socketio.handshake.request import COMPOSED
from channels_socketio.server import SocketIOServer
from channels_socketio.transports.websocket import WebSocketTransport


def bare(server: SocketIOServer) -> Any:
    """Return the ASGI application of a server's endpoints alone: no origin check, no throttle, no login session."""
    endpoints = {
        "http": server.application.endpoint,
        "websocket": WebSocketTransport.as_asgi(admission=server.admission),
    }

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scope[COMPOSED] = True
        await endpoints[scope["type"]](scope, receive, send)

    return application
