"""One process, a thousand clients: everybody gets every message, in order."""

import asyncio
import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.processes import require, servers
from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.site import Site

CLIENTS = 1000
MESSAGES = 20
FILES = CLIENTS + 200
AT_ONCE = 50
PATH = "/socket.io/?EIO=4&transport=websocket"


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and the server that it starts, open enough files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    require(hard == resource.RLIM_INFINITY or hard >= FILES, f"{FILES} open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, FILES), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(params=servers("daphne", "serve"))
def crowded(request: pytest.FixtureRequest, tmp_path: Path, many_files: None) -> Iterator[Site]:
    """The chat without limits on connections and rates."""
    running = Site(tmp_path, request.param, {"LIMITS": "off"}).start()
    yield running
    running.kill()


async def texts(client: WSClient) -> list[str]:
    """Return the texts of the messages that a client gets, up to the last."""
    heard: list[str] = []
    while not heard or heard[-1] != f"message {MESSAGES - 1}":
        event, data, *_ = await client.receive_event(30)
        if event == "new chat":
            heard.append(data["text"])
    return heard


async def test_a_thousand_clients_get_every_message_in_order(crowded: Site, dial: Dial) -> None:
    cookies = [crowded.new_cookie() for _ in range(10)]
    doors = asyncio.Semaphore(AT_ONCE)

    async def enter(number: int) -> WSClient:
        headers: dict[str, Any] = {"Cookie": f"sessionid={cookies[number % len(cookies)]}"}
        async with doors:
            return await dial(crowded.ws_url + PATH, additional_headers=headers, open_timeout=30)

    clients = await asyncio.gather(*(enter(number) for number in range(CLIENTS)))
    hearing = [asyncio.create_task(texts(client)) for client in clients]
    for number in range(MESSAGES):
        await clients[0].connection.send(f'42["send chat",{json.dumps({"msg": f"message {number}"})}]')
    heard = await asyncio.gather(*hearing)
    assert heard == [[f"message {number}" for number in range(MESSAGES)]] * CLIENTS
