"""The chat as an ASGI application that recovers little: who missed more than ten messages is told of a gap.

With FORGET in the environment it recovers nobody.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()

from django.conf import settings  # noqa: E402  (after the setup, as all below)

from channels_socketio import SocketIOServer  # noqa: E402
from chat.consumers import ChatConsumer, may_not_stay, require_name  # noqa: E402
from chatproject.asgi import pages  # noqa: E402

OPTIONS = settings.SOCKETIO | {"RECOVERY": "FORGET" not in os.environ, "RECOVERY_LIMIT": 10}
application = SocketIOServer([ChatConsumer], require_name, OPTIONS, may_not_stay).asgi(pages)
