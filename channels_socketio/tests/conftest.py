"""Fixtures of the library's tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from channels_socketio.tests.support.contract_site import ContractApp
from channels_socketio.tests.support.fixtures import connect, dial, put_first, pytest_make_collect_report
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.raw_client import RawClient

__all__ = ["connect", "dial", "pytest_make_collect_report"]

# The modules that take longest. They come first, so that no worker is left alone with one of them in the end.
LONGEST = [
    "channels_socketio/tests/sessions/test_rotation.py",
    "channels_socketio/tests/transports/test_contract.py",
    "channels_socketio/tests/test_docs_code.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest modules first."""
    put_first(items, LONGEST)


@pytest.fixture(scope="module", params=servers("daphne", "serve"))
def contract_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContractApp]:
    """The application of the contract under each server; nothing in this module may leave an error in its log."""
    with ContractApp(tmp_path_factory.mktemp("contract"), request.param) as running:
        yield running
        assert running.errors() == []


@pytest.fixture
async def raw_client(contract_app: ContractApp) -> AsyncIterator[RawClient]:
    """A client of it."""
    async with RawClient(contract_app.port) as visitor:
        yield visitor
