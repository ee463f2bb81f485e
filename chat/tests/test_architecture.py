"""The one direction of all arrows: chatproject -> chat -> channels_socketio."""

import re

import pytest

import channels_socketio
from channels_socketio.tests.support.processes import ROOT
from channels_socketio.tests.test_architecture import arrows_to, imports, is_inside, modules

LIBRARY = "channels_socketio"
PUBLIC_MODULES = (f"{LIBRARY}.options", f"{LIBRARY}.testing")
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


def test_the_chat_imports_public_names_of_the_library_only() -> None:
    sources = modules("chat", "chatproject")
    named = {(module, name) for module, path in sources.items() for name in imports(module, path)}
    private = {
        (module, name)
        for module, name in named
        if is_inside(name, LIBRARY) and not name.startswith(PUBLIC_MODULES)
        if name.removeprefix(f"{LIBRARY}.") not in channels_socketio.__all__
    }
    assert len(named) > 100
    assert private == set()
