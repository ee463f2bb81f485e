"""The ASGI application: pages by Django, sockets by Channels behind origin, cookies, session and user."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
pages = get_asgi_application()

from channels_socketio import SocketIOServer  # noqa: E402  (needs Django to be set up)
from chat.consumers import ChatConsumer, may_not_stay, require_name  # noqa: E402

application = SocketIOServer([ChatConsumer], admit=require_name, review=may_not_stay).asgi(pages)
