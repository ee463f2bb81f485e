"""The locks: what is in the short files is in them, with the hashes of all wheels, for every Python."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from channels_socketio.tests.support.processes import ROOT
from channels_socketio.tests.support.pythons import pythons

LOCKS = {"requirements.in": "requirements.txt", "requirements-dev.in": "requirements-dev.txt"}
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
HERE = pythons()


def wanted(name: str) -> list[Requirement]:
    """Return what a short file asks for, with what it includes."""
    found = []
    for line in (ROOT / name).read_text().splitlines():
        if line.startswith("-r "):
            found += wanted(line.removeprefix("-r "))
        elif line and not line.startswith("#"):
            found.append(Requirement(line))
    return found


def locked(name: str) -> list[tuple[Requirement, int]]:
    """Return each line of a lock with the number of its hashes."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [(Requirement(HASH.sub("", line)), len(HASH.findall(line))) for line in text.splitlines() if line]


@pytest.mark.parametrize(("short", "lock"), LOCKS.items())
def test_a_lock_pins_what_its_short_file_asks_for(short: str, lock: str) -> None:
    pins = [requirement for requirement, _ in locked(lock)]
    for requirement in wanted(short):
        same = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(requirement.name)]
        assert same, f"{lock} lacks {requirement}"
        for pin in same:
            [version] = pin.specifier
            assert requirement.specifier.contains(version.version), f"{lock} has {pin} for {requirement}"


@pytest.mark.parametrize("lock", LOCKS.values())
def test_a_lock_has_hashes_and_no_address(lock: str) -> None:
    assert all(hashes and [each.operator for each in pin.specifier] == ["=="] for pin, hashes in locked(lock))
    assert "://" not in (ROOT / lock).read_text()


def test_what_the_tests_need_fits_what_the_chat_runs_on() -> None:
    chat, tests = [
        {f"{pin.name}{pin.specifier}" for pin, _ in locked(lock)}
        for lock in ("requirements.txt", "requirements-dev.txt")
    ]
    assert chat <= tests


@pytest.mark.parametrize("version", sorted({next(iter(HERE)), next(reversed(HERE))}))
def test_the_chat_can_be_installed_on_the_oldest_and_the_newest_python(version: str, tmp_path: Path) -> None:
    uv, python = [sys.executable, "-m", "uv"], str(tmp_path / "venv" / "bin" / "python")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for command in (
        [*uv, "venv", "--no-python-downloads", "--python", HERE[version], str(tmp_path / "venv")],
        [*uv, "pip", "sync", "--require-hashes", "--python", python, "requirements.txt"],
        [python, "manage.py", "check"],
    ):
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
