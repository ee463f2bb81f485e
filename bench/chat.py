"""The chat of this project as a server to be measured: `manage.py serve`, real login sessions in SQLite."""

import os
import platform
import secrets
import subprocess
import sys
import tempfile
from importlib.metadata import version

from bench.server import ROOT, Server

PACKAGES = ("Django", "channels", "httptools", "msgspec", "uvicorn", "uvloop", "websockets")


class Chat(Server):
    """The chat, with a database of its own that lives as long as this object."""

    name = "this chat (serve)"
    digits = 20

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

    def versions(self) -> dict[str, str]:
        """See Server."""
        return {"Python": platform.python_version()} | {package: version(package) for package in PACKAGES}

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout
