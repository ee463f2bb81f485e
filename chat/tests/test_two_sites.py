"""Two sites with one Redis server, in one of its databases or in two: neither hears of the other."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest

from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.processes import Redis
from chat.tests.guests import Guest, Guests
from chat.tests.site import Site

VISITORS = 3  # of each site, who have the same primary keys at both
FLOOD = 25  # more messages than one visitor may send at once
LOG_IN = """
from chat.tests.people import log_in, visit
session = visit()
log_in(session, "ada")
print(session.session_key)
"""
END_USER = """
from channels_socketio.revocation import end_user
from channels_socketio.sessions.end_reasons import ENDED
end_user(1, ENDED)
"""


@dataclass
class Home:
    """The processes of one site, and the cookies of its visitors."""

    processes: list[Site]
    cookies: list[str]


@pytest.fixture(scope="module", params=["/0", "/1"])
def homes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Home]]:
    """A site of two processes, and another of one, whose database of the Redis server is a parameter."""
    with ExitStack() as stack:
        redis = Redis(tmp_path_factory.mktemp("redis")).start()
        stack.callback(redis.stop)
        server = redis.url.removesuffix("/0")
        found = []
        for name, database, count in [("one", "/0", 2), ("other", request.param, 1)]:
            folder = tmp_path_factory.mktemp(name)
            env = {"REDIS_URL": server + database, "SECRET_KEY": f"the key of the site that is called {name}"}
            processes = [Site(folder, "serve", env) for _ in range(count)]
            for process in processes:
                stack.callback(process.start().kill)
            found.append(Home(processes, [processes[0].new_cookie() for _ in range(VISITORS)]))
        yield found


def texts(guest: Guest) -> list[str]:
    """Return the texts of the messages that a guest has heard."""
    return [data["text"] for _, event, data in guest.events if event == "new chat"]


async def say(guest: Guest, text: str, listener: Guest) -> None:
    """Send a message, and wait until `listener` has it."""
    await guest.client.emit("send chat", {"msg": text})
    await eventually(lambda: text in texts(listener), f"{text!r} was heard", 15)


async def type_to(listener: Guest, guest: Guest) -> None:
    """Type, and wait until `listener` knows."""
    await guest.client.emit("typing", {})
    await eventually(lambda: any(listener.names("typing")), "typing was told", 15)


async def test_messages_typing_and_presence_stay_at_their_site(homes: list[Home], guests: Guests) -> None:
    one, other = homes
    here = [await guests.invite(one.processes[number], one.cookies[number]) for number in (0, 1)]
    there = [await guests.invite(other.processes[0], other.cookies[number]) for number in (0, 1)]
    await eventually(lambda: {guest.presence.get("count") for guest in guests.all} == {2}, "two were at each site", 15)
    for first, second in (there, here):
        await type_to(second, first)
        own = first.presence["names"]
        await say(first, f"from {own}", second)
        assert {name for names in second.names("typing") for name in names} <= set(own)
        assert texts(second) == [f"from {own}"]
    assert max(heard["count"] for guest in guests.all for heard in guest.client.passing) == 2


async def test_the_end_of_a_user_reaches_all_processes_of_the_site_and_not_the_namesake_at_another(
    homes: list[Home], guests: Guests
) -> None:
    keys = [await asyncio.to_thread(home.processes[0].manage, "shell", "-v", "0", "-c", LOG_IN) for home in homes]
    one, other = homes
    here = [await guests.invite(process, keys[0].strip()) for process in one.processes]
    there = await guests.invite(other.processes[0], keys[1].strip())

    def ended(guest: Guest) -> bool:
        return "session ended" in [event for _, event, _ in guest.events]

    await asyncio.to_thread(other.processes[0].manage, "shell", "-v", "0", "-c", END_USER)
    await eventually(lambda: ended(there), "the user was told", 15)
    await asyncio.to_thread(one.processes[0].manage, "say", "still here")
    await eventually(lambda: all("still here" in texts(guest) for guest in here), "the others heard a message", 15)
    assert not any(ended(guest) for guest in here)
    await asyncio.to_thread(one.processes[0].manage, "shell", "-v", "0", "-c", END_USER)
    await eventually(lambda: all(ended(guest) for guest in here), "the user was told at both processes", 15)


async def test_what_a_visitor_sends_does_not_count_for_the_namesake_at_another_site(
    homes: list[Home], guests: Guests
) -> None:
    one, other = homes
    there = await guests.invite(other.processes[0], other.cookies[2])
    here, beside = [await guests.invite(process, one.cookies[2]) for process in one.processes]

    async def flood(guest: Guest) -> None:
        for number in range(FLOOD):
            await guest.client.emit("send chat", {"msg": f"flood {number}"})
        await eventually(lambda: refused(guest), "the flood was refused", 15)

    def refused(guest: Guest) -> bool:
        return "too fast" in [data["code"] for _, event, data in guest.events if event == "chat error"]

    await flood(there)
    await say(here, "hello", beside)
    assert not refused(here)
    await flood(here)
    await beside.client.emit("send chat", {"msg": "one more"})
    await eventually(lambda: refused(beside), "the site's other process counted the flood", 15)
