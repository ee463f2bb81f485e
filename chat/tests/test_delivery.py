"""A server that is killed, and a database that goes away: what was answered for is there, once."""

import asyncio
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import ConnectionClosed

from channels_socketio.tests.support.processes import wait_until
from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.postgres import Postgres
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport=websocket"
ID = "0b9d8a7c-1111-4222-8333-444455556666"


def killed(site: Site) -> bool:
    """Return whether the site's server is no more."""
    return site.process.popen is not None and site.process.popen.poll() == -signal.SIGKILL


async def enter(site: Site, dial: Dial, cookie: str) -> WSClient:
    """Return a client in the lobby that has read its welcome."""
    client = await dial(site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={cookie}"})
    while (await client.receive_event())[0] != "welcome":
        pass
    return client


async def send(client: WSClient, text: str, client_id: str = ID) -> dict[str, Any]:
    """Send a message and return the ack; raises ConnectionClosed when the server ends before."""
    await client.connection.send(f'427["send chat",{json.dumps({"msg": text, "id": client_id})}]')
    while not (packet := str(await client.receive(15))).startswith("437"):
        pass
    answer: dict[str, Any] = json.loads(packet[3:])[0]
    return answer


def messages(site: Site, cookie: str) -> list[tuple[int, str]]:
    """Return numbers and texts of what is stored in the lobby."""
    request = Request(f"{site.url}/rooms/lobby/messages?limit=100", headers={"Cookie": f"sessionid={cookie}"})
    with urlopen(request, timeout=10) as response:
        return [(message["seq"], message["text"]) for message in json.load(response)["messages"]]


@pytest.fixture(params=["daphne", "serve"])
def faulty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """The chat with a fault, not started yet."""
    site = Site(tmp_path, request.param, application="chat.tests.faulty_site:application")
    yield site
    site.stop(signal.SIGKILL)


def restart(site: Site) -> None:
    """Start the site again, without its fault."""
    site.process.env["FAULT"] = ""
    site.start()


async def test_killed_between_commit_and_ack(faulty: Site, dial: Dial) -> None:
    faulty.process.env["FAULT"] = "after commit"
    await asyncio.to_thread(faulty.start)
    cookie = await asyncio.to_thread(faulty.new_cookie)
    client, other = await enter(faulty, dial, cookie), await enter(faulty, dial, cookie)
    assert (await send(client, "before", "11111111-1111-4222-8333-444455556666"))["seq"] == 1
    assert (await other.receive_event())[1]["text"] == "before"
    with pytest.raises(ConnectionClosed):
        await send(client, "after commit")
    wait_until(lambda: killed(faulty), "the server was killed")
    with pytest.raises(ConnectionClosed):
        await other.receive()
    faulty.stop()
    await asyncio.to_thread(restart, faulty)
    client = await enter(faulty, dial, cookie)
    answer = await send(client, "after commit")
    assert (answer["ok"], answer["seq"], answer["id"]) == (True, 2, ID)
    assert (await send(client, "next", "22222222-1111-4222-8333-444455556666"))["seq"] == 3
    assert messages(faulty, cookie) == [(1, "before"), (2, "after commit"), (3, "next")]


async def test_killed_between_ack_and_broadcast(faulty: Site, dial: Dial) -> None:
    faulty.process.env["FAULT"] = "after ack"
    await asyncio.to_thread(faulty.start)
    cookie = await asyncio.to_thread(faulty.new_cookie)
    client = await enter(faulty, dial, cookie)
    answer = await send(client, "after ack")
    assert answer["seq"] == 1
    assert faulty.stop(signal.SIGKILL) == -signal.SIGKILL
    await asyncio.to_thread(restart, faulty)
    client = await enter(faulty, dial, cookie)
    assert await send(client, "after ack") == answer
    assert messages(faulty, cookie) == [(1, "after ack")]


async def test_a_postgresql_that_is_stopped_and_started_again(postgres: Postgres, tmp_path: Path, dial: Dial) -> None:
    env = {"DATABASE_URL": postgres.url, "DJANGO_SETTINGS_MODULE": "chat.tests.hasty_settings"}
    site = Site(tmp_path, "serve", env)
    try:
        await asyncio.to_thread(site.start)
        cookie = await asyncio.to_thread(site.new_cookie)
        client = await enter(site, dial, cookie)
        first = await send(client, "one", "11111111-1111-4222-8333-444455556666")
        assert first["seq"] == 1
        await asyncio.to_thread(postgres.stop)
        refused = await send(client, "two")
        assert (refused["ok"], refused["code"]) == (False, "unavailable")
        await asyncio.to_thread(postgres.start)
        while not (answer := await send(client, "two"))["ok"]:
            assert answer["code"] == "unavailable"
        assert answer["seq"] == 2
        # Between two messages the server does not even notice.
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
        assert (await send(client, "three", "33333333-1111-4222-8333-444455556666"))["seq"] == 3
        assert await send(client, "one", "11111111-1111-4222-8333-444455556666") == first
        assert messages(site, cookie) == [(1, "one"), (2, "two"), (3, "three")]
    finally:
        site.kill()
