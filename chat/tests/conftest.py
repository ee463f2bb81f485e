"""Fixtures of the chat's tests."""

from collections.abc import Iterator

import pytest

from channels_socketio.tests.processes import Site


@pytest.fixture(scope="module", params=["daphne", "uvicorn", "serve"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Site]]:
    """The chat under each of the servers, in a process of its own: the server's name and the site."""
    running = Site(tmp_path_factory.mktemp("site"), request.param).start()
    yield request.param, running
    running.stop()
