"""The arena, for the modules that hold the transports to their contract."""

from collections.abc import AsyncIterator, Iterator

import pytest

from channels_socketio.tests.arenas import Arena
from channels_socketio.tests.processes import servers
from channels_socketio.tests.raw import Raw


@pytest.fixture(scope="module", params=servers("daphne", "serve"))
def arena(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """The arena under each server; nothing in this module may leave an error in its log."""
    with Arena(tmp_path_factory.mktemp("arena"), request.param) as running:
        yield running
        assert running.errors() == []


@pytest.fixture
async def raw(arena: Arena) -> AsyncIterator[Raw]:
    """A visitor."""
    async with Raw(arena.port) as visitor:
        yield visitor
