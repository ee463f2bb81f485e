"""A PostgreSQL server of the tests' own."""

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from channels_socketio.tests.support.processes import Process, free_port, require, wait_until

READY = "database system is ready to accept connections"  # PostgreSQL's log


class Postgres:
    """A PostgreSQL server of its own, with its data in a temporary folder; it may be stopped and started again.

    `url` is that of a database whose owner needs no password.
    """

    def __init__(self, folder: Path) -> None:
        programs = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)
        path = shutil.which("postgres") or programs
        require(path is not None, "PostgreSQL")
        self.port = free_port()
        self.url = f"postgresql://chat@127.0.0.1:{self.port}/postgres"
        # PostgreSQL refuses to run as root, and others cannot look into the folder of the tests.
        self._folder = tempfile.TemporaryDirectory(prefix="chat-postgres-", ignore_cleanup_errors=True)
        user = "nobody" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self._folder.name, user)
        data = f"{self._folder.name}/data"
        initdb = [str(Path(str(path)).with_name("initdb")), *f"--pgdata {data} --username chat --no-sync".split()]
        subprocess.run([*initdb, "--auth", "trust"], check=True, stdout=subprocess.DEVNULL, cwd="/", user=user)
        options = ["-c", "unix_socket_directories=", "-c", "fsync=off"]
        command = [str(path), *f"-D {data} -p {self.port} -h 127.0.0.1".split(), *options]
        self.process = Process(command, folder / "postgres.log", user=user)

    def start(self) -> "Postgres":
        """Start it and wait until it answers."""
        before = self.process.output().count(READY)
        self.process.start()
        wait_until(lambda: self.process.output().count(READY) > before, f"PostgreSQL answered: {self.process.output()}")
        return self

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """Stop it at once, with its connections; by default orderly."""
        self.process.stop(sign)

    def remove(self) -> None:
        """Stop it and remove its data."""
        self.stop()
        self._folder.cleanup()
