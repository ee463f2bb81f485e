"""What the tests of the client shim share."""

from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.browser import SERVERS, NodeServer, Page, chromium, running


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One page of one Chromium for all tests of this module."""
    yield from chromium()


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A Socket.IO server that behaves as the head of `node/socketio_server.cjs` says."""
    yield from running(SERVERS[request.param], tmp_path_factory.mktemp("server"))


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A server that says what it is told to: see `node/wire_server.cjs`."""
    yield from running(lambda folder: NodeServer("wire_server.cjs", folder), tmp_path_factory.mktemp("wire"))
