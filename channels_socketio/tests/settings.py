"""Settings of the library's tests: a site with Django's own users and login sessions.

Server processes of tests may have a SECRET_KEY of their own, and a Redis server at REDIS_URL as their channel layer.
"""

import os
from typing import Any

SECRET_KEY = os.environ.get("SECRET_KEY", "no secret, for tests only")
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "channels_socketio",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
REDIS_URL = os.environ.get("REDIS_URL")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": [REDIS_URL]}}
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer"}
}
USE_TZ = True
