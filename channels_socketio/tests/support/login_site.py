"""A small site with pages and sockets by Django's own login sessions, for real server processes.

The environment: ENGINE names one of Django's session engines, FOLDER is where all data is, with the tables in
`site.sqlite3`, REDIS_URL the server of the channel layer, if there are several processes.
"""

import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from channels_socketio.tests.settings import CHANNEL_LAYERS

FOLDER = Path(os.environ["FOLDER"])
BACKEND = "django.contrib.auth.backends.ModelBackend"

settings.configure(
    SECRET_KEY="no secret, for tests only",
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "channels_socketio",
    ],
    MIDDLEWARE=[
        "django.middleware.common.CommonMiddleware",  # for Content-Length
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    ROOT_URLCONF="channels_socketio.tests.support.login_site",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "site.sqlite3"}},
    CACHES={
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": FOLDER / "cache",
        }
    },
    SESSION_ENGINE=f"django.contrib.sessions.backends.{os.environ['ENGINE']}",
    SESSION_FILE_PATH=str(FOLDER),
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    CHANNEL_LAYERS=CHANNEL_LAYERS,
    USE_TZ=True,
)
django.setup()

from django.contrib import auth  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpRequest, HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

from channels_socketio.consumer import SocketIOConsumer, on  # noqa: E402
from channels_socketio.history.feed import announce  # noqa: E402
from channels_socketio.server import SocketIOServer  # noqa: E402
from channels_socketio.tests.support.sqlite_log import SQLiteLog  # noqa: E402

LOG_FILE = str(FOLDER / "log")


class Reader(SocketIOConsumer):
    """Says who is here, and shows the log."""

    log = SQLiteLog(LOG_FILE)

    async def welcome(self, head: int) -> None:
        await self.emit("welcome", self.user.get_username(), self.offset)

    @on("who")
    async def who(self) -> str:
        return str(self.user.get_username())


def user_named(name: str) -> Any:
    """Return the user, a new one if need be."""
    return auth.get_user_model().objects.get_or_create(username=name)[0]


def visit(request: HttpRequest) -> HttpResponse:
    """Begin a login session."""
    request.session["colour"] = "red"
    return HttpResponse("ok")


def log_in(request: HttpRequest) -> HttpResponse:
    """Log a user in, over whoever is logged in."""
    auth.login(request, user_named(request.GET["name"]), BACKEND)
    return HttpResponse("ok")


async def log_in_asynchronously(request: HttpRequest) -> HttpResponse:
    """Log a user in by an asynchronous view."""
    user = await auth.get_user_model().objects.aget(username=request.GET["name"])
    await auth.alogin(request, user, BACKEND)
    return HttpResponse("ok")


def change_password(request: HttpRequest) -> HttpResponse:
    """Change the password of who is logged in."""
    user: Any = request.user
    user.set_password("after")
    user.save()
    auth.update_session_auth_hash(request, user)
    return HttpResponse("ok")


def cycle(request: HttpRequest) -> HttpResponse:
    """Rotate the session's key."""
    request.session.cycle_key()
    return HttpResponse("ok")


def log_out(request: HttpRequest) -> HttpResponse:
    """Log out."""
    auth.logout(request)
    return HttpResponse("ok")


def flush(request: HttpRequest) -> HttpResponse:
    """End the session without a word."""
    request.session.flush()
    return HttpResponse("ok")


def say(request: HttpRequest) -> HttpResponse:
    """Put something into the log."""
    announce("/", SQLiteLog(LOG_FILE).append(request.GET["text"]))
    return HttpResponse("ok")


views: dict[str, Any] = {
    "visit": visit,
    "log-in": log_in,
    "alog-in": log_in_asynchronously,
    "change-password": change_password,
    "cycle": cycle,
    "log-out": log_out,
    "flush": flush,
    "say": say,
}
urlpatterns = [path(name, view) for name, view in views.items()]

application = SocketIOServer([Reader]).asgi(get_asgi_application())
