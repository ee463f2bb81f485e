"""The whole chat in processes of its own."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from functools import cache
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Self

import pytest

from channels_socketio.tests.support.processes import ROOT, AppProcess, servers

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


class Site(AppProcess):
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
        self.env = {
            "DATABASE_URL": f"sqlite:///{folder / 'site.sqlite3'}",
            "SECRET_KEY": "a key for tests only, the same after a restart of the server",
            "DJANGO_SETTINGS_MODULE": "chatproject.settings",
            "PYTHONUNBUFFERED": "1",
        } | (env or {})
        super().__init__(application, folder, server or servers("serve")[0], self.env)
        self.ws_url = f"ws://127.0.0.1:{self.port}"
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

    def start(self) -> Self:
        """See to it that the database has its tables, start the server and wait until it answers."""
        if not self._migrated:
            self._migrate()
            self._migrated = True
        return super().start()

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> int:
        """Stop the server and return its exit status."""
        return self.process.stop(sign)

    def kill(self) -> None:
        """End the server at once, where the end does not matter."""
        super().kill()
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
        if not super()._answers():
            return False
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
