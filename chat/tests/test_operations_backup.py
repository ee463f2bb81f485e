"""docs/operations/backup.md: backups under a server at work, restores, and what clients see then, on both databases."""

import asyncio
import json
import os
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.ws_client import WSClient
from chat.tests.deployment import blocks, replaced, run_shell
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport=websocket"
VACUUM, BACKUP, RESTORE, PG_DUMP, PG_RESTORE, MOVE_ON = blocks("backup", "shell")
KEPT = """
import json
from chat.models import Message
print(json.dumps(list(Message.objects.order_by("seq").values_list("text", flat=True))))
"""
SAY = """
from chat.services import Draft, post
for number in range(10):
    post(Draft("lobby", "server", f"new {number}"))
"""
TALK = 60  # messages while the backup runs

Claim = dict[str, str]


class Client:
    """A client in the lobby that knows how to come back."""

    def __init__(self, site: Site, cookie: str) -> None:
        self.site, self.cookie = site, cookie
        self.pid = self.offset = ""
        self.texts: list[str] = []

    async def come(self) -> None:
        """Connect, with what is needed to get what was missed."""
        headers = {"Cookie": f"sessionid={self.cookie}"}
        self.client = WSClient(await connect(self.site.ws_url + PATH, additional_headers=headers, ping_interval=None))
        await self.client.receive()  # the open packet
        claim = json.dumps({"pid": self.pid, "offset": self.offset}) if self.pid else ""
        await self.client.connection.send(f"40{claim}")
        answer = json.loads(str(await self.client.receive())[2:])
        self.recovered, self.pid = answer["pid"] == self.pid, answer["pid"]

    async def hear(self, text: str) -> None:
        """Take messages, until one has this text."""
        while not self.texts or self.texts[-1] != text:
            event, data, *rest = await self.client.receive_event()
            self.offset = rest[-1] if rest else self.offset
            if event == "new chat":
                self.texts.append(data["text"])
            elif event == "history gap":
                self.texts += await asyncio.to_thread(self.fetch, data["from"], data["to"])

    def fetch(self, first: int, last: int) -> list[str]:
        """Return the texts of the messages between two numbers, as every client must that is told of a gap."""
        headers = {"Cookie": f"sessionid={self.cookie}"}
        page = Request(f"{self.site.url}/rooms/lobby/messages?before={last + 1}&limit=100", headers=headers)
        with urlopen(page, timeout=10) as answer:
            return [message["text"] for message in json.load(answer)["messages"] if message["seq"] >= first]

    async def say(self, text: str) -> None:
        """Say something, and hear it."""
        await self.client.emit("send chat", {"msg": text})
        await self.hear(text)


async def live_through(site: Site, env: dict[str, str], backup: str, restore: str, move_on: str = MOVE_ON) -> Client:
    """Back up while somebody talks, lose what comes after, restore, go on, and come back."""
    await asyncio.to_thread(site.start)
    client = Client(site, await asyncio.to_thread(site.new_cookie))
    await client.come()
    await client.say("before")
    writing = asyncio.create_task(asyncio.to_thread(run_shell, backup, env))
    for number in range(TALK):
        await client.say(f"meanwhile {number}")
    assert "ok" in await writing or "chat_message" in writing.result()
    for number in range(5):
        await client.say(f"lost {number}")
    late = await asyncio.to_thread(site.new_cookie)
    client.client.abort()
    await asyncio.to_thread(site.stop)
    await asyncio.to_thread(run_shell, restore, env)
    await asyncio.to_thread(run_shell, move_on, env)
    await asyncio.to_thread(site.run, SAY)
    await asyncio.to_thread(site.start)
    with pytest.raises(InvalidStatus, match="403"):
        await Client(site, late).come()
    client.texts.clear()
    await client.come()
    await client.hear("new 9")
    return client


def kept(site: Site) -> list[str]:
    """Return the texts in the database."""
    texts: list[str] = json.loads(site.manage("shell", "-v", "0", "-c", KEPT))
    return texts


def check(client: Client, texts: list[str]) -> None:
    """Check that everything from before the backup is there, and that the client missed nothing."""
    assert client.recovered
    assert client.texts == [f"new {number}" for number in range(10)]
    meanwhile = [text for text in texts if text.startswith("meanwhile")]
    assert texts == ["before", *(f"meanwhile {number}" for number in range(len(meanwhile))), *client.texts]


@pytest.fixture
def sqlite(tmp_path: Path) -> Any:
    """A site whose file and backups are in folders as the chapter has them, and what replaces these."""
    lib, backups = tmp_path / "lib", tmp_path / "backups"
    for folder in (lib, backups):
        folder.mkdir()
    site = Site(tmp_path, "serve", {"DATABASE_URL": f"sqlite:///{lib / 'chat.sqlite3'}", "LIMITS": "off"})
    yield site, {"/var/lib/chat": str(lib), "/var/backups": str(backups)}
    site.kill()


@pytest.mark.parametrize("way", ["VACUUM INTO", ".backup"])
async def test_sqlite(sqlite: Any, way: str) -> None:
    site, places = sqlite
    owner = {"--owner=chat --group=chat": f"--owner={os.getuid()} --group={os.getgid()}"}
    restore = replaced(RESTORE, places | owner)
    if way == "VACUUM INTO":
        backup, restore = VACUUM, replaced(restore, {"2026-11-25": f"{date.today()}"})
    else:
        backup, restore = f"{BACKUP}echo ok", replaced(restore, {"chat-2026-11-25": "chat"})
    client = await live_through(site, site.env, replaced(backup, places), restore)
    check(client, await asyncio.to_thread(kept, site))
    client.client.abort()


@pytest.fixture
def postgresql(tmp_path: Path, postgres: Any) -> Any:
    """A site on PostgreSQL."""
    site = Site(tmp_path, "serve", {"DATABASE_URL": postgres.url, "LIMITS": "off"})
    yield site
    site.kill()


async def test_postgresql(postgresql: Site, tmp_path: Path) -> None:
    place = {"/var/backups": str(tmp_path)}
    env = postgresql.env
    client = await live_through(postgresql, env, replaced(PG_DUMP, place), replaced(PG_RESTORE, place))
    check(client, await asyncio.to_thread(kept, postgresql))
    client.client.abort()


async def test_without_moving_the_numbers_on_a_client_misses_messages(sqlite: Any) -> None:
    """What the chapter warns of: else its last command would be for nothing."""
    site, places = sqlite
    owner = {"--owner=chat --group=chat": f"--owner={os.getuid()} --group={os.getgid()}"}
    restore = replaced(RESTORE, places | owner | {"chat-2026-11-25": "chat"})
    client = await live_through(site, site.env, f"{replaced(BACKUP, places)}echo ok", restore, move_on="true")
    assert client.texts != [f"new {number}" for number in range(10)]
    with suppress(OSError):
        client.client.abort()
