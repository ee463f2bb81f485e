"""One word for one thing: names and headings use the field's words, so that they are found by them.

The words on the left had a meaning of their own here. They are free in plain English.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_socketio.tests.support.processes import ROOT

# In no name, neither alone nor as a part of one, and in no heading.
WORDS = {
    "arena": "contract_app",
    "audience": "targets",
    "authority": "revocation",
    "cable": "faulty_proxy",
    "company": "presence",
    "deed": "admin action",
    "ending": "end reason",
    "farewell": "on_shutdown",
    "forgive": "refund",
    "guard": "monitor",
    "hall": "echo_app",
    "lack": "missed, replay",
    "ledger": "sqlite_log",
    "letter": "message, publication",
    "news": "publication",
    "offer": "send_volatile",
    "parcel": "prepared message",
    "party": "people",
    "roll": "tracker",
    "roster": "live connections",
    "stage": "log_app",
    "standing": "session status",
    "storm": "concurrent writers",
    "stray": "unknown sid",
    "typist": "typing",
    "watcher": "signals",
}
# The name of no file and of no class.
NAMES = {
    "calls": "acks",
    "deadlines": "timers",
    "entry": "replay",
    "full": "limit reached",
    "lookups": "session_loader",
    "place": "slot",
    "places": "connection_counts",
    "plans": "query_plans",
    "raw": "raw_client",
    "shared": "redis",
    "shown": "history cache",
    "tab": "browser",
    "tail": "history cache",
    "watch": "signals",
    "wire": "ws_client",
}
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)


def sources() -> list[Path]:
    """Return all Python files of the project: none of what tests and benchmarks install in its folders."""
    folders = [file.parent for file in ROOT.glob("*/__init__.py")]
    found = [path.relative_to(ROOT) for folder in folders for path in folder.rglob("*.py")]
    return sorted(ROOT / path for path in found if not any(is_installed(part) for part in path.parts))


def is_installed(folder: str) -> bool:
    """Return whether a folder of this name holds what others wrote."""
    return folder == "node_modules" or folder.startswith(".")


def documents() -> list[Path]:
    """Return all documents."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def definitions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Yield the names that a file defines, and in which lines; those of test functions are sentences and left out."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not node.name.startswith("test_"):
                yield node.name, node.lineno
            case ast.ClassDef():
                yield node.name, node.lineno
            case ast.arg():
                yield node.arg, node.lineno
            case ast.Name(ctx=ast.Store()):
                yield node.id, node.lineno
            case ast.Attribute(ctx=ast.Store()):
                yield node.attr, node.lineno
            case ast.alias(asname=str()):
                yield str(node.asname), node.lineno


def old_words(text: str) -> Iterator[str]:
    """Yield what to say instead of each old word in a name or a heading."""
    for part in PART.findall(text):
        word = part.lower()
        for singular in {word, word.removesuffix("s"), re.sub("ies$", "y", word)} & WORDS.keys():
            yield f"{text}: expected {WORDS[singular]} for {word}"


def faults_of(path: Path) -> Iterator[str]:
    """Yield what is to be renamed in a Python file, and of it."""
    tree = ast.parse(path.read_text())
    classes = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for name in [path.stem.removeprefix("test_"), *classes]:
        if (instead := NAMES.get(name.lower())) is not None:
            yield f"{name}: expected {instead}"
    yield from old_words(path.stem)
    for name, line in definitions(tree):
        yield from (f"line {line}: {fault}" for fault in old_words(name))


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_names_are_the_words_of_the_field(path: Path) -> None:
    assert list(faults_of(path)) == []


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_headings_are_in_the_words_of_the_field(path: Path) -> None:
    headings = HEADING.findall(CODE.sub("", path.read_text()))
    assert [fault for heading in headings for fault in old_words(heading)] == []


def test_the_search_finds_old_words() -> None:
    """Guards the tests above against finding nothing."""
    code = "class SessionGuard: pass\ndef f(letters): self.ENDINGS = 1\nfor _lack in (): pass\ndef test_a_stray(): pass"
    found = [fault for name, _ in definitions(ast.parse(code)) for fault in old_words(name)]
    assert sorted(fault.partition(":")[0] for fault in found) == ["ENDINGS", "SessionGuard", "_lack", "letters"]
    assert list(old_words("The authorities, and what is guarded")) != []
    assert list(old_words("What is guarded, and the last endless troll")) == []
    assert len(sources()) > 200
    assert len(documents()) > 4
