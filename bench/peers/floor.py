"""The floor: a program in C that does nothing for a delivery but one `write`, compiled where there is a compiler."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from bench.dialect import LOBBY, Dialect, plain
from bench.server import MissingToolError, Server

SOURCE = Path(__file__).with_name("floor.c")


class Floor(Server):
    """One process, one room, without HTTP but for the handshake, without sessions, without Socket.IO."""

    name = "one write each (C)"
    digits = 191
    scenarios = ("fanout",)

    def installed(self) -> bool:
        """See Server."""
        return shutil.which("cc") is not None

    def prepare(self) -> None:
        """See Server."""
        if not self.installed():
            raise MissingToolError("a C compiler, cc")
        self._folder = tempfile.TemporaryDirectory(prefix="chat-bench-")
        self._program = str(Path(self._folder.name, "floor"))
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", self._program, str(SOURCE)], check=True)

    def close(self) -> None:
        """See Server."""
        self._folder.cleanup()

    def command(self) -> list[str]:
        """See Server."""
        return [self._program, str(self.port)]

    def new_cookies(self, count: int) -> list[str]:
        """See Server: nobody asks for them."""
        return ["none"] * count

    def dialect(self, room: str = LOBBY) -> Dialect:
        """See Server."""
        return plain("/", name="1234")

    def versions(self) -> dict[str, str]:
        """See Server."""
        lines = subprocess.run(["cc", "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout
        return {"compiler": lines.partition("\n")[0]}
