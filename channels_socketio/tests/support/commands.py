"""The shell commands in the documents: split into words, and held against what there is."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement

from channels_socketio.tests.support.documents import Block, all_blocks
from channels_socketio.tests.support.processes import ROOT

ASSIGNMENT = re.compile(r"[A-Z_]+=")
# What a test does word for word, or what is not ours.
KNOWN = {
    "python3 -m venv .venv",
    ". .venv/bin/activate",
    "django-admin startproject mysite .",
    "sphinx-build -W -n -b html docs OUT",
    "twine upload dist/*",
    "nox",
    "nox --list",
}
GIT = {"tag", "push", "commit"}


class Command(NamedTuple):
    """A command, and the block that it is in."""

    block: Block
    words: list[str]

    def __str__(self) -> str:
        return f"{self.block}: {' '.join(self.words)}"

    @property
    def is_django(self) -> bool:
        """Whether it is one of `manage.py`."""
        return self.words[:2] == ["python", "manage.py"]


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block, without the variables in front of them."""
    for line in block.code.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["export"]:
            continue
        while words and ASSIGNMENT.match(words[0]):
            del words[0]
        if words:
            yield Command(block, words)


def django_commands(page: Path) -> list[Command]:
    """Return the commands of `manage.py` on a page."""
    shell = [block for block in all_blocks("console", "shell") if block.page == page]
    return [command for block in shell for command in commands(block) if command.is_django]


def fault(command: Command) -> str | None:
    """Return what is wrong with a command that is none of `manage.py`."""
    match command.words:
        case ["pip", "install", *requirements]:
            return fault_of_requirements(requirements)
        case ["python", "-m", module, *options]:
            return fault_of_module(module, options)
        case [script, *arguments] if script.startswith("script/"):
            return fault_of_script(ROOT / script, arguments)
        case ["pytest", *arguments]:
            return missing_paths(arguments)
        case ["git", name, *_] if name in GIT:
            return None
        case words if " ".join(words) in KNOWN:
            return None
    return "expected a command that the tests know"


def fault_of_requirements(requirements: list[str]) -> str | None:
    """Return what is wrong with the arguments of `pip install`."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for requirement in map(Requirement, requirements):
        if requirement.name == "channels-socketio" and not requirement.extras <= {*extras}:
            return f"expected extras among {', '.join(extras)}"
    return None


def fault_of_module(module: str, options: list[str]) -> str | None:
    """Return what is wrong with `python -m`: the package's source has each option."""
    found = find_spec(module)
    if found is None or found.origin is None:
        return f"expected a module, got {module}"
    origin = Path(found.origin)
    if not origin.is_relative_to(ROOT):
        return None
    return missing_options(options, source_of(origin.parent) if origin.name == "__init__.py" else origin.read_text())


def fault_of_script(path: Path, arguments: list[str]) -> str | None:
    """Return what is wrong with the call of a script."""
    if not path.is_file():
        return f"expected a script, got {path.name}"
    if path.name == "test":
        return missing_paths(arguments)
    return missing_options(arguments, path.read_text() + source_of(ROOT / path.name))


def source_of(folder: Path) -> str:
    """Return the source of a package, "" for none."""
    return "".join(path.read_text() for path in folder.glob("*.py"))


def missing_options(arguments: list[str], source: str) -> str | None:
    """Return which options are none."""
    missing = [word for word in arguments if word.startswith("--") and word != "--help" and f'"{word}"' not in source]
    return f"expected other options than {', '.join(missing)}" if missing else None


def missing_paths(arguments: list[str]) -> str | None:
    """Return which tests are none."""
    paths = [word for word in arguments if word.endswith(".py")]
    missing = [word for word in paths if not (ROOT / word).is_file()]
    return f"expected other files than {', '.join(missing)}" if missing else None
