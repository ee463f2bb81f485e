"""docs/operations/upgrades.md: its commands, while a process serves, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.ws_client import Dial
from chat.tests.deployment import SECRETS, blocks, replaced, run_shell
from chat.tests.site import Site

MIGRATE, WAIT, BACK = blocks("upgrades", "shell")
PATH = "/socket.io/?EIO=4&transport=websocket"
APPLIED = "[X] 0005"


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A site that was not migrated yet for the newest version."""
    env = {}
    if request.param == "postgresql":
        postgres: Any = request.getfixturevalue("postgres")
        env["DATABASE_URL"] = postgres.url
    site = Site(tmp_path, "serve", env | {"ALLOWED_HOSTS": "127.0.0.1,chat.example"})
    site._migrate()
    run_shell(BACK, site.env)
    yield site
    site.kill()


async def test_migrations_run_while_a_process_serves_and_back_again(old: Site, dial: Dial) -> None:
    production = old.env | {"DEBUG": "off", "SECRET_KEY": SECRETS["SECRET_KEY"]}
    assert APPLIED not in old.manage("showmigrations", "chat")
    waiting = asyncio.create_task(asyncio.to_thread(run_shell, replaced(WAIT, {"8000": str(old.port)}), old.env))
    await asyncio.to_thread(old.start)
    await waiting
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(old.new_cookie)}"}
    client = await dial(old.ws_url + PATH, additional_headers=headers)
    await client.receive_event()
    for script, applied in ((MIGRATE, True), (BACK, False), (MIGRATE, True)):
        await asyncio.to_thread(run_shell, script, production)
        assert (APPLIED in await asyncio.to_thread(old.manage, "showmigrations", "chat")) is applied
        await client.emit("send chat", {"msg": f"applied: {applied}"})
        assert (await client.receive_event())[1]["text"] == f"applied: {applied}"
