"""The chat by django-sio: Socket.IO on Channels, one group member of the channel layer for each client."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path
from django_site import http  # type: ignore[import-not-found]  # it lies beside this file where both run
from sio import SocketIOConsumer
from sio.socketio import NamespaceSocket, get_socketio_server

ROOM = "lobby"


class ChatConsumer(SocketIOConsumer):  # type: ignore[misc]  # that package is not installed where types are checked
    """One visitor."""

    async def connect(self, socket: NamespaceSocket, auth: Any) -> bool:
        # The package hands no scope to applications; this is where it keeps the consumer that has it.
        self.name = socket.eio._session.websocket.scope["session"].get("name")
        if self.name is None:
            return False
        await socket.join(ROOM)
        return True

    async def send_chat(self, socket: NamespaceSocket, message: dict[str, str]) -> None:
        msg = f"{self.name}: {message['msg']}"
        await get_socketio_server().emit("new chat", {"msg": msg}, room=ROOM)


# Methods named event_<name> handle events; the name of this one is no identifier.
setattr(ChatConsumer, "event_send chat", ChatConsumer.send_chat)

route: Any = re_path  # the type stubs know Django's views only
sockets = AuthMiddlewareStack(URLRouter([route(r"^socket\.io/$", ChatConsumer.as_asgi())]))
application = ProtocolTypeRouter({"http": http, "websocket": sockets})
