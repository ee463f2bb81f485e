"""`manage.py serve`: refuses what is not fit for production, and serves pages, static files and sockets."""

import asyncio
import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.files import locks
from websockets.exceptions import ConnectionClosed

from channels_socketio.management.commands import serve
from channels_socketio.tests.support.processes import ROOT, Process, Redis, free_port, wait_until
from channels_socketio.tests.support.raw_client import SECONDS, RawClient
from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.site import empty_database

PRODUCTION = {"SECRET_KEY": "s" * 50, "HTTPS": "off", "ALLOWED_HOSTS": "127.0.0.1"}


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run `manage.py serve` until it ends by itself."""
    command = [sys.executable, "manage.py", "serve", *arguments]
    clean = {name: value for name, value in os.environ.items() if name not in {"DEBUG", "SECRET_KEY"}}
    return subprocess.run(command, cwd=ROOT, env=clean | env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "env", "line"),
    [
        ((), {}, "SECRET_KEY: expected a long random text because DEBUG is off, got nothing."),
        ((), PRODUCTION | {"DEBUG": "on"}, "DEBUG: expected off for serve, got on."),
        (("--workers", "2"), PRODUCTION, "CHANNEL_LAYERS: expected a channel layer that reaches other processes"),
        (("--workers", "0"), PRODUCTION, "expected a whole number above 0, got '0'"),
        (("--bind", "8000"), PRODUCTION, "expected HOST:PORT or unix:PATH, got '8000'"),
        (("--bind", "127.0.0.1:99999"), PRODUCTION, "expected HOST:PORT or unix:PATH, got '127.0.0.1:99999'"),
    ],
)
def test_what_is_not_fit_for_production_is_refused_with_what_to_set(
    arguments: tuple[str, ...], env: dict[str, str], line: str
) -> None:
    done = run(*arguments, **env)
    assert done.returncode != 0
    assert line in done.stderr
    assert "Traceback" not in done.stderr


def test_static_files_are_collected_by_one_server_at_a_time(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.STATIC_ROOT = tmp_path / "static"
    free: list[bool] = []

    def collect(*command: Any, **options: Any) -> None:
        folder = os.open(settings.STATIC_ROOT, os.O_RDONLY)
        free.append(locks.lock(folder, locks.LOCK_EX | locks.LOCK_NB))
        os.close(folder)

    monkeypatch.setattr(serve, "call_command", collect)
    for _ in range(2):
        serve.collect_static()
    collect()
    assert free == [False, False, True]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Process]]:
    """The address of a served site with a database of its own, and its process."""
    with serving(tmp_path_factory.mktemp("serve")) as (address, process):
        yield address, process
    assert "Serving 127.0.0.1:" in process.output()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[tuple[str, Process]]:
    """The same with two workers for one test, and without limits, for chance decides who has how many clients."""
    redis = Redis(tmp_path).start()
    try:
        with serving(tmp_path, "--workers", "2", REDIS_URL=redis.url, LIMITS="off") as served:
            yield served
    finally:
        redis.stop()


@contextmanager
def serving(folder: Path, *arguments: str, **env: str) -> Iterator[tuple[str, Process]]:
    """Serve a site that keeps its database in `folder`; it must end well."""
    port = free_port()
    database = {"DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}"}
    clean = {"DEBUG": "", "PYTHONUNBUFFERED": "1"} | PRODUCTION | database | env
    shutil.copy(empty_database(), folder / "db.sqlite3")
    command = [sys.executable, "manage.py", "serve", "--bind", f"127.0.0.1:{port}", *arguments]
    process = Process(command, folder / "serve.log", clean)
    process.start()
    try:
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/healthz"), "it answers", 60)
        yield f"127.0.0.1:{port}", process
    finally:
        status = process.stop()
    assert status == 0
    assert "Traceback" not in process.output()


def answers(url: str) -> bool:
    """Return whether `url` is answered with 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def test_it_serves_pages_with_their_static_files(served: tuple[str, Process]) -> None:
    address, _ = served
    with urllib.request.urlopen(f"http://{address}/", timeout=10) as response:
        page = response.read().decode()
    script = page.partition('src="/static/chat/')[2].partition('"')[0]
    assert script.endswith(".js")
    assert answers(f"http://{address}/static/chat/{script}")


async def new_cookie(address: str) -> str:
    """Return the cookie of a new visitor."""
    page = await asyncio.to_thread(urllib.request.urlopen, f"http://{address}/", timeout=10)
    cookie: str = page.headers["Set-Cookie"].partition(";")[0]
    page.close()
    return cookie


async def new_client(address: str, dial: Dial) -> WSClient:
    """Return a new visitor's client in the lobby, welcomed."""
    url = f"ws://{address}/socket.io/?EIO=4&transport=websocket"
    client = await dial(url, additional_headers={"Cookie": await new_cookie(address)})
    event, welcome, _ = await client.receive_event()
    assert event == "welcome"
    last = 0
    while last < welcome["head"]:
        last = (await client.receive_event())[1]["seq"]
    return client


async def test_it_serves_sockets_and_its_log_shows_no_ids(served: tuple[str, Process], dial: Dial) -> None:
    address, process = served
    client = await new_client(address, dial)
    await client.emit("send chat", {"msg": "hello"})
    event, data, _ = await client.receive_event()
    assert (event, data["text"]) == ("new chat", "hello")
    assert "transport=" not in process.output()
    assert "Traceback" not in process.output()


async def test_workers_say_goodbye_to_their_clients(workers: tuple[str, Process], dial: Dial) -> None:
    address, process = workers
    clients = [await new_client(address, dial) for _ in range(4)]
    status = await asyncio.to_thread(process.stop)
    for client in clients:
        with suppress(ConnectionClosed):
            while True:
                await client.receive()
        assert (client.connection.close_code, client.connection.close_reason) == (1001, "server shutting down")
    assert status == 0


async def test_clients_that_poll_are_at_home_in_all_workers(workers: tuple[str, Process]) -> None:
    """The system deals requests out: it has given sessions to both workers, so it gives the rest to either as well."""
    address, _ = workers
    async with RawClient(
        int(address.rpartition(":")[2]), headers=[f"Cookie: {await new_cookie(address)}"]
    ) as raw_client:
        sids = [await raw_client.open()]
        async with asyncio.timeout(SECONDS):
            while len({process_of(sid) for sid in sids}) < 2:
                sids.append(await raw_client.open())
        for sid in (sids[0], sids[-1]):
            assert (await raw_client.post(sid, "40")).pair == (200, "ok")
            received = (await raw_client.poll(sid)).text
            assert received.startswith("40{")  # before that, an event would come too early
            for number in range(20):
                assert (await raw_client.post(sid, f'42{number}["send chat",{{}}]')).pair == (200, "ok")
                while f'43{number}[{{"ok":false' not in received:
                    answer = await raw_client.poll(sid)
                    assert answer.status == 200
                    received += answer.text


def process_of(sid: str) -> str:
    """Return the part of an engine id that names its process."""
    return sid[:8]
