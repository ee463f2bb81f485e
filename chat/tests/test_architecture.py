"""The one direction of all arrows: chatproject -> chat -> channels_socketio."""

import re

import pytest

from channels_socketio.tests.support.processes import ROOT
from channels_socketio.tests.test_architecture import arrows_to, modules

LIBRARY = "channels_socketio"
OURS = re.compile(r"\bchatproject\b|^\s*(?:from|import) chat\b|[\"']chat\.[a-z_]+\.[\w.]+[\"']", re.MULTILINE)


@pytest.mark.parametrize(
    ("package", "forbidden"), [(LIBRARY, "chat"), (LIBRARY, "chatproject"), ("chat", "chatproject")]
)
def test_no_arrow_points_back(package: str, forbidden: str) -> None:
    assert arrows_to(forbidden, modules(package)) == []


def test_the_walk_sees_this_project() -> None:
    """Guards the test above against finding nothing to check."""
    assert {"chat.models", "chatproject.settings"} <= modules("chat", "chatproject").keys()


def test_the_tests_of_the_library_name_nothing_of_the_chat() -> None:
    tests = (ROOT / LIBRARY / "tests").rglob("*.py")
    sources = [path for path in tests if "node_modules" not in path.parts]
    assert len(sources) > 50
    named = {str(path): OURS.findall(path.read_text()) for path in [*sources, ROOT / LIBRARY / "pytest.ini"]}
    assert {path: found for path, found in named.items() if found} == {}
