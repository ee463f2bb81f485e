"""A server to be measured: one process and its children, on a free port, nothing left behind."""

import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

from bench.dialect import LOBBY, Dialect, socket_io

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
CPUCLOCK_SCHED = 2  # see clock_getcpuclockid(3)


class MissingToolError(Exception):
    """What a server needs to run is not installed here."""


class Server(ABC):
    """A chat server: `prepare` it, use it as a context manager (each time it is a new process), in the end `close` it.

    `core` is the processor core to run on, if any; `heartbeat` the seconds between Engine.IO pings. What a
    server cannot do, or only very slowly, is left out by its `scenarios`, `in_flight` and `largest_room`.
    """

    name: ClassVar[str]
    digits: ClassVar[int]  # in the text of a message, so that all servers deliver about the same number of bytes
    scenarios: ClassVar[Sequence[str]]
    largest_room = 10_000
    keeps_order = True  # of what one client sends
    in_flight: ClassVar[Sequence[int] | None] = None  # all that are asked for

    def __init__(self, core: int | None, heartbeat: float) -> None:
        self.core, self.heartbeat = core, heartbeat
        self.port = 0
        self.environment = dict(os.environ)
        self._cookies: list[str] = []

    @abstractmethod
    def prepare(self) -> None:
        """Install or set up what outlives the process; raises MissingToolError."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves on `self.port` of 127.0.0.1."""

    @abstractmethod
    def new_cookies(self, count: int) -> list[str]:
        """Return `count` values for the header Cookie, each of a login session of its own; the server runs."""

    def installed(self) -> bool:
        """Return whether `prepare` has nothing to fetch."""
        return True

    def dialect(self, room: str = LOBBY) -> Dialect:
        """Return how this server is spoken to in a room."""
        return socket_io(room)

    def open_rooms(self, rooms: Sequence[str], cookie: str) -> None:  # noqa: B027 - most need not be asked
        """Make rooms, where they do not come into being by themselves; the server runs."""

    def close(self) -> None:  # noqa: B027 - most have nothing to remove
        """Remove what `prepare` made for this object alone."""

    def versions(self) -> dict[str, str]:
        """Return what this server runs on."""
        return {}

    def cookies(self, count: int) -> list[str]:
        """Return `count` values for the header Cookie; earlier ones are used again."""
        missing = count - len(self._cookies)
        if missing > 0:
            self._cookies += self.new_cookies(missing)
        return self._cookies[:count]

    def __enter__(self) -> Self:
        self.port = free_port()
        self.process = subprocess.Popen(self.command(), cwd=ROOT, env=self.environment, preexec_fn=self._pin)
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()  # there is nothing to be saved
        self.process.wait()

    def cpu_seconds(self) -> float:
        """Return the processor time that the server has used, user and system together."""
        return sum(time.clock_gettime(~pid << 3 | CPUCLOCK_SCHED) for pid in self._processes())

    def memory(self) -> int:
        """Return the bytes that the server holds; shared pages count in part (Linux calls it PSS)."""
        return sum(proportional_set_size(pid) for pid in self._processes())

    def _processes(self) -> Iterator[int]:
        queue = [self.process.pid]
        while queue:
            pid = queue.pop()
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                queue += map(int, children.read_text().split())

    def _pin(self) -> None:
        if self.core is not None:
            os.sched_setaffinity(0, {self.core})

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"script/bench: {self.name} did not start; what it says above is why") from None
                time.sleep(0.05)


def proportional_set_size(pid: int) -> int:
    """Return the bytes of memory of one process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise LookupError(f"expected a line Pss: for process {pid}, got none")


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
