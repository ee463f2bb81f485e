"""Peers that are fetched: each has a folder of its own under bench/.peers."""

import http.client
import shutil
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

from bench.server import ROOT, Server

SOURCES = Path(__file__).parent
FOLDER = ROOT / "bench" / ".peers"


class Peer(Server):
    """A server that is not ours, installed from the file `description` into `folder`, with `sources` beside it."""

    digits = 176
    folder: ClassVar[Path]
    description: ClassVar[str]
    sources: ClassVar[tuple[str, ...]]

    def __init__(self, core: int | None, heartbeat: float) -> None:
        super().__init__(core, heartbeat)
        self.environment["BENCH_HEARTBEAT"] = str(heartbeat)

    def installed(self) -> bool:
        """See Server."""
        stamp = self.folder / ".installed"
        return stamp.is_file() and stamp.read_bytes() == (SOURCES / self.description).read_bytes()

    def prepare(self) -> None:
        """See Server."""
        if not self.installed():
            print(f"Installing {self.folder.name}", file=sys.stderr)
            self.folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(SOURCES / self.description, self.folder)
            for command in self.install_commands():
                if subprocess.run(command, cwd=self.folder).returncode:
                    raise SystemExit(f"script/bench: {command[0]} failed in {self.folder}; what it says above is why")
            shutil.copy(SOURCES / self.description, self.folder / ".installed")
        for source in self.sources:
            shutil.copy(SOURCES / source, self.folder)

    def install_commands(self) -> list[list[str]]:
        """Return the commands that install what `description` lists; they run in the folder."""
        raise NotImplementedError

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
