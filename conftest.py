"""Fixtures that the tests of both apps share."""

import os
import re
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect
from channels_socketio.tests.support.processes import Site
from channels_socketio.tests.support.ws_client import Dial, WSClient, open_client

TEST_TOOLS = {"aiohttp", "hypothesis", "playwright", "requests", "socketio", "websocket"}  # see requirements-dev.txt


# The modules that take longest. They come first, so that no worker is left alone with one of them in the end.
LONGEST = [
    "chat/tests/test_official_clients.py",
    "bench/tests/test_scenarios.py",
    "chat/tests/test_faults.py",
    "chat/tests/test_page_history.py",
    "chat/tests/test_page.py",
    "chat/tests/test_revocation.py",
    "channels_socketio/tests/sessions/test_rotation.py",
    "chat/tests/test_page_outbox.py",
    "channels_socketio/tests/transports/test_contract.py",
    "chat/tests/test_databases.py",
    "chat/tests/test_presence.py",
    "chat/tests/test_delivery.py",
    "chat/tests/test_several_processes.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest modules first; the order within a module stays."""
    places = {module: place for place, module in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.nodeid.partition("::")[0], len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Skip a test module whose tools are not installed; under CI, where all must be there, it fails."""
    report = yield
    missing = re.search(r"No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if missing is not None and missing[1] in TEST_TOOLS and os.environ.get("CI") != "true":
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: needs {missing[1]}; script/test installs it")
    return report


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


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Open test clients of an ASGI application in the given namespaces; they are closed after the test."""
    clients: list[SocketIOCommunicator] = []

    async def open_client(application: Any, *namespaces: str, **kwargs: Any) -> SocketIOCommunicator:
        client = SocketIOCommunicator(application, **kwargs)
        clients.append(client)
        assert await client.connect() == (True, None)
        for namespace in namespaces:
            assert "sid" in await client.join(namespace)
        return client

    yield open_client
    for client in clients:
        if not client.future.done():
            await client.disconnect()


@pytest.fixture
async def dial() -> AsyncIterator[Dial]:
    """Open WebSockets to a real server; they are gone after the test. The arguments are those of `open_client`."""
    clients: list[WSClient] = []

    async def open_and_keep(url: str, prefix: str = "", **kwargs: Any) -> WSClient:
        clients.append(await open_client(url, prefix, **kwargs))
        return clients[-1]

    yield open_and_keep
    for client in clients:
        client.abort()
        await client.connection.wait_closed()
