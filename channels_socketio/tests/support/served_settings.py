"""Settings of a site that `manage.py serve` serves, and that may lack something."""

import os

from channels_socketio.tests.settings import *  # noqa: F403

DEBUG = "SITE_DEBUG" in os.environ
ALLOWED_HOSTS = ["127.0.0.1"]
ASGI_APPLICATION = os.environ.get("SITE_APPLICATION", "channels_socketio.tests.support.served_site.application")
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
# There is no database to migrate.
DATABASES = {"default": {"ENGINE": "django.db.backends.dummy"}}
