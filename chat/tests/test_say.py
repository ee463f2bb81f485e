"""`manage.py say`: from outside the server to every live client, stored first."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from channels_socketio.tests.support.processes import ROOT, Redis
from channels_socketio.tests.support.ws_client import Dial
from chat import services
from chat.models import Message
from chat.services import Announcement
from chat.tests.postgres import Postgres
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What the command announces."""
    heard: list[Announcement] = []
    monkeypatch.setattr(services, "announce", heard.append)
    return heard


def say(*arguments: str) -> str:
    """Run the command and return what it printed."""
    output = StringIO()
    call_command("say", *arguments, stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True)
def test_it_stores_and_announces(announced: list[Announcement]) -> None:
    assert say(" tea is ready ") == "Stored as message 1 of lobby.\n"
    assert say("here", "--room", "tea", "--as", "cook") == "Stored as message 1 of tea.\n"
    assert say("again") == "Stored as message 2 of lobby.\n"
    rows = Message.objects.order_by("pk").values_list("room__slug", "seq", "name", "text")
    assert list(rows) == [
        ("lobby", 1, "server", "tea is ready"),
        ("tea", 1, "cook", "here"),
        ("lobby", 2, "server", "again"),
    ]
    assert not Message.objects.exclude(visitor=None).exists()
    assert [(announcements.namespace, announcements.item.data["msg"]) for announcements in announced] == [
        ("/", "server: tea is ready"),
        ("/rooms/tea", "cook: here"),
        ("/", "server: again"),
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([""], "TEXT: expected 1 to 2000 characters, got 0."),
        (["x" * 2001], "TEXT: expected 1 to 2000 characters, got 2001."),
        (["a\x00"], "TEXT: expected text without NUL characters"),
        (["x", "--room", "Tea Time"], "--room: expected 1 to 50 of a-z, 0-9 and the hyphen, got 'Tea Time'."),
        (["x", "--room", ""], "--room: expected 1 to 50 of a-z, 0-9 and the hyphen, got ''."),
        (["x", "--room", "tea\n"], "--room: expected 1 to 50 of a-z, 0-9 and the hyphen"),
        (["x", "--as", "42"], "--as: expected a name that is not all digits, as those of guests are, got '42'."),
        (["x", "--as", "٣"], "--as: expected a name that is not all digits"),
        (["x", "--as", " "], "--as: expected 1 to 2000 characters, got 0."),
        (["x", "--as", "n" * 151], "--as: expected at most 150 characters, got 151."),
    ],
)
def test_what_cannot_be_said_is_one_line(arguments: list[str], line: str, announced: list[Announcement]) -> None:
    with pytest.raises(CommandError) as error:
        say(*arguments)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
    assert not Message.objects.exists()
    assert announced == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Site]:
    """The chat on PostgreSQL with a Redis server behind it."""
    redis, postgres = Redis(tmp_path).start(), Postgres(tmp_path).start()
    site = Site(tmp_path, "serve", {"REDIS_URL": redis.url, "DATABASE_URL": postgres.url})
    try:
        yield site.start()
    finally:
        site.kill()
        postgres.remove()
        redis.stop()


async def test_live_clients_of_another_process_hear_it(cluster: Site, dial: Dial) -> None:
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(cluster.new_cookie)}"}
    client = await dial(cluster.ws_url + PATH, additional_headers=headers)
    assert (await client.receive_event())[0] == "welcome"
    assert await asyncio.to_thread(cluster.manage, "say", "tea is ready") == "Stored as message 1 of lobby.\n"
    event, data, _ = await client.receive_event()
    assert (event, data["msg"], data["seq"]) == ("new chat", "server: tea is ready", 1)


def test_a_database_that_is_not_there_is_one_line(postgres: Postgres) -> None:
    postgres.stop()
    env = os.environ | {"DATABASE_URL": postgres.url, "DJANGO_SETTINGS_MODULE": "chat.tests.hasty_settings"}
    command = [sys.executable, "manage.py", "say", "hello"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    postgres.start()
    assert done.returncode == 1
    *log, line = done.stderr.splitlines()
    assert line.startswith("CommandError: The message was not stored: ")
    assert not any("Traceback" in entry for entry in log)
