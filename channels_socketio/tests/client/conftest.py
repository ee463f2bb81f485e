"""What the tests of the client shim share."""

from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.browser import Page, chromium


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    """One page of one Chromium for all tests of this module."""
    yield from chromium()
