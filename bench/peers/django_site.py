"""A Django project in one file, for two peers: a page that gives a login session with a random number as name."""

import os
import secrets
from typing import Any

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a key for benchmarks only",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF="django_site",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "channels"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["BENCH_DATABASE"]}},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
    SIO_ENGINEIO_PING_INTERVAL_MS=int(float(os.environ["BENCH_HEARTBEAT"]) * 1000),
    LOGGING_CONFIG=None,
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402  (needs the settings)
from django.core.management import call_command  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def page(request: HttpRequest) -> HttpResponse:
    """Give a session with a random number as name."""
    name = request.session.setdefault("name", secrets.randbelow(10_000))
    return HttpResponse(f"<!doctype html><p>You are {name}.")


urlpatterns: list[Any] = [path("", page)]
http = get_asgi_application()

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
