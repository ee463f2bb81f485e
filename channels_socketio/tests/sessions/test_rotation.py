"""Login sessions whose key is rotated, on each of Django's session engines: real processes, official clients.

Somebody holds sockets by a cookie. Its owner logs in, or changes the password, and has a new cookie. Who has that comes
back by itself and misses nothing; who has only the old one is out and stays out.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.log_site import Browser
from channels_socketio.tests.support.processes import AppProcess, Redis
from channels_socketio.tests.support.python_client import python_client
from channels_socketio.tests.support.raw_client import Answer, RawClient

APPLICATION = "channels_socketio.tests.support.login_site:application"
MAKE_TABLES = """
from channels_socketio.tests.support import login_site
from django.core.management import call_command

call_command("migrate", verbosity=0)
"""
ENGINES = ["db", "cached_db", "cache", "file"]
TRANSPORTS = ["websocket", "polling"]
BACK_SECONDS = 3.0  # in which a client with the new cookie is back
SOON_SECONDS = 5.0  # in which an end arrives at a busy machine
GONE = (403, '{"code":4,"message":"Session unknown or expired."}')


class Host(AppProcess):
    """A process of the site."""

    def __init__(self, folder: Path, engine: str, **env: str) -> None:
        env |= {"ENGINE": engine, "FOLDER": str(folder)}
        super().__init__(APPLICATION, folder, "serve", env)
        if not (folder / "site.sqlite3").exists():
            subprocess.run([sys.executable, "-c", MAKE_TABLES], env=os.environ | env, check=True)

    async def visit(self, page: str, cookie: str = "", **query: Any) -> str:
        """Open a page with a cookie header; return the header that the browser has then."""
        async with RawClient(self.port, f"/{page}", [f"Cookie: {cookie}"] if cookie else []) as raw_client:
            answer = await raw_client.ask("GET", **query)
        assert answer.pair == (200, "ok"), self.process.output()[-3000:]
        found = SimpleCookie(answer.headers.get("set-cookie", "")).get("sessionid")
        return cookie if found is None else f"sessionid={found.value}"


@pytest.fixture(scope="module", params=ENGINES)
def host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """The site with each session engine."""
    with Host(tmp_path_factory.mktemp("site"), request.param) as running:
        yield running
        assert running.errors() == []


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed after the test."""
    async with AsyncExitStack() as opened:
        yield opened


async def browsers(stack: AsyncExitStack, hosts: list[Host], cookie: str) -> list[Browser]:
    """Return a client by each transport at each process; all have entered, and have what was said so far."""
    entered = []
    for host in hosts:
        for transport in TRANSPORTS:
            browser = await stack.enter_async_context(Browser(host.port, cookie, transport))
            await browser.enter()
            entered.append(browser)
    return entered


async def say(hosts: list[Host], *texts: str) -> list[str]:
    """Say something into the log at each process in turn; return it."""
    for number, text in enumerate(texts):
        await hosts[number % len(hosts)].visit("say", text=text)
    return list(texts)


async def hear(browser: Browser, text: str) -> None:
    """Wait until a client has got an entry."""
    while (happened := await browser.next())[:2] != ["entry", text]:
        assert happened[0] == "entry", happened


async def check_rotation(stack: AsyncExitStack, hosts: list[Host], what: str, logged_in: bool, name: str) -> None:
    """Have the owner of a cookie get another one; `name` is who that is then."""
    host = hosts[-1]
    cookie = await host.visit("visit")
    for user in ("ada", name) if logged_in else (name,):
        await host.visit("log-in", name=user)
    if logged_in:
        cookie = await host.visit("log-in", cookie, name="ada")
    thieves, honest = await browsers(stack, hosts, cookie), await browsers(stack, hosts, cookie)
    raw_client = await stack.enter_async_context(RawClient(host.port, headers=[f"Cookie: {cookie}"]))
    sid = await raw_client.open()
    mark = f"before {uuid4()}"
    await say(hosts, mark)
    for browser in thieves + honest:
        await hear(browser, mark)
    new = await host.visit(what, cookie, name=name)
    began = time.monotonic()
    assert new != cookie
    for browser in honest:
        browser.tell(new)
    missed = await say(hosts, "first", "second", "third")
    for browser in thieves + honest:
        assert await browser.is_closed() == []
    await check_refusals(hosts, raw_client, sid)
    for browser in honest:
        assert (await browser.enter())[2:5] == [False, "welcome", name]
        assert time.monotonic() - began < BACK_SECONDS
    for browser in honest:
        assert [(await browser.next())[:2] for _ in missed] == [["entry", text] for text in missed]
    last = await say(hosts, "last")
    for browser in honest:
        assert (await browser.next())[:2] == ["entry", *last]
    for browser in thieves:
        for _ in range(2):
            assert (await browser.next())[0] == "connect_error"


async def check_refusals(hosts: list[Host], raw_client: RawClient, sid: str) -> None:
    """Check that an old cookie opens nothing, and that a client is told when to ask once more."""

    def check(answer: Answer) -> None:
        assert answer.pair == GONE
        assert answer.headers["retry-after"] == "1"

    for host in hosts:
        elsewhere = RawClient(host.port, headers=raw_client.headers)
        for answer in (await elsewhere.ask("GET"), await elsewhere.poll(sid), await elsewhere.post(sid, "40")):
            check(answer)
        for query in ({}, {"sid": sid}):
            with pytest.raises(InvalidStatus) as refusal:
                await elsewhere.websocket(**query)
            assert refusal.value.response.status_code == 403
            assert refusal.value.response.headers["Retry-After"] == "1"


ROTATIONS = [
    ("log-in", False, "ada"),
    ("alog-in", False, "ada"),
    ("change-password", True, "ada"),
    ("cycle", False, ""),
    ("log-in", True, "bob"),
    ("alog-in", True, "bob"),
]


@pytest.mark.parametrize(("what", "logged_in", "name"), ROTATIONS)
async def test_who_has_the_new_cookie_comes_back_and_who_has_the_old_one_stays_out(
    host: Host, stack: AsyncExitStack, what: str, logged_in: bool, name: str
) -> None:
    await check_rotation(stack, [host], what, logged_in, name)


@pytest.mark.parametrize(("what", "reason"), [("log-out", "logged out"), ("flush", "ended")])
async def test_an_end_is_no_rotation(host: Host, stack: AsyncExitStack, what: str, reason: str) -> None:
    cookie = await host.visit("log-in", await host.visit("visit"), name="ada")
    clients = await browsers(stack, [host], cookie)
    mark = f"now {uuid4()}"
    await say([host], mark)
    for browser in clients:
        await hear(browser, mark)
    await host.visit(what, cookie)
    began = time.monotonic()
    for browser in clients:
        event, data = await browser.next()
        assert (event, data["reason"]) == ("session ended", reason)
        assert await browser.next() == ["disconnect", "io server disconnect", False]
    assert time.monotonic() - began < SOON_SECONDS
    async with RawClient(host.port, headers=[f"Cookie: {cookie}"]) as raw_client:
        answer = await raw_client.ask("GET")
        assert answer.pair == GONE
        assert "retry-after" not in answer.headers


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_the_python_client_comes_back_by_itself(host: Host, stack: AsyncExitStack, transport: str) -> None:
    """A close packet by polling would have it stay away."""
    cookie = await host.visit("visit")
    client, http = await stack.enter_async_context(python_client({"Cookie": cookie}))
    names: asyncio.Queue[str] = asyncio.Queue()
    client.on("welcome", lambda name, offset: names.put_nowait(name))
    client.on("entry", lambda *args: None)
    await client.connect(f"http://127.0.0.1:{host.port}", transports=[transport])
    async with asyncio.timeout(SOON_SECONDS):
        assert await names.get() == ""
    http.headers["Cookie"] = await host.visit("log-in", cookie, name="ada")
    async with asyncio.timeout(2 * SOON_SECONDS):
        assert await names.get() == "ada"


SITE_WITHOUT_DATABASE = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="no secret, for tests only",
    INSTALLED_APPS=["channels_socketio"],
    SESSION_ENGINE="django.contrib.sessions.backends.cache",
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.cache import SessionStore

session = SessionStore()
session["colour"] = "red"
session.save()
session.cycle_key()
async_to_sync(session.acycle_key)()
session.flush()
"""


def test_a_site_without_a_database_rotates_keys() -> None:
    done = subprocess.run([sys.executable, "-c", SITE_WITHOUT_DATABASE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    """The site in two processes."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        redis = Redis(folder).start()
        stack.callback(redis.stop)
        yield [stack.enter_context(Host(folder, "db", REDIS_URL=redis.url)) for _ in range(2)]


@pytest.mark.parametrize(("what", "logged_in", "name"), [ROTATIONS[0], ROTATIONS[2], ROTATIONS[4]])
async def test_all_processes_know_of_it(
    pair: list[Host], stack: AsyncExitStack, what: str, logged_in: bool, name: str
) -> None:
    await check_rotation(stack, pair, what, logged_in, name)
