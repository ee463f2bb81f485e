"""The ASGI application of a site with nothing of its own but Socket.IO."""

from django.core.asgi import get_asgi_application

pages = get_asgi_application()

from channels_socketio import SocketIOConsumer, SocketIOServer  # noqa: E402  (needs Django to be set up)

application = SocketIOServer([SocketIOConsumer]).asgi(pages)
