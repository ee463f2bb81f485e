"""The chat as an ASGI application that recovers little: who missed more than ten messages is told of a gap.

With FORGET in the environment it recovers nobody.
"""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
django.setup()

from django.conf import settings  # noqa: E402  (after the setup, as all below)

from channels_socketio.options import Options, load  # noqa: E402
from chatproject.asgi import application, socketio  # noqa: E402

__all__ = ["application"]

socketio.application.options = load(
    Options, settings.SOCKETIO | {"RECOVERY": "FORGET" not in os.environ, "RECOVERY_LIMIT": 10}
)
