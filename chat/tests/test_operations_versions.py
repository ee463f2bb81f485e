"""docs/operations/versions.md: what the project asks for, and what these tests run with."""

import re
import shutil
import tomllib

from django.db import connections
from django.db.backends.postgresql.features import DatabaseFeatures as PostgreSQLFeatures

from channels_socketio.tests.support.processes import ROOT, require
from chat.tests.deployment import CHAPTERS, blocks, run_shell
from chat.tests.postgres import Postgres

CHAPTER = (CHAPTERS / "versions.md").read_text()

Version = tuple[int, ...]


def oldest(name: str) -> Version:
    """Return the oldest supported version of something."""
    row = re.search(rf"^\| {name} \| ([\d.]+)", CHAPTER, re.MULTILINE)
    assert row is not None, name
    return version(row[1])


def version(text: str) -> Version:
    """Return the first version in a text."""
    found = re.search(r"\d+(?:\.\d+)+|\d+", text)
    assert found is not None, text
    return tuple(map(int, found[0].split(".")))


def test_the_oldest_versions_are_those_that_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert oldest("Python") == version(project["requires-python"])
    requirements = (ROOT / "requirements.in").read_text()
    django = re.search("^Django~=(.*)$", requirements, re.MULTILINE)
    assert django is not None
    assert oldest("Django") == version(django[1])[:2]
    assert oldest("PostgreSQL") == PostgreSQLFeatures.minimum_database_version
    image = re.search("^FROM python:(.*)-slim$", (ROOT / "deploy" / "Dockerfile").read_text(), re.MULTILINE)
    assert image is not None
    assert version(image[1]) >= oldest("Python")


def test_the_commands_print_versions_that_are_supported(postgres: Postgres) -> None:
    for program in ("psql", "redis-server", "nginx"):
        require(shutil.which(program) is not None, program)
    (script,) = blocks("versions", "shell")
    printed = run_shell(script, {}).splitlines()
    names = ["Python", "Django", "SQLite", "PostgreSQL", "Redis", "nginx"]
    assert len(printed) == len(names)
    for name, line in zip(names, printed, strict=True):
        assert version(line) >= oldest(name), line


def test_djangos_oldest_sqlite_is_ours() -> None:
    if connections["default"].vendor == "sqlite":
        assert oldest("SQLite") == connections["default"].features.minimum_database_version
