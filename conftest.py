"""Fixtures that the tests of both apps share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
