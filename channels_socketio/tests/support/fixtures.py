"""Fixtures and hooks that every suite of this repository shares; a conftest.py imports what it needs."""

import os
import re
from collections.abc import AsyncIterator, Generator, Sequence
from typing import Any

import pytest

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect
from channels_socketio.tests.support.processes import ROOT
from channels_socketio.tests.support.ws_client import Dial, WSClient, open_client

TEST_TOOLS = {"aiohttp", "hypothesis", "playwright", "requests", "socketio", "websocket"}  # see requirements-dev.txt


def put_first(items: list[pytest.Item], modules: Sequence[str]) -> None:
    """Put the tests of `modules`, paths from the root of the repository, first; the order within a module stays."""
    ranks = {ROOT / module: rank for rank, module in enumerate(modules)}
    items.sort(key=lambda item: ranks.get(item.path, len(ranks)))


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
