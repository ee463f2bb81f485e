"""The chat as the tutorial of Channels teaches it: every consumer is a member of a group of the channel layer."""

import json
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.urls import re_path
from django_site import http  # type: ignore[import-not-found]  # it lies beside this file where both run


class ChatConsumer(AsyncWebsocketConsumer):
    """One visitor in one room."""

    async def connect(self) -> None:
        self.name = self.scope["session"].get("name")
        if self.name is None:
            await self.close()
            return
        self.group = f"chat_{self.scope['url_route']['kwargs']['room']}"
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.name is not None:
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        msg = f"{self.name}: {json.loads(text_data or '')['msg']}"
        await self.channel_layer.group_send(self.group, {"type": "chat.message", "msg": msg})

    async def chat_message(self, event: dict[str, Any]) -> None:
        await self.send(text_data=json.dumps({"msg": event["msg"]}))


route: Any = re_path  # the type stubs know Django's views only
rooms = URLRouter([route(r"^ws/chat/(?P<room>[a-z0-9-]+)/$", ChatConsumer.as_asgi())])
application = ProtocolTypeRouter({"http": http, "websocket": AuthMiddlewareStack(rooms)})
