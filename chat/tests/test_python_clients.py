"""python-socketio's clients, asynchronous and in threads, chat with each other under real servers.

The cookie is in their HTTP session: headers that are given to `connect` go with the first request only, and polling
has many.
"""

import asyncio
import queue
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
import requests
import socketio
from socketio.exceptions import ConnectionError as Refusal

from chat.tests.site import Site

TRANSPORTS = [["websocket"], ["polling"], ["polling", "websocket"]]
REFUSED = {"ok": False, "code": "invalid"}

Heard = tuple[str, dict[str, Any]]
Served = tuple[str, Site]


class Visitor:
    """An asynchronous client that keeps what it hears, but for `presence`, which comes whenever it likes."""

    def __init__(self, cookies: dict[str, str]) -> None:
        self.heard: asyncio.Queue[Heard] = asyncio.Queue()
        self.http = aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.client = socketio.AsyncClient(reconnection=False, http_session=self.http)
        for namespace in ("/", "/rooms/tea"):
            self.client.on("*", self._hear, namespace=namespace)

    async def _hear(self, event: str, data: dict[str, Any], *offset: str) -> None:
        if event != "presence":
            self.heard.put_nowait((event, data))

    async def hear(self) -> Heard:
        """Return the next event."""
        return await asyncio.wait_for(self.heard.get(), 10)

    async def welcomed(self) -> dict[str, Any]:
        """Return what the visitor is welcomed with, once it has got what was said before."""
        event, welcome = await self.hear()
        assert event == "welcome"
        last = 0
        while last < welcome["head"]:
            last = (await self.hear())[1]["seq"]
        return welcome


@pytest.fixture
async def visit() -> AsyncIterator[Callable[..., Visitor]]:
    """Make visitors who are gone after the test; an argument is the site whose cookie they have."""
    visitors: list[Visitor] = []

    def make(site: Site | None = None) -> Visitor:
        visitors.append(Visitor({} if site is None else {"sessionid": site.new_cookie()}))
        return visitors[-1]

    yield make
    for visitor in visitors:
        await visitor.client.disconnect()
        await visitor.http.close()


Visit = Callable[..., Visitor]


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_asynchronous_clients_chat(served: Served, visit: Visit, transports: list[str]) -> None:
    _, site = served
    a, b = visit(site), visit(site)
    names = []
    for visitor in (a, b):
        await visitor.client.connect(site.url, transports=transports, namespaces=["/"])
        welcome = await visitor.welcomed()
        assert welcome["room"] == "lobby"
        names.append(welcome["name"])
    assert names[0] != names[1]
    for speaker, name in zip((a, b), names, strict=True):
        assert (await speaker.client.call("send chat", {"msg": "hello čaj"}, timeout=10))["ok"] is True
        for listener in (a, b):
            event, data = await listener.hear()
            assert (event, data["msg"]) == ("new chat", f"{name}: hello čaj")
    assert (await a.client.call("send chat", {"msg": ""}, timeout=10)).items() >= REFUSED.items()
    await a.client.emit("send chat", "not an object")
    event, data = await a.hear()
    assert (event, data["code"]) == ("chat error", "invalid")
    assert a.client.transport() == transports[-1]


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
async def test_an_asynchronous_client_without_cookie_is_refused(
    served: Served, visit: Visit, transports: list[str]
) -> None:
    _, site = served
    visitor = visit()
    with pytest.raises(Refusal):
        await visitor.client.connect(site.url, transports=transports)
    assert not visitor.client.connected
    assert visitor.heard.empty()


async def test_a_cookie_in_a_header_is_enough_for_a_websocket(served: Served, visit: Visit) -> None:
    _, site = served
    visitor = visit()
    headers = {"Cookie": f"sessionid={site.new_cookie()}"}
    await visitor.client.connect(site.url, headers=headers, transports=["websocket"])
    assert (await visitor.hear())[0] == "welcome"


async def test_a_namespace_that_is_no_room_is_refused_and_a_room_is_joined(served: Served, visit: Visit) -> None:
    _, site = served
    visitor = visit(site)
    with pytest.raises(Refusal, match="/nowhere"):
        await visitor.client.connect(site.url, namespaces=["/nowhere"])
    await visitor.client.connect(site.url, namespaces=["/rooms/tea"])
    event, data = await visitor.hear()
    assert (event, data["room"]) == ("welcome", "tea")


@pytest.mark.parametrize("transports", TRANSPORTS, ids="+".join)
def test_clients_in_threads_chat_and_are_refused_without_cookie(served: Served, transports: list[str]) -> None:
    _, site = served
    heard: queue.Queue[Heard] = queue.Queue()

    def hear(event: str, data: dict[str, Any], *offset: str) -> None:
        if event != "presence":
            heard.put((event, data))

    with requests.Session() as http:
        client = socketio.Client(reconnection=False, http_session=http)
        client.on("*", hear)
        with pytest.raises(Refusal):
            client.connect(site.url, transports=transports)
        http.cookies.set("sessionid", site.new_cookie())
        client.connect(site.url, transports=transports)
        try:
            event, welcome = heard.get(timeout=10)
            assert event == "welcome"
            receipt = client.call("send chat", {"msg": "hello"}, timeout=10)
            assert receipt["ok"] is True
            event, data = heard.get(timeout=10)
            while data["seq"] < receipt["seq"]:
                event, data = heard.get(timeout=10)
            assert (event, data["msg"]) == ("new chat", f"{welcome['name']}: hello")
            assert client.call("send chat", timeout=10).items() >= REFUSED.items()
        finally:
            client.disconnect()
