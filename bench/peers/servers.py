"""The peers as servers to be measured; each is installed into a folder of its own under bench/.peers."""

import http.client
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from bench.server import ROOT, MissingToolError, Server

SOURCES = Path(__file__).parent
FOLDER = ROOT / "bench" / ".peers"


class Peer(Server):
    """A server that is not ours. Its sessions are signed cookies, so nothing has to be looked up."""

    digits = 158

    def __init__(self, core: int | None, heartbeat: float) -> None:
        super().__init__(core, heartbeat)
        self.environment["BENCH_HEARTBEAT"] = str(heartbeat)

    def new_cookies(self, count: int) -> list[str]:
        """See Server: ask for the page so many times."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        cookies = []
        for _ in range(count):
            connection.request("GET", "/")
            with connection.getresponse() as response:
                response.read()
                pairs = [value.partition(";")[0] for value in response.headers.get_all("Set-Cookie", [])]
            cookies.append("; ".join(pairs))
        connection.close()
        return cookies


class Original(Peer):
    """The original application on Node."""

    name = "original (Node)"
    folder = FOLDER / "original"

    def prepare(self) -> None:
        """See Server."""
        if shutil.which("node") is None or shutil.which("npm") is None:
            raise MissingToolError("Node and npm")
        self.environment["NODE_ENV"] = "production"
        command = "npm install --no-package-lock --no-audit --no-fund --loglevel=error"
        install(self.folder, "package.json", [command.split()])
        shutil.copy(SOURCES / "original.js", self.folder)

    def command(self) -> list[str]:
        """See Server."""
        return ["node", str(self.folder / "original.js"), str(self.port)]

    def versions(self) -> dict[str, str]:
        """See Server."""
        node = subprocess.run(["node", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
        packages = ["koa", "koa-session", "socket.io", "engine.io", "ws"]
        return {"Node": node.strip()} | {name: self._version(name) for name in packages}

    def _version(self, package: str) -> str:
        description = self.folder / "node_modules" / package / "package.json"
        return str(json.loads(description.read_text())["version"])


class PythonSocketIO(Peer):
    """python-socketio on uvicorn, with what makes it fastest."""

    name = "python-socketio (uvicorn)"
    folder = FOLDER / "python-socketio"

    def prepare(self) -> None:
        """See Server."""
        pip = "bin/python -m pip install -qq --disable-pip-version-check --no-input --requirement requirements.txt"
        install(self.folder, "requirements.txt", [[sys.executable, "-m", "venv", "."], pip.split()])
        shutil.copy(SOURCES / "asgi.py", self.folder)

    def command(self) -> list[str]:
        """See Server."""
        options = (
            f"-m uvicorn asgi:application --port {self.port} --loop uvloop --http httptools --ws websockets-sansio "
            "--ws-per-message-deflate false --lifespan off --backlog 4096 --no-access-log --log-level warning --app-dir"
        )
        return [str(self.folder / "bin" / "python"), *options.split(), str(self.folder)]

    def versions(self) -> dict[str, str]:
        """See Server."""
        command = [str(self.folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "freeze"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return dict(re.findall(r"(?m)^(\S+)==(\S+)$", lines))


def install(folder: Path, description: str, commands: list[list[str]]) -> None:
    """Run `commands` in `folder` unless it was installed from the same `description` before."""
    source, stamp = SOURCES / description, folder / ".installed"
    if stamp.is_file() and stamp.read_bytes() == source.read_bytes():
        return
    print(f"Installing {folder.name}", file=sys.stderr)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, folder)
    for command in commands:
        if subprocess.run(command, cwd=folder).returncode:
            raise SystemExit(f"script/bench: {command[0]} failed in {folder}; what it says above is why")
    shutil.copy(source, stamp)
