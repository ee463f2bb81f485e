"""The chat as a server to be measured: one process, a folder of its own, nothing left behind."""

import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0


class Chat:
    """The chat under uvicorn, on `core` if that is not None. Use it as a context manager."""

    name = "chat (serve)"

    def __init__(self, core: int | None) -> None:
        self.core = core
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory(prefix="chat-bench-")
        self._environment = os.environ | {
            "DJANGO_SETTINGS_MODULE": "chatproject.settings",
            "DATABASE_URL": f"sqlite:///{self._folder.name}/db.sqlite3",
            "REDIS_URL": "",
            "SECRET_KEY": secrets.token_urlsafe(50),
            "ALLOWED_HOSTS": "127.0.0.1",
            "DEBUG": "off",
            "HTTPS": "off",
            "LIMITS": "off",
        }

    def __enter__(self) -> Self:
        self._run("manage.py", "migrate", "--verbosity", "0")
        command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self._environment)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        if self.core is not None:
            for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
                os.sched_setaffinity(int(thread.name), {self.core})
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._folder.cleanup()

    def cookies(self, count: int) -> list[str]:
        """Return the keys of `count` new login sessions."""
        return self._run("-m", "bench.sessions", str(count)).split()

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used, user and system together."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _run(self, *arguments: str) -> str:
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=self._environment, check=True, stdout=subprocess.PIPE, text=True
        ).stdout

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit("script/bench: the server did not start; what it says above is why") from None
                time.sleep(0.05)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
