"""Fixtures that the tests of both apps share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.party import Connect
from channels_socketio.tests.processes import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat, served by Daphne in a process of its own for the tests of one module."""
    running = Site(tmp_path_factory.mktemp("site")).start()
    yield running
    running.stop()


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[Site]:
    """A chat for one test alone, which may stop and start it again."""
    running = Site(tmp_path).start()
    yield running
    running.stop()


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
