"""The peers as servers to be measured."""

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import ClassVar

from bench.chat import daphne
from bench.dialect import LOBBY, Dialect, plain
from bench.peers.installed import FOLDER, Peer
from bench.server import MissingToolError

UVICORN = (
    "--loop uvloop --http httptools --ws websockets-sansio --ws-per-message-deflate false "
    "--lifespan off --backlog 4096 --no-access-log --log-level warning --app-dir"
)


class NodePeer(Peer):
    """A peer on Node; `packages` are those whose versions matter."""

    packages: ClassVar[Sequence[str]]

    def prepare(self) -> None:
        """See Server."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise MissingToolError("Node and npm")
        self.environment["NODE_ENV"] = "production"
        super().prepare()

    def install_commands(self) -> list[list[str]]:
        """See Peer."""
        return [["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]]

    def versions(self) -> dict[str, str]:
        """See Server."""
        node = subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return {"Node": node.strip()} | {name: self._version(name) for name in self.packages}

    def _version(self, package: str) -> str:
        description = self.folder / "node_modules" / package / "package.json"
        return str(json.loads(description.read_text())["version"])


class Original(NodePeer):
    """The original application on Node. Its sessions are signed cookies, so nothing has to be looked up."""

    name = "original (Node)"
    scenarios = ("fanout", "rooms", "latency", "connect", "idle", "polling")
    folder = FOLDER / "original"
    description = "package.json"
    sources = ("original.js",)
    packages = ("koa", "koa-session", "socket.io", "engine.io", "ws")

    def command(self) -> list[str]:
        """See Server."""
        return ["node", str(self.folder / "original.js"), str(self.port)]


class SocketIOTutorial(NodePeer):
    """What the tutorial of Socket.IO builds: nobody has a session, everything is stored."""

    name = "Socket.IO tutorial (Node, SQLite)"
    keeps_order = False  # sqlite3 has several threads
    scenarios = ("stored",)
    folder = FOLDER / "socketio-tutorial"
    description = "socketio_tutorial/package.json"
    sources = ("socketio_tutorial/server.js",)
    packages = ("socket.io", "engine.io", "ws", "sqlite", "sqlite3")

    def prepare(self) -> None:
        """See Server."""
        super().prepare()
        self._database = tempfile.TemporaryDirectory(prefix="chat-bench-")

    def close(self) -> None:
        """See Server."""
        self._database.cleanup()

    def command(self) -> list[str]:
        """See Server: each process begins with an empty database, for it shows all of it to whoever comes."""
        folder = tempfile.mkdtemp(dir=self._database.name)
        return ["node", str(self.folder / "server.js"), str(self.port), f"{folder}/db.sqlite3"]


class PythonPeer(Peer):
    """A peer in a virtual environment."""

    @property
    def python(self) -> str:
        """The interpreter."""
        return str(self.folder / "bin" / "python")

    def install_commands(self) -> list[list[str]]:
        """See Peer."""
        pip = f"bin/python -m pip install -qq --disable-pip-version-check --no-input --requirement {self.description}"
        return [[sys.executable, "-m", "venv", "."], pip.split()]

    def uvicorn(self, application: str) -> list[str]:
        """Return the command that runs uvicorn with what makes it fastest."""
        return [
            self.python, "-m", "uvicorn", application, "--port", str(self.port), *UVICORN.split(), str(self.folder)
        ]  # fmt: skip

    def versions(self) -> dict[str, str]:
        """See Server."""
        command = [self.python, "-m", "pip", "--disable-pip-version-check", "freeze"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return dict(re.findall(r"(?m)^(\S+)==(\S+)$", lines))


class PythonSocketIO(PythonPeer):
    """python-socketio on uvicorn. Its sessions are signed cookies, so nothing has to be looked up."""

    name = "python-socketio (uvicorn)"
    scenarios = ("fanout", "rooms", "connect", "idle", "polling")
    largest_room = 1000
    folder = FOLDER / "python-socketio"
    description = "python-socketio.txt"
    sources = ("asgi.py",)

    def command(self) -> list[str]:
        """See Server."""
        return self.uvicorn("asgi:application")


class DjangoPeer(PythonPeer):
    """A Django project whose login sessions lie in SQLite."""

    scenarios: ClassVar[Sequence[str]] = ("fanout", "connect")
    largest_room = 1000
    in_flight = (4,)
    folder = FOLDER / "channels"
    description = "channels.txt"
    sources = ("django_site.py", "tutorial.py", "django_sio.py")

    def prepare(self) -> None:
        """See Server."""
        super().prepare()
        self._database = tempfile.TemporaryDirectory(prefix="chat-bench-")
        self.environment |= {
            "BENCH_DATABASE": f"{self._database.name}/db.sqlite3",
            "PYTHONPATH": str(self.folder),
        }
        subprocess.run([self.python, str(self.folder / "django_site.py")], env=self.environment, check=True)

    def close(self) -> None:
        """See Server."""
        self._database.cleanup()


class Tutorial(DjangoPeer):
    """What the tutorial of Channels builds, on Daphne as there."""

    name = "Channels tutorial (Daphne)"
    digits = 191
    scenarios = ("fanout", "rooms", "connect")

    def command(self) -> list[str]:
        """See Server."""
        return [*daphne(self.python, self.port), "tutorial:application"]

    def dialect(self, room: str = LOBBY) -> Dialect:
        """See Server."""
        return plain(f"/ws/chat/{room}/")


class DjangoSIO(DjangoPeer):
    """django-sio on uvicorn."""

    name = "django-sio (uvicorn)"

    def command(self) -> list[str]:
        """See Server."""
        return self.uvicorn("django_sio:application")
