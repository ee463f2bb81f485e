"""The arena, for the modules that hold the transports to their contract."""

from collections.abc import AsyncIterator, Iterator

import pytest

from channels_socketio.tests.support.contract_site import ContractApp
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.raw_client import RawClient


@pytest.fixture(scope="module", params=servers("daphne", "serve"))
def contract_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContractApp]:
    """The arena under each server; nothing in this module may leave an error in its log."""
    with ContractApp(tmp_path_factory.mktemp("arena"), request.param) as running:
        yield running
        assert running.errors() == []


@pytest.fixture
async def raw_client(contract_app: ContractApp) -> AsyncIterator[RawClient]:
    """A visitor."""
    async with RawClient(contract_app.port) as visitor:
        yield visitor
