"""`manage.py serve` of any site: what it needs is said, and it listens where it is told to."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from channels_socketio.management.commands import serve
from channels_socketio.servers.serve import open_listener
from channels_socketio.tests.support.processes import ROOT, Process, wait_until

MANAGE = [sys.executable, "-m", "django"]
SITE = {"DJANGO_SETTINGS_MODULE": "channels_socketio.tests.support.served_settings", "PYTHONUNBUFFERED": ""}


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run the command until it ends by itself."""
    command = [*MANAGE, "serve", *arguments]
    environment = os.environ | SITE | env
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "env", "line"),
    [
        ((), {"SITE_DEBUG": "1"}, "CommandError: DEBUG: expected off for serve, got on. Unset it or say DEBUG=off."),
        (
            ("--workers", "2"),
            {},
            "CommandError: CHANNEL_LAYERS: expected a channel layer that reaches other processes, such as "
            "channels_redis, for --workers 2.",
        ),
        (
            (),
            {"SITE_APPLICATION": ""},
            "CommandError: ASGI_APPLICATION: expected the site's ASGI application, got nothing.",
        ),
        (
            ("--bind", "unix:/nowhere/socket"),
            {},
            "CommandError: --bind: expected an address to listen on: [Errno 2] No such file or directory",
        ),
    ],
)
def test_what_is_missing_is_one_line(arguments: tuple[str, ...], env: dict[str, str], line: str) -> None:
    done = run(*arguments, **env)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, line)
    assert "Traceback" not in done.stderr


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "PACKAGES", ("uvicorn", "no_such_package"))
    with pytest.raises(CommandError, match=r"^expected no_such_package to be installed: pip install '.*\[serve\]'"):
        serve.Command().handle(bind=("127.0.0.1", 8000), workers=1)


@pytest.fixture
async def path(tmp_path: Path) -> AsyncIterator[Path]:
    """The Unix socket of a site that is served at it."""
    path = tmp_path / "site.socket"
    open_listener(str(path), None).close()  # as if a process had been killed
    command = [*MANAGE, "serve", "--bind", f"unix:{path}"]
    process = Process(command, tmp_path / "log", SITE)
    process.start()
    line = f"Serving unix:{path} with 1 worker(s); channel layer: InMemoryChannelLayer.\n"
    wait_until(lambda: process.output().endswith(line), f"it said so: {process.output()}", 30)
    yield path
    assert process.stop() == 0
    assert process.output().endswith(line)


async def test_it_listens_at_a_path_and_says_so_at_once(path: Path) -> None:
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /socket.io/socket.io.js HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(15):
        answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 200 OK")
