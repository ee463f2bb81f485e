"""Moderation and live sockets in real processes: a moderator's process serves nobody, two others do."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_socketio.tests.support.processes import Redis, wait_until
from channels_socketio.tests.support.raw_client import RawClient
from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.site import Site

PATH = "/socket.io/?EIO=4&transport=websocket"
BANNED = {"code": 4, "message": "Banned."}


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    """Two processes of the chat with one database."""
    folder = tmp_path_factory.mktemp("moderated")
    with ExitStack() as stack:
        redis = Redis(folder).start()
        stack.callback(redis.stop)
        running = [Site(folder, env={"REDIS_URL": redis.url}) for _ in range(2)]
        for site in running:
            stack.callback(site.start().kill)
        yield running


class Guest:
    """A visitor with a socket in the lobby."""

    def __init__(self, site: Site, key: str, client: WSClient) -> None:
        self.site, self.key, self.client = site, key, client

    async def say(self, text: str) -> Any:
        """Say something and return the ack."""
        await self.client.connection.send("427" + json.dumps(["send chat", {"msg": text}]))
        while not (frame := str(await self.client.receive())).startswith("437"):
            pass
        return json.loads(frame[3:])[0]

    async def hear(self, event: str) -> Any:
        """Return the data of the next event of this name."""
        while (heard := await self.client.receive_event())[0] != event:
            pass
        return heard[1]


async def come_in(site: Site, dial: Dial) -> Guest:
    """Let somebody new open the page and connect."""
    key = await asyncio.to_thread(site.new_cookie)
    client = await dial(site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={key}"})
    return Guest(site, key, client)


async def moderate(site: Site, guest: Guest, action: str) -> None:
    """Do something as a moderator, in a process of its own; `pk` is the visitor's."""
    code = f"""
from chat import moderation
from chat.models import LoginSession
pk = LoginSession.objects.get(session_key={guest.key!r}).visitor_id
{action}
"""
    await asyncio.to_thread(site.manage, "shell", "-v", "0", "-c", code)


async def test_a_muted_visitor_hears_and_is_not_heard(sites: list[Site], dial: Dial) -> None:
    muted, other = await come_in(sites[0], dial), await come_in(sites[1], dial)
    await moderate(sites[0], muted, "moderation.mute([pk])")
    assert await muted.say("hello") == {"ok": False, "code": "muted", "message": "You are muted."}
    assert (await other.say("anybody here?"))["ok"]
    assert (await muted.hear("new chat"))["text"] == "anybody here?"
    await moderate(sites[0], muted, "moderation.unmute([pk])")
    assert (await muted.say("thanks"))["ok"]
    assert (await other.hear("new chat"))["text"] == "anybody here?"
    assert (await other.hear("new chat"))["text"] == "thanks"


async def test_an_announcement_reaches_everybody(sites: list[Site], dial: Dial) -> None:
    guests = [await come_in(site, dial) for site in sites]
    for guest in guests:
        await guest.hear("welcome")
    await moderate(sites[0], guests[0], "moderation.announce('lobby', 'We restart at noon.')")
    for guest in guests:
        while (heard := await guest.hear("new chat"))["name"] != "announcement":
            pass
        assert heard["msg"] == "announcement: We restart at noon."


async def refused(guest: Guest, site: Site, dial: Dial) -> None:
    """Expect both transports to refuse the visitor."""
    with pytest.raises(InvalidStatus) as refusal:
        await dial(site.ws_url + PATH, additional_headers={"Cookie": f"sessionid={guest.key}"})
    response = refusal.value.response
    assert (response.status_code, json.loads(response.body)) == (403, BANNED)
    async with RawClient(site.port, headers=[f"Cookie: sessionid={guest.key}"]) as raw_client:
        answer = await raw_client.ask("GET")
        assert (answer.status, json.loads(answer.text)) == (403, BANNED)


async def test_a_banned_visitor_is_ended_and_refused_by_both_transports(sites: list[Site], dial: Dial) -> None:
    banned, other = await come_in(sites[0], dial), await come_in(sites[1], dial)
    await moderate(sites[1], banned, "moderation.ban([pk])")
    assert await banned.hear("session ended") == {"reason": "banned", "message": "Banned."}
    assert await banned.client.receive() == "41"
    with pytest.raises(ConnectionClosed):
        await banned.client.receive()
    for site in sites:
        await refused(banned, site, dial)
    assert (await other.say("still here"))["ok"]
    await moderate(sites[1], banned, "moderation.unban([pk])")
    await dial(sites[0].ws_url + PATH, additional_headers={"Cookie": f"sessionid={banned.key}"})


async def test_from_a_banned_address_nobody_stays_or_comes_in(sites: list[Site], dial: Dial) -> None:
    guest, neighbour = await come_in(sites[0], dial), await come_in(sites[1], dial)
    await moderate(sites[0], guest, "moderation.ban([pk], with_address=True)")
    try:
        for ended in (guest, neighbour):
            assert (await ended.hear("session ended"))["reason"] == "banned"
        for site in sites:
            await wait_for_status(403, site)
            await wait_for_status(403, site, "/socket.io/?EIO=4&transport=polling", neighbour.key)
            await refused(neighbour, site, dial)
    finally:
        await moderate(sites[0], guest, "moderation.unban([pk], with_address=True)")
    for site in sites:
        await wait_for_status(200, site)
    await come_in(sites[0], dial)


async def wait_for_status(status: int, site: Site, path: str = "/", key: str = "") -> None:
    """Ask, as the visitor with this key or as somebody new, until the answer has this status."""
    request = Request(site.url + path, headers={"Cookie": f"sessionid={key}"} if key else {})

    def ask() -> bool:
        try:
            with urlopen(request, timeout=10) as response:
                return bool(response.status == status)
        except HTTPError as error:
            with error:
                return error.code == status

    await asyncio.to_thread(wait_until, ask, f"{path} was answered with {status}")
