"""The documents are built, and name tests, public names and reasons as they are."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import channels_socketio
from channels_socketio.tests.support import states
from channels_socketio.tests.support.documents import DOCS, pages
from channels_socketio.tests.support.processes import ROOT, require

# Pages with several sentences in a line: of operators, of changes, and from docstrings.
TEXTS_OF_LINES = ("operations.md", "CHANGELOG.md", "states.md")
PARTS_WITHOUT_SENTENCES = re.compile(
    r"^ *```.*?^ *```$|<!-- begin of what script/bench writes.*<!-- end of what script/bench writes -->",
    re.MULTILINE | re.DOTALL,
)
NAMED = re.compile(r"`([\w/]*test_\w+\.py)::(test_\w+)`")


def named_tests() -> list[tuple[str, str]]:
    """Return file and name of every test that docs/protocol.md names."""
    return sorted(set(NAMED.findall((DOCS / "protocol.md").read_text())))


def name_of(page: Path) -> str:
    """Return what a page is called in the names of tests."""
    return str(page.relative_to(ROOT))


def test_the_protocol_table_names_tests() -> None:
    assert len(named_tests()) > 40


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_a_test_that_the_protocol_table_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (Path(__file__).parent / file).read_text(), re.MULTILINE)


def test_states_and_reasons_are_documented_as_they_are() -> None:
    """Run `python -m channels_socketio.tests.support.states` after a change."""
    assert states.PATH.read_text() == states.page()


def test_the_pages_are_built_without_a_warning(tmp_path: Path) -> None:
    require(importlib.util.find_spec("sphinx") is not None, "Sphinx")
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", "-d", str(tmp_path / "doctrees")]
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [*command, str(DOCS), str(tmp_path / "html")], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    built = (tmp_path / "html" / "reference" / "names.html").read_text()
    assert [name for name in channels_socketio.__all__ if f'id="channels_socketio.{name}"' not in built] == []


def test_each_public_name_has_its_reason_in_the_table() -> None:
    page = (DOCS / "reference" / "names.md").read_text()
    rows = re.findall(r"^\| \[`(\w+)`\]\(.*?\) \| (.+) \|$", page, re.MULTILINE)
    assert sorted(name for name, _ in rows) == sorted(channels_socketio.__all__)
    assert all(reason for _, reason in rows)
    assert f".. py:data:: channels_socketio.NEWEST\n   :value: {channels_socketio.NEWEST}\n" in page


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    """Sphinx looks after those of its own pages; README.md and its like are read where the code is."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    "word", ["rate limit", "revoke", "broadcast", "backpressure", "presence", "replay", "rotation", "throttle"]
)
def test_the_words_of_the_field_find_a_page(word: str) -> None:
    assert any(word in page.read_text().lower() for page in pages() if page.is_relative_to(DOCS))


@pytest.mark.parametrize("page", [page for page in pages() if page.name not in TEXTS_OF_LINES], ids=name_of)
def test_a_line_is_one_sentence(page: Path) -> None:
    """Tables and what is generated are left out."""
    lines = PARTS_WITHOUT_SENTENCES.sub("", page.read_text()).splitlines()
    texts = [re.sub(r"^\s*(\d+\.|-) ", "", line) for line in lines if not line.startswith(("|", "#"))]
    assert [text for text in texts if re.search(r"[.!?][\"*)]* +[A-Z`]", text)] == []


def test_the_supported_versions_are_those_of_the_package() -> None:
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["classifiers"]
    versions = [name.split(" :: ")[-1] for name in classifiers if re.search(r"(Django|Python) :: \d\.\d", name)]
    page = (DOCS / "supported-versions.md").read_text()
    named = re.findall(r"(?:Django|Python) (\d\.\d+) \|", page)
    assert sorted(named) == sorted(versions)
