"""What clients hear of each other: who is in the room and who is typing, on one process and on two.

`PEOPLE=2000 pytest -s chat/tests/test_presence.py -k crowd` has two thousand come and go within ten seconds.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, close_of, eventually
from channels_socketio.tests.support.processes import Redis
from chat import presence
from chat.database import in_thread
from chat.rooms import namespace_of
from chat.sessions import SessionStore
from chat.tests.guests import Guest, Guests
from chat.tests.people import holder, log_in, visit
from chat.tests.site import Site
from chatproject.asgi import application

PEOPLE = int(os.environ.get("PEOPLE", "60"))
SPAN = 10.0 if PEOPLE > 500 else 3.0  # seconds in which they come


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say what there is to say several times a second."""
    monkeypatch.setattr(presence, "SOON", 0.01)
    monkeypatch.setattr(presence, "INTERVAL", 0.05)


async def enter(connect: Connect, session: SessionStore, room: str = "lobby") -> SocketIOCommunicator:
    """Return a client in a room that has read its welcome."""
    client = await connect(application, namespace_of(room), cookies={"sessionid": str(session.session_key)})
    assert (await client.receive_event())[0] == "welcome"
    return client


async def next_of(client: SocketIOCommunicator, event: str) -> Any:
    """Return the data of the next event of one kind."""
    while True:
        name, data, *rest = await client.receive_event()
        if name == event:
            assert not rest, "expected no offset"
            return data


@pytest.mark.presence
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
class TestOneProcess:
    """Who is in a room of one process."""

    async def test_whoever_comes_hears_who_is_there_and_so_do_the_others(self, connect: Connect) -> None:
        first = await enter(connect, await in_thread(holder)(1), "tea")
        assert await next_of(first, "presence") == {"room": "tea", "count": 1, "names": ["1"]}
        second = await enter(connect, await in_thread(holder)(2), "tea")
        for client in (first, second):
            assert await next_of(client, "presence") == {"room": "tea", "count": 2, "names": ["1", "2"]}

    async def test_a_second_tab_hears_who_is_there_and_nobody_else_hears_of_it(self, connect: Connect) -> None:
        session = await in_thread(holder)(1)
        first = await enter(connect, session)
        await next_of(first, "presence")
        second = await enter(connect, session)
        assert await next_of(second, "presence") == {"room": "lobby", "count": 1, "names": ["1"]}
        await first.emit("send chat", {"msg": "hello"})
        assert (await first.receive_event())[0] == "new chat"

    async def test_whoever_leaves_is_gone_after_a_while(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chat.presence_state.GRACE", 0.2)
        first = await enter(connect, await in_thread(holder)(1))
        second = await enter(connect, await in_thread(holder)(2))
        while (await next_of(first, "presence"))["count"] < 2:
            pass
        await second.disconnect()
        assert await next_of(first, "presence") == {"room": "lobby", "count": 1, "names": ["1"]}

    async def test_typing_is_told_until_the_message_comes(self, connect: Connect) -> None:
        writer = await enter(connect, await in_thread(holder)(1))
        reader = await enter(connect, await in_thread(holder)(2))
        await writer.emit("typing", {})
        assert await next_of(reader, "typing") == {"room": "lobby", "names": ["1"]}
        await writer.emit("send chat", {"msg": "hello"})
        assert await next_of(reader, "typing") == {"room": "lobby", "names": []}

    async def test_typing_ends_when_the_writer_leaves(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chat.typing.LASTING", 3600.0)
        writer = await enter(connect, await in_thread(holder)(1))
        reader = await enter(connect, await in_thread(holder)(2))
        await writer.emit("typing")
        assert (await next_of(reader, "typing"))["names"] == ["1"]
        await writer.disconnect()
        assert (await next_of(reader, "typing"))["names"] == []

    async def test_whoever_logs_in_comes_back_as_the_user_and_counts_once(
        self, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("chat.presence_state.GRACE", 3600.0)
        monkeypatch.setattr("chat.typing.LASTING", 3600.0)
        session = await in_thread(holder)(1)
        tabs = [await enter(connect, session) for _ in range(2)]
        other = await enter(connect, await in_thread(holder)(2))
        while (await next_of(other, "presence"))["count"] < 2:
            pass
        await tabs[0].emit("typing", {})
        assert (await next_of(other, "typing"))["names"] == ["1"]
        user = await in_thread(log_in)(session, "ada")
        for tab in tabs:
            assert (await close_of(tab))["reason"] == "session rotated"
        assert await next_of(other, "presence") == {"room": "lobby", "count": 1, "names": ["2"]}
        assert (await next_of(other, "typing"))["names"] == []
        tabs = [await enter(connect, session) for _ in range(2)]
        assert await next_of(other, "presence") == {"room": "lobby", "count": 2, "names": ["2", "ada"]}
        user.username = "grace"
        await in_thread(user.save)()
        assert await next_of(other, "presence") == {"room": "lobby", "count": 2, "names": ["2", "grace"]}
        for tab in tabs:
            heard = [await tab.receive_event() for _ in range(tab.output_queue.qsize())]
            assert [data["name"] for event, data, *_ in heard if event == "welcome"] == ["grace"]
        monkeypatch.setattr("chat.presence_state.GRACE", 0.1)
        for tab in tabs:
            await tab.disconnect()
        assert await next_of(other, "presence") == {"room": "lobby", "count": 1, "names": ["2"]}

    async def test_nothing_is_kept_of_those_who_left(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("chat.presence_state.GRACE", 0.1)
        client = await enter(connect, await in_thread(visit)())
        kept = presence.current_presence()
        assert kept.state.rooms
        await client.disconnect()
        await eventually(lambda: not kept.state.rooms and kept._timer is None, "everything was forgotten")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Site]]:
    """Two processes with one database and Redis, and short leases."""
    folder = tmp_path_factory.mktemp("pair")
    env = {"LIMITS": "off", "DJANGO_SETTINGS_MODULE": "chat.tests.live_settings"}
    with ExitStack() as stack:
        redis = Redis(folder).start()
        stack.callback(redis.stop)
        sites = [Site(folder, "serve", env | {"REDIS_URL": redis.url}) for _ in range(2)]
        for site in sites:
            stack.callback(site.start().kill)
        yield sites


async def cookies_of(site: Site, count: int) -> list[str]:
    """Return the cookies of so many new visitors."""
    return [await asyncio.to_thread(site.new_cookie) for _ in range(count)]


async def test_people_at_two_processes_are_one_company(pair: list[Site], guests: Guests) -> None:
    cookies = await cookies_of(pair[0], 3)
    for site, cookie in [(0, 0), (1, 0), (0, 1), (1, 2)]:
        await guests.invite(pair[site], cookies[cookie])

    def everywhere(count: int) -> bool:
        return all(guest.presence.get("count") == count for guest in guests.all)

    await eventually(lambda: everywhere(3), "three people were there", 15)
    assert len({json.dumps(sorted(guest.presence["names"])) for guest in guests.all}) == 1
    gone = guests.all.pop()
    gone.task.cancel()
    gone.client.abort()
    await eventually(lambda: everywhere(2), "two people were there", 15)
    await guests.all[1].client.emit("typing", {})
    await eventually(lambda: any(guests.all[2].names("typing")), "typing was told at the other process", 5)


async def test_whoever_was_at_a_process_that_is_killed_is_gone_soon(pair: list[Site], guests: Guests) -> None:
    cookies = await cookies_of(pair[0], 6)
    stays = await guests.invite(pair[0], cookies[0])
    for cookie in cookies[1:]:
        await guests.invite(pair[1], cookie)
    await eventually(lambda: stays.presence.get("count") == 6, "all were there", 15)
    pair[1].stop(signal.SIGKILL)
    try:
        await eventually(lambda: stays.presence["count"] == 1, "the dead were gone", 10)
        assert len(stays.presence["names"]) == 1
    finally:
        await asyncio.to_thread(pair[1].start)


def make_cookies(site: Site, count: int) -> list[str]:
    """Return the cookies of many visitors, made at once, under names that no page gives."""
    code = f"for number in range({count}): print(holder(1_000_000 + number).session_key)"
    setup = "from django.db import transaction; from chat.tests.people import holder"
    return site.manage("shell", "-v", "0", "-c", f"{setup}\nwith transaction.atomic():\n    {code}").split()


async def test_a_crowd_comes_and_goes_and_nobody_hears_of_it_more_than_once_a_second(
    pair: list[Site], guests: Guests
) -> None:
    """Every other person leaves again, while others still come."""
    cookies = await asyncio.to_thread(make_cookies, pair[0], PEOPLE)
    clock = asyncio.get_running_loop().time
    began = clock()
    stay: dict[Guest, float] = {}  # since when

    async def come(number: int) -> None:
        await asyncio.sleep(began + number * SPAN / PEOPLE - clock())
        guest = await guests.invite(pair[number // 2 % 2], cookies[number])
        if number % 2:
            guest.task.cancel()
            guest.client.abort()
        else:
            stay[guest] = clock()

    await asyncio.gather(*map(come, range(PEOPLE)))
    came = clock() - began
    await eventually(lambda: {each.presence.get("count") for each in stay} == {PEOPLE // 2}, "all knew who stayed", 30)
    settled = clock() - began
    heard = [(len(guest.client.passing), clock() - since) for guest, since in stay.items()]
    assert all(times <= seconds + 2 for times, seconds in heard), heard
    counts = [presence["count"] for presence in next(iter(stay)).client.passing]
    sys.stdout.write(
        f"\n{PEOPLE} people came within {came:.1f} s, and every other one left. All who stayed knew it after"
        f" {settled:.1f} s; the first of them heard {len(counts)} times: {counts}\n"
    )
