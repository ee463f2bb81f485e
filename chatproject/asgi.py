"""The ASGI application: pages by Django, sockets by Channels behind origin, cookies, session and user."""

import os
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()


from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import re_path  # noqa: E402

from channels_socketio.handshake.responses import refuse_unknown_path  # noqa: E402
from channels_socketio.middleware.origin import OriginCheck  # noqa: E402
from channels_socketio.middleware.sessions import AuthMiddlewareStack  # noqa: E402
from channels_socketio.middleware.throttle import HandshakeThrottle  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from chat.consumers import ChatConsumer, may_not_stay, require_name  # noqa: E402

route: Any = re_path  # the type stubs know Django's views only
socketio = SocketIOServer([ChatConsumer], admit=require_name, review=may_not_stay)


def guarded(endpoint: Any) -> Any:
    """Return an endpoint of `socketio` behind what every handshake must pass, the cheapest first."""
    return OriginCheck(HandshakeThrottle(AuthMiddlewareStack(endpoint), socketio.handshakes))


application = ProtocolTypeRouter(
    {
        "http": URLRouter(
            [
                route(r"^socket\.io/?$", guarded(socketio.polling())),
                route(r"", get_asgi_application()),
            ]
        ),
        "websocket": URLRouter(
            [
                route(r"^socket\.io/?$", guarded(socketio.websocket())),
                route(r"", refuse_unknown_path),
            ]
        ),
    }
)
