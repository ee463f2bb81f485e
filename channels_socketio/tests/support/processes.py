"""Real server processes for tests: started on free ports, stopped by whoever started them."""

import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).resolve().parents[3]
# Runs the code in each line, a JSON text, and answers each with a line: what went wrong, or nothing.
SHELL = """
import json, sys, traceback
import django
django.setup()
for line in sys.stdin:
    try:
        exec(json.loads(line), {})
    except Exception:
        print(json.dumps(traceback.format_exc()), flush=True)
    else:
        print('""', flush=True)
"""
READY = "database system is ready to accept connections"  # PostgreSQL's log
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
        call = f"serve({application!r}, {host!r}, {port}, 1)"
        return [sys.executable, "-c", f"from channels_socketio.servers.serve import serve; {call}"]
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


class EchoApp:
    """The application of `support/echo_app.py` in a process of its own; `options` are those of SOCKETIO."""

    def __init__(
        self, folder: Path, server: str, options: Mapping[str, object], env: dict[str, str] | None = None
    ) -> None:
        self.server, self.port = server, free_port()
        self.ws_url = f"ws://127.0.0.1:{self.port}/socket.io/?EIO=4&transport=websocket"
        settings = {"DJANGO_SETTINGS_MODULE": "chatproject.settings", "HALL_OPTIONS": json.dumps(options)}
        command = server_command(server, self.port, "channels_socketio.tests.support.echo_app:application")
        self.process = Process(command, folder / f"hall-{self.port}.log", settings | (env or {}))

    def __enter__(self) -> "EchoApp":
        self.process.start()
        wait_until(lambda: accepts_connections(self.port), f"the hall was open: {self.process.output()}", 30)
        return self

    def __exit__(self, *details: object) -> None:
        self.process.kill()


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


@cache
def empty_database() -> Path:
    """Return an SQLite file with all tables and nothing in them, made once for all tests of this process."""
    folder = tempfile.TemporaryDirectory(prefix="chat-tables-")
    atexit.register(folder.cleanup)
    file = Path(folder.name) / "site.sqlite3"
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    env = os.environ | {"DATABASE_URL": f"sqlite:///{file}", "DJANGO_SETTINGS_MODULE": "chatproject.settings"}
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    return file


class Site:
    """The whole chat in a process of its own, under `server`, if not said otherwise as `manage.py serve` has it.

    It has its own SQLite file in `folder`, which outlives restarts. `application` is the project's, or one that
    builds upon it.
    """

    def __init__(
        self,
        folder: Path,
        server: str | None = None,
        env: dict[str, str] | None = None,
        application: str = "chatproject.asgi:application",
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ws_url = f"ws://127.0.0.1:{self.port}"
        self.env = {
            "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
            "SECRET_KEY": "a key for tests only, the same after a restart of the server",
            "DJANGO_SETTINGS_MODULE": "chatproject.settings",
            "PYTHONUNBUFFERED": "1",
        } | (env or {})
        command = server_command(server or servers("serve")[0], self.port, application)
        self.process = Process(command, folder / "site.log", self.env)
        self._migrated = False
        self._shell: subprocess.Popen[bytes] | None = None

    def manage(self, *arguments: str) -> str:
        """Run a management command against the site's database and return what it printed."""
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | self.env, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.fail(f"{' '.join(arguments)} failed: {done.stderr}")
        return done.stdout

    def run(self, code: str) -> None:
        """Run code that prints nothing against the site's database, in a process that is kept for more."""
        if self._shell is None:
            pipe, env = subprocess.PIPE, os.environ | self.env
            self._shell = subprocess.Popen([sys.executable, "-c", SHELL], cwd=ROOT, env=env, stdin=pipe, stdout=pipe)
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(json.dumps(code).encode() + b"\n")
        self._shell.stdin.flush()
        if problem := json.loads(self._shell.stdout.readline()):
            pytest.fail(problem)

    def start(self) -> "Site":
        """See to it that the database has its tables, start the server and wait until it answers."""
        if not self._migrated:
            self._migrate()
            self._migrated = True
        self.process.start()
        wait_until(self._answers, f"the server answered: {self.process.output()}", 30)
        return self

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server and return its exit status."""
        return self.process.stop(sign)

    def kill(self) -> None:
        """End the server at once, where the end does not matter."""
        self.process.kill()
        if self._shell is not None:
            self._shell.kill()
            self._shell.communicate()

    def new_cookie(self, headers: Mapping[str, str] | None = None) -> str:
        """Visit the page as a new visitor and return the session key."""
        request = urllib.request.Request(f"{self.url}/", headers=dict(headers or {}))
        with urllib.request.urlopen(request, timeout=10) as response:
            cookie = SimpleCookie(response.headers["Set-Cookie"])
        return cookie["sessionid"].value

    def _migrate(self) -> None:
        """Copy a file that has all tables where one of SQLite is to be: that is quicker than to make them."""
        kind, _, path = self.env["DATABASE_URL"].partition("://")
        if kind != "sqlite":
            self.manage("migrate", "--verbosity", "0")
        elif not Path(path).exists():
            shutil.copy(empty_database(), path)

    def _answers(self) -> bool:
        popen = self.process.popen
        if popen is not None and popen.poll() is not None:
            pytest.fail(f"the server ended: {self.process.output()}")
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
