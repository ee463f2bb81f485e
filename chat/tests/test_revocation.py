"""The login session's authority over its sockets: two processes with Redis and PostgreSQL, and one with neither.

An end that is told of takes milliseconds; the time that it may take here is that of a busy machine. With `SOON=1` in
the environment it is the second that is promised.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from channels_socketio.protocol.packets import PacketType
from channels_socketio.tests.support.clients import WAYS, Client, PollingWay
from channels_socketio.tests.support.log_site import Browser
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.raw_client import RawClient, read, read_to_end
from chat.tests.postgres import Postgres
from chat.tests.revocation_site import Crowd, Hosts, named
from chat.tests.site import Site

APPLICATION = "chat.tests.revocation_app:application"
INTERVAL = 0.5  # of the sweep, where it is to find something
NEVER = 3600.0
SOON = float(os.environ.get("SOON", "5"))  # seconds in which an end that is told of reaches all sockets
NO_COOKIE = '{"code":4,"message":"No cookie transmitted."}'
GONE = '{"code":4,"message":"Session unknown or expired."}'
UNKNOWN_SID = '{"code":1,"message":"Session ID unknown"}'
BACK = 3.0  # seconds in which a client with the new cookie is back
REFUSALS = {"banned": (403, '{"code":4,"message":"Banned."}')}

# What is done, whether the visitor is logged in, and the reason that the sockets are told.
TOLD = [
    ("log-out", True, "logged out"),
    ("log-out", False, "logged out"),
    ("flush", False, "ended"),
    ("delete", False, "ended"),
    ("delete-many", True, "ended"),
    ("delete-visitor", False, "ended"),
    ("deactivate", True, "user inactive"),
    ("set-password", True, "password changed"),
    ("ban", False, "banned"),
    ("delete-user", True, "user deleted"),
    ("admin-end", False, "ended"),
    ("admin-ban", False, "banned"),
    ("admin-delete-user", True, "user deleted"),
    ("admin-delete-users", True, "user deleted"),
]
SWEPT = [
    ("sql-delete", False, "ended"),
    ("sql-expire", False, "expired"),
    ("clear-expired", False, "ended"),
    ("sql-deactivate", True, "user inactive"),
    ("sql-password", True, "password changed"),
    ("sql-ban", False, "banned"),
]


@pytest.fixture(scope="module", params=["two processes", "one process"])
def hosts(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """The chat with each kind of neighbours."""
    folder = tmp_path_factory.mktemp("authority")
    env = {"LIMITS": "off", "TRUSTED_PROXIES": "127.0.0.1"}
    with ExitStack() as stack:
        if request.param == "two processes":
            postgres: Postgres = request.getfixturevalue("postgres")
            redis = Redis(folder).start()
            stack.callback(redis.stop)
            env |= {"DATABASE_URL": postgres.url, "REDIS_URL": redis.url}
        sites = [Site(folder, "serve", env, APPLICATION) for _ in range(2 if "REDIS_URL" in env else 1)]
        for site in sites:
            stack.callback(site.start().kill)
        yield Hosts(sites)
        for site in sites:
            assert "Traceback" not in site.process.output()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed after the test."""
    async with AsyncExitStack() as opened:
        yield opened


async def last_words(client: Client) -> Any:
    """Return the data of `session ended`; check that it is the last event and that the client is put out behind it."""
    *before, ended, disconnect = await client.end()
    assert disconnect.type is PacketType.DISCONNECT, disconnect
    assert ended.type is PacketType.EVENT
    assert ended.data[0] == "session ended"
    assert {packet.data[0] for packet in before} <= {"new chat", "presence"}, before
    return ended.data[1]


async def assert_ended(crowd: Crowd, reason: str) -> None:
    """Check that all are told why, and put out for good."""
    for told in await asyncio.gather(*map(last_words, crowd.clients)):
        assert told.keys() == {"reason", "message"}
        assert told["reason"] == reason
    for outcast in crowd.outcasts:
        assert (await outcast.next())[1]["reason"] == reason
        assert await outcast.next() == ["disconnect", "io server disconnect", False]


async def assert_untouched(crowd: Crowd) -> None:
    """Check that all can still speak."""
    for client in crowd.clients:
        assert (await client.call("send chat", {"msg": "still here"}))[0]["ok"] is True


@pytest.mark.parametrize(("what", "logged_in", "reason"), TOLD)
async def test_an_end_that_is_told_of_reaches_all_sockets_at_once_and_nobody_else(
    hosts: Hosts, stack: AsyncExitStack, what: str, logged_in: bool, reason: str
) -> None:
    await check_end(hosts, stack, what, logged_in, reason, NEVER)


@pytest.mark.parametrize(("what", "logged_in", "reason"), SWEPT)
async def test_an_end_that_nobody_tells_of_is_found_by_the_sweep(
    hosts: Hosts, stack: AsyncExitStack, what: str, logged_in: bool, reason: str
) -> None:
    await check_end(hosts, stack, what, logged_in, reason, INTERVAL)


@pytest.mark.parametrize(
    ("what", "network", "address", "interval"),
    [
        ("ban-address", "192.0.2.0/24", "192.0.2.7", NEVER),
        ("sql-ban-address", "198.51.100.7", "198.51.100.7", INTERVAL),
    ],
)
async def test_a_ban_of_an_address_ends_what_is_connected_from_there_and_nothing_else(
    hosts: Hosts, stack: AsyncExitStack, what: str, network: str, address: str, interval: float
) -> None:
    key = await hosts.visitor()
    elsewhere = await Crowd(stack, hosts).enter(key)
    crowd = await Crowd(stack, hosts, address).enter(key)
    await hosts.sweep_every(interval)
    await hosts.do(what, network)
    before = time.monotonic()
    await assert_ended(crowd, "banned")
    assert time.monotonic() - before < time_to_end(interval)
    for raw_client in crowd.raws:
        assert (await raw_client.ask("GET")).pair == REFUSALS["banned"]
    await assert_untouched(elsewhere)


def time_to_end(interval: float) -> float:
    """Return how long an end may take while sweeps come every `interval`."""
    return SOON if interval == NEVER else interval + SOON


async def check_end(
    hosts: Hosts, stack: AsyncExitStack, what: str, logged_in: bool, reason: str, interval: float
) -> None:
    """Have a login session end, while sweeps come every `interval`; all its sockets end in time, others go on."""
    bystanders = await Crowd(stack, hosts).enter(await hosts.visitor(logged_in))
    key = await hosts.visitor(logged_in)
    crowd = await Crowd(stack, hosts).enter(key, official=True)
    await hosts.sweep_every(interval)
    await hosts.do(what, key)
    before = time.monotonic()
    await assert_ended(crowd, reason)
    assert time.monotonic() - before < time_to_end(interval)
    for client, raw_client in zip(crowd.clients, crowd.raws, strict=True):
        if isinstance(client.way, PollingWay):
            assert (await raw_client.poll(client.handshake["sid"])).pair == REFUSALS.get(reason, (403, GONE))
            assert (await raw_client.post(client.handshake["sid"], "3")).pair == REFUSALS.get(reason, (403, GONE))
            with pytest.raises(InvalidStatus) as refusal:
                await raw_client.websocket(sid=client.handshake["sid"])
            assert refusal.value.response.status_code == 403
    await assert_untouched(bystanders)


async def test_a_management_command_reaches_all_processes(tmp_path: Path, stack: AsyncExitStack) -> None:
    redis = Redis(tmp_path).start()
    stack.callback(redis.stop)
    hosts = Hosts([Site(tmp_path, "serve", {"REDIS_URL": redis.url}, APPLICATION) for _ in range(2)])
    for site in hosts.sites:
        stack.callback(site.start().kill)
    key = await hosts.visitor()
    crowd = await Crowd(stack, hosts).enter(key)
    code = f"from chat.sessions import SessionStore; SessionStore({key!r}).flush()"
    await asyncio.to_thread(hosts.sites[0].manage, "shell", "-c", code)
    before = time.monotonic()
    await assert_ended(crowd, "ended")
    assert time.monotonic() - before < SOON


async def test_a_login_session_that_expires_ends_its_sockets_at_that_moment(
    hosts: Hosts, stack: AsyncExitStack
) -> None:
    """Whether its sockets were there when the end was set, or came after."""
    key, other = await hosts.visitor(), await hosts.visitor()
    crowd = await Crowd(stack, hosts).enter(key)
    await hosts.do("expire-soon", other)
    late = await Crowd(stack, hosts).enter(other)
    await hosts.sweep_every(NEVER)
    before = time.monotonic()
    await hosts.do("expire-soon", key)
    await assert_ended(crowd, "expired")
    await assert_ended(late, "expired")
    assert 2.9 < time.monotonic() - before < 3 + SOON


async def is_rotated(client: Client) -> None:
    """Check that a client is closed without a word."""
    told = {packet.data[0] for packet in await client.end() if packet.type is PacketType.EVENT}
    assert told <= {"new chat", "presence"}


async def next_named(browser: Browser, *names: str) -> list[Any]:
    """Return the next event of an official client that has one of these names."""
    while (happened := await browser.next())[0] not in names:
        assert happened[0] in {"presence", "new chat", "connect_error"}, happened
    return list(happened)


async def say(hosts: Hosts, stack: AsyncExitStack, *texts: str) -> None:
    """Have somebody else say something."""
    crowd = Crowd(stack, hosts)
    client = await Client(await WAYS["websocket"](await crowd.raw_client(hosts.sites[0], await hosts.visitor()))).open()
    await client.join()
    for text in texts:
        assert (await client.call("send chat", {"msg": text}))[0]["ok"] is True
    await client.way.close()


ROTATIONS = [("log-in", False), ("log-in", True), ("change-password", True)]


@pytest.mark.parametrize(("what", "logged_in"), ROTATIONS)
async def test_a_rotated_key_closes_sockets_and_only_who_has_the_new_one_comes_back(
    hosts: Hosts, stack: AsyncExitStack, what: str, logged_in: bool
) -> None:
    """A login, a login of another user over the first, and a new password."""
    old = await hosts.visitor(logged_in)
    crowd = await Crowd(stack, hosts).enter(old)
    stranger = await Crowd(stack, hosts).enter(await hosts.visitor())
    places = [(site, transport) for site in hosts.sites for transport in ("websocket", "polling")]
    thieves, tabs = [
        [
            await stack.enter_async_context(Browser(site.port, f"sessionid={old}", transport))
            for site, transport in places
        ]
        for _ in range(2)
    ]
    await say(hosts, stack, "before")
    for browser in thieves + tabs:
        while (await next_named(browser, "connect", "welcome", "new chat"))[0] != "new chat":
            pass
    await say(hosts, stack, mark := f"last before {old}")
    for browser in thieves + tabs:
        while (await next_named(browser, "new chat"))[1]["text"] != mark:
            pass
    answer = await hosts.do(what, old)
    key = answer if what == "change-password" else answer[0]
    began = time.monotonic()
    for tab in tabs:
        tab.tell(f"sessionid={key}")
    for client in crowd.clients:
        await is_rotated(client)
    for browser in thieves + tabs:
        assert {happened[0] for happened in await browser.is_closed()} <= {"presence"}
    await say(hosts, stack, "first", "second")
    for tab in tabs:
        assert (await next_named(tab, "connect"))[2] is (what == "change-password")
        assert time.monotonic() - began < BACK
        welcome = await next_named(tab, "welcome")
        assert what != "log-in" or welcome[1]["name"] == answer[1]
        assert [(await next_named(tab, "new chat"))[1]["text"] for _ in range(2)] == ["first", "second"]
    for raw_client in crowd.raws:
        assert (await raw_client.ask("GET")).pair == (403, GONE)
        assert (await raw_client.ask("GET")).headers["retry-after"] == "1"
    for thief in thieves:
        for _ in range(2):
            assert (await thief.next())[0] == "connect_error"
    await assert_untouched(stranger)


@pytest.mark.parametrize("what", ["sql-rotate", "sql-log-in"])
async def test_a_rotation_that_nobody_tells_of_is_found_by_the_sweep_and_is_no_end(
    hosts: Hosts, stack: AsyncExitStack, what: str
) -> None:
    """The row lives under another key, or is another user's under the same one."""
    key = await hosts.visitor()
    crowd = await Crowd(stack, hosts).enter(key)
    stranger = await Crowd(stack, hosts).enter(await hosts.visitor())
    await hosts.sweep_every(INTERVAL)
    await hosts.do(what, key)
    for client in crowd.clients:
        await is_rotated(client)
    await assert_untouched(stranger)


async def test_a_post_that_a_rotation_overtakes_is_refused(hosts: Hosts, stack: AsyncExitStack) -> None:
    key = await hosts.visitor()
    raw_client = await Crowd(stack, hosts).raw_client(hosts.sites[0], key)
    sid = await raw_client.open()
    head = ["Content-Type: text/plain", "Content-Length: 2"]
    post = await raw_client.start("POST", head, b"4", sid=sid)
    held = await raw_client.start("GET", sid=sid)
    await hosts.do("log-in", key)
    assert (await held.answer()).pair == (200, "1")
    await post.send(b"0")
    assert (await post.answer()).pair == (403, GONE)


async def test_a_rename_keeps_the_sockets_and_a_logout_ends_them(hosts: Hosts, stack: AsyncExitStack) -> None:
    key = await hosts.visitor(logged_in=True)
    crowd = await Crowd(stack, hosts).enter(key)
    name = await hosts.do("rename", key)
    for client in crowd.clients:
        assert await named(client) == name
    await hosts.do("log-out", key)
    await assert_ended(crowd, "logged out")


async def test_a_guest_who_is_renamed_keeps_the_sockets(hosts: Hosts, stack: AsyncExitStack) -> None:
    key = await hosts.visitor()
    crowd = await Crowd(stack, hosts).enter(key)
    name = await hosts.do("rename-visitor", key)
    for client in crowd.clients:
        assert await named(client) == str(name)
    await assert_untouched(crowd)


@pytest.mark.parametrize("what", ["log-in", "log-out"])
async def test_nobody_upgrades_by_a_key_that_is_none_any_more(hosts: Hosts, stack: AsyncExitStack, what: str) -> None:
    key = await hosts.visitor()
    raw_client = await Crowd(stack, hosts).raw_client(hosts.sites[0], key)
    sid = await raw_client.open()
    assert (await raw_client.post(sid, "40")).status == 200
    polled = ""
    while "welcome" not in polled:
        polled += (await raw_client.poll(sid)).text
    socket = await raw_client.websocket(sid=sid)
    await socket.send("2probe")
    assert await read(socket) == "3probe"
    told = await hosts.do(what, key)
    if what == "log-in":
        while (answer := await raw_client.poll(sid)).status == 200:
            assert told[1] not in answer.text
        assert answer.pair == (403, GONE)
    else:
        while "session ended" not in (answer := await raw_client.poll(sid)).text:
            assert answer.status == 200
    await socket.send("5")
    assert await read_to_end(socket) == []


async def test_a_connection_answers_nobody_but_the_key_that_it_came_by(hosts: Hosts, stack: AsyncExitStack) -> None:
    """Polls and posts at another process, before a login and after it."""
    crowd = Crowd(stack, hosts)
    key = await hosts.visitor()
    raw_client = await crowd.raw_client(hosts.sites[0], key)
    sid = await raw_client.open()
    assert (await raw_client.post(sid, "40")).status == 200
    same = await crowd.raw_client(hosts.sites[-1], key)
    stranger = await crowd.raw_client(hosts.sites[-1], await hosts.visitor())
    nobody = await stack.enter_async_context(RawClient(hosts.sites[-1].port))
    assert "welcome" in (await same.poll(sid)).text
    assert (await same.post(sid, "3")).pair == (200, "ok")
    for method, body in (("GET", None), ("POST", b"1")):
        assert (await stranger.ask(method, sid=sid, body=body)).pair == (403, GONE)
        assert (await nobody.ask(method, sid=sid, body=body)).pair == (403, NO_COOKIE)
    new_key, username = await hosts.do("log-in", key)
    while (answer := await same.poll(sid)).status == 200:
        assert username not in answer.text
    assert answer.pair == (403, GONE)
    assert (await same.post(sid, "3")).pair == (403, GONE)
    elsewhere = await crowd.raw_client(hosts.sites[-1], new_key)
    assert (await elsewhere.poll(sid)).status == 400
    assert (await elsewhere.post(sid, "3")).status == 400


async def test_a_poll_that_is_held_tells_of_a_rotation(hosts: Hosts, stack: AsyncExitStack) -> None:
    """By a close packet, or by a fault where the client takes that for a wish that it never come back."""
    for agent, answer in (("node", (200, "1")), ("Python/3", (400, UNKNOWN_SID))):
        key = await hosts.visitor()
        raw_client = await Crowd(stack, hosts).raw_client(hosts.sites[0], key)
        raw_client.headers.append(f"User-Agent: {agent}")
        sid = await raw_client.open()
        held = await raw_client.start("GET", sid=sid)
        await hosts.do("log-in", key)
        assert (await held.answer()).pair == answer
        assert (await raw_client.poll(sid)).pair == (403, GONE)


async def test_a_new_password_ends_the_users_other_login_sessions(hosts: Hosts, stack: AsyncExitStack) -> None:
    own = await hosts.visitor(logged_in=True)
    other = await Crowd(stack, hosts).enter(str(await hosts.do("log-in-again", own)))
    mine = await Crowd(stack, hosts).enter(own)
    await hosts.do("change-password", own)
    await assert_ended(other, "password changed")
    for client in mine.clients:
        await is_rotated(client)


async def test_what_a_login_session_had_is_worth_nothing_to_another_but_the_position(
    hosts: Hosts, stack: AsyncExitStack
) -> None:
    key, thief = await hosts.visitor(), await hosts.visitor()
    site = hosts.sites[0]
    crowd = Crowd(stack, hosts)
    client = await Client(await WAYS["polling"](await crowd.raw_client(site, key))).open()
    answer = (await client.join()).data
    await named(client)
    message = {"msg": "mine", "id": "0b9d8a7c-1111-4222-8333-444455556666"}
    receipt = (await client.call("send chat", message))[0]
    while (event := await client.event())[0] != "new chat":
        pass
    offset = event[-1]
    auth = {"pid": answer["pid"], "offset": offset}
    stealing = await crowd.raw_client(site, thief)
    sid = client.handshake["sid"]
    assert (await stealing.poll(sid)).pair == (403, GONE)
    assert (await stealing.post(sid, "1")).pair == (403, GONE)
    await assert_new_to(stealing, auth, message, receipt)
    new_key, username = await hosts.do("log-in", key)
    back = await Client(await WAYS["websocket"](await crowd.raw_client(hosts.sites[-1], new_key))).open()
    again = (await back.join(auth=auth)).data
    assert again["sid"] != answer["sid"]
    assert again["pid"] != answer["pid"]
    assert await named(back) == username
    await hosts.do("flush", new_key)
    await back.end()
    await assert_new_to(stealing, auth, message, receipt)


async def assert_new_to(raw_client: RawClient, auth: dict[str, Any], message: dict[str, str], receipt: Any) -> None:
    """Check that private id and message id do nothing for somebody else."""
    thief = await Client(await WAYS["websocket"](raw_client)).open()
    assert (await thief.join(auth=auth)).data["pid"] != auth["pid"]
    own = (await thief.call("send chat", message))[0]
    assert own["ok"] is True
    assert own["seq"] > receipt["seq"]
    await thief.way.close()
