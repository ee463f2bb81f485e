"""Fixtures of the chat's tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from asgiref.sync import SyncToAsync
from django.db import connections

from channels_socketio.tests.support.processes import Redis, servers
from channels_socketio.tests.support.ws_client import Dial
from chat.database import DatabaseThread
from chat.limits import current_limits
from chat.tests.guests import Guests
from chat.tests.postgres import Postgres
from chat.tests.site import Site

if TYPE_CHECKING:
    from chat.tests.browser import Browser, Come


@pytest.fixture(autouse=True)
def quiet_presence(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Say nothing of who is there in tests of anything else, unless they are marked `presence`."""
    if request.node.get_closest_marker("presence") is None:
        monkeypatch.setattr("chat.presence.SOON", 3600.0)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """As pytest-django's, but without connections that would keep the database from being removed."""
    yield
    disconnect()


@pytest.fixture
def kept_connections(transactional_db: None) -> Iterator[None]:
    """Threads that keep their connections, for a test that changes something about these."""
    disconnect()
    yield
    disconnect()


def disconnect() -> None:
    """Close the connections that threads keep."""
    for thread in DatabaseThread.threads:
        thread.disconnect()
    SyncToAsync.single_thread_executor.submit(connections.close_all).result()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat in a process of its own for the tests of one module."""
    running = Site(tmp_path_factory.mktemp("site")).start()
    yield running
    running.kill()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A chat for one test alone, which may stop and start it again."""
    running = Site(tmp_path).start()
    yield running
    running.kill()


@pytest.fixture(scope="module", params=servers("daphne", "serve"))
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Site]]:
    """The chat under each of the servers, in a process of its own: the server's name and the site."""
    running = Site(tmp_path_factory.mktemp("site"), request.param).start()
    yield request.param, running
    running.kill()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server for the tests of one module."""
    server = Postgres(tmp_path_factory.mktemp("postgres"))
    try:
        yield server.start()
    finally:
        server.remove()


# Imported late: without Playwright that module skips, and so do the modules that use these two fixtures.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """One Chromium for all tests of a module."""
    from chat.tests.browser import chromium

    yield from chromium()


@pytest.fixture
def come(browser: "Browser", request: pytest.FixtureRequest) -> "Iterator[Come]":
    """Let a new visitor, with cookies of their own, come to a site."""
    from chat.tests.browser import visitors

    yield from visitors(browser, request.node.nodeid)


@pytest.fixture
async def guests(dial: Dial) -> AsyncIterator[Guests]:
    """Clients of real servers."""
    found = Guests(dial)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def fresh_limits() -> None:
    """Let no test use up what the next one may do."""
    current_limits.cache_clear()


@pytest.fixture(params=["sqlite", "postgresql"])
def any_site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """A chat on either database, empty, with a Redis server, so that it hears of what commands do."""
    redis = Redis(tmp_path).start()
    database = Postgres(tmp_path).start() if request.param == "postgresql" else None
    env = {"REDIS_URL": redis.url} | ({} if database is None else {"DATABASE_URL": database.url})
    running = Site(tmp_path, "serve", env)
    try:
        yield running.start()
    finally:
        running.kill()
        redis.stop()
        if database is not None:
            database.remove()
