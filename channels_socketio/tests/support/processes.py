"""Real server processes for tests: started on free ports, stopped by the tests that started them."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Self

import pytest

ROOT = Path(__file__).resolve().parents[3]
NODE_MODULES = Path(__file__).parents[1] / "node" / "node_modules"


def require(found: bool, what: str) -> None:
    """Skip the test when `what` is missing; under CI, where all must be there, fail it."""
    if found:
        return
    message = f"needs {what}; script/test installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def require_node() -> str:
    """Return the path of Node, once it and the npm clients are installed."""
    node = shutil.which("node")
    require(node is not None, "Node")
    require(NODE_MODULES.is_dir(), "the clients from npm")
    return str(node)


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, seconds: float = 15.0) -> None:
    """Poll `condition` until it is true; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.02)


class Process:
    """One child process; its output is kept in a file so that tests can read it."""

    def __init__(
        self, command: Sequence[str], log: Path, env: dict[str, str] | None = None, user: str | None = None
    ) -> None:
        self.command, self.log, self.env, self.user = list(command), log, env or {}, user
        self.popen: subprocess.Popen[bytes] | None = None
        self._file: IO[bytes] | None = None

    def start(self) -> None:
        """Start the child, with its output appended to the log file."""
        self._file = self.log.open("ab")
        self.popen = subprocess.Popen(
            self.command,
            cwd=ROOT,
            env=os.environ | self.env,
            stdout=self._file,
            stderr=subprocess.STDOUT,
            user=self.user,
        )

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Send `sign`, wait for the end (at most 15 s, then kill) and return the exit status."""
        if self.popen is None:
            return 0
        if self.popen.poll() is None:
            self.popen.send_signal(sign)
        try:
            status = self.popen.wait(15)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
            raise
        finally:
            self.popen = None
            if self._file is not None:
                self._file.close()
        return status

    def kill(self) -> None:
        """End it at once, where the end does not matter: a server asked to stop waits for clients that stay away."""
        self.stop(signal.SIGKILL)

    def output(self) -> str:
        """Return all that the child has printed so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def servers(*names: str) -> list[str]:
    """Return the servers that a test runs under: `names`, or all the same the one that TEST_SERVER asks for."""
    wanted = os.environ.get("TEST_SERVER")
    return [wanted] if wanted else list(names)


def server_command(server: str, port: int, application: str, host: str = "127.0.0.1") -> list[str]:
    """Return the command that serves `application` with `server`: `daphne`, `uvicorn`, or `serve`.

    The last is uvicorn with ready frames, as `manage.py serve` has it.
    """
    if server == "serve":
        call = f"serve({application!r}, open_listener({host!r}, {port}), 1)"
        return [sys.executable, "-c", f"from channels_socketio.servers.serve import open_listener, serve; {call}"]
    arguments = {
        "daphne": f"daphne -b {host} -p {port} {application}",
        "uvicorn": f"uvicorn --host {host} --port {port} {application} --ws websockets-sansio",
    }[server]
    return [sys.executable, "-m", *arguments.split()]


def accepts_connections(port: int) -> bool:
    """Return whether somebody listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


class AppProcess:
    """An ASGI application in a server process of its own, on a free port of 127.0.0.1. Use as a context manager.

    `server` is that of `server_command`. The log is in `folder`.
    """

    def __init__(self, application: str, folder: Path, server: str, env: Mapping[str, str] | None = None) -> None:
        self.server, self.port = server, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}/socket.io/?EIO=4&transport=websocket"
        command = server_command(server, self.port, application)
        self.process = Process(command, folder / f"{self.port}.log", dict(env or {}))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *details: object) -> None:
        self.kill()

    def start(self) -> Self:
        """Start the server and wait until it answers."""
        self.process.start()
        wait_until(self._answers, f"the server answered: {self.process.output()}", 30)
        return self

    def kill(self) -> None:
        """End the server at once, where the end does not matter."""
        self.process.kill()

    def errors(self) -> list[str]:
        """Return the lines of the log that speak of errors."""
        return [line for line in self.process.output().splitlines() if "Traceback" in line or "ERROR" in line]

    def _answers(self) -> bool:
        popen = self.process.popen
        if popen is not None and popen.poll() is not None:
            pytest.fail(f"the server ended: {self.process.output()}")
        return accepts_connections(self.port)


class Redis:
    """A Redis server of its own that keeps nothing; it may be stopped and started again."""

    def __init__(self, folder: Path) -> None:
        path = shutil.which("redis-server") or shutil.which("valkey-server")
        require(path is not None, "a Redis server")
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        command = [str(path), *f"--port {self.port} --bind 127.0.0.1 --appendonly no --dir {folder} --save".split(), ""]
        self.process = Process(command, folder / "redis.log")

    def start(self) -> "Redis":
        """Start it and wait until it listens."""
        self.process.start()
        wait_until(lambda: accepts_connections(self.port), f"Redis listened: {self.process.output()}")
        return self

    def stop(self) -> None:
        """Stop it at once."""
        self.process.stop()
