"""The chat of this project as a server to be measured, by `manage.py serve` or Daphne, login sessions in SQLite."""

import http.client
import os
import platform
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from typing import ClassVar

from bench.server import ROOT, Server
from bench.stream import WrongAnswerError

PACKAGES = ("Django", "channels", "httptools", "msgspec", "uvicorn", "uvloop", "websockets")
DAPHNE_PACKAGES = ("Django", "Twisted", "autobahn", "channels", "daphne", "msgspec")


class Chat(Server):
    """The chat, with a database of its own that lives as long as this object."""

    name = "this chat (serve)"
    digits = 20
    scenarios: ClassVar[Sequence[str]] = ("fanout", "rooms", "latency", "stored", "connect", "idle", "polling")
    packages: ClassVar[Sequence[str]] = PACKAGES

    def prepare(self) -> None:
        """See Server."""
        self._folder = tempfile.TemporaryDirectory(prefix="chat-bench-")
        self.environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "bench.settings",
            "DATABASE_URL": f"sqlite:///{self._folder.name}/db.sqlite3",
            "REDIS_URL": "",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "off",
            "HTTPS": "off",
            "LIMITS": "off",
            "BENCH_HEARTBEAT": str(self.heartbeat),
        }
        self._run("manage.py", "migrate", "--verbosity", "0")

    def close(self) -> None:
        """See Server."""
        self._folder.cleanup()

    def command(self) -> list[str]:
        """See Server."""
        return [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}"]

    def new_cookies(self, count: int) -> list[str]:
        """See Server."""
        return [f"sessionid={key}" for key in self._run("-m", "bench.sessions", str(count)).split()]

    def open_rooms(self, rooms: Sequence[str], cookie: str) -> None:
        """See Server: the first visit of a room's page makes the room."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        for room in rooms:
            connection.request("GET", f"/rooms/{room}/", headers={"Cookie": cookie})
            with connection.getresponse() as response:
                response.read()
                if response.status != http.HTTPStatus.OK:
                    raise WrongAnswerError(f"expected the page of {room}, got the status {response.status}")
        connection.close()

    def versions(self) -> dict[str, str]:
        """See Server."""
        return {"Python": platform.python_version()} | {package: version(package) for package in self.packages}

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout


class LimitedChat(Chat):
    """The chat with its limits, as it comes; only what one address and one login session may connect is raised."""

    name = "this chat (serve, limits on)"
    scenarios = ("flood",)

    def prepare(self) -> None:
        """See Server."""
        super().prepare()
        self.environment["LIMITS"] = "on"


class DaphneChat(Chat):
    """The chat under the ASGI server that every installation of Channels has."""

    name = "this chat (Daphne)"
    scenarios = ("fanout", "rooms", "connect")
    largest_room = 1000
    packages = DAPHNE_PACKAGES

    def command(self) -> list[str]:
        """See Server."""
        return [*daphne(sys.executable, self.port), "chatproject.asgi:application"]


def daphne(python: str, port: int) -> list[str]:
    """Return the command that runs Daphne, without a line for each request, but for the application."""
    return [python, "-m", "daphne", "--bind", "127.0.0.1", "--port", str(port), "--verbosity", "0"]
