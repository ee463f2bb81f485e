"""What the suites of the chat, its project and the benchmarks share; the library's tests have their own."""

import pytest

from channels_socketio.tests.support.fixtures import connect, dial, put_first, pytest_make_collect_report

__all__ = ["connect", "dial", "pytest_make_collect_report"]

# The modules that take longest. They come first, so that no worker is left alone with one of them in the end.
LONGEST = [
    "chat/tests/test_official_clients.py",
    "bench/tests/test_scenarios.py",
    "chat/tests/test_faults.py",
    "chat/tests/test_page_history.py",
    "chat/tests/test_page.py",
    "chat/tests/test_revocation.py",
    "chat/tests/test_page_outbox.py",
    "chat/tests/test_databases.py",
    "chat/tests/test_presence.py",
    "chat/tests/test_delivery.py",
    "chat/tests/test_several_processes.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest modules first."""
    put_first(items, LONGEST)
