"""The documents as tests read them: their blocks of code, and what they say about options."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

from channels_socketio.tests.support.processes import ROOT

DOCS = ROOT / "docs"
TUTORIAL = DOCS / "tutorial.md"
LIMITS_TABLE = re.compile(r"^\| what \| setting \|.*\n\|[-|]*\|\n((?:\|.*\n)+)", re.MULTILINE)
OPTION = re.compile(r"`([A-Z_]+)` \(([^)]+)\)")

BLOCK = re.compile(
    r"^(?P<skip> *<!-- not run: (?P<reason>.+) -->\n)?(?P<indent> *)```(?P<language>[\w{}-]*)\n(?P<code>.*?)^ *```$",
    re.MULTILINE | re.DOTALL,
)
# Above each file: its name, in a comment of its language. A file of another library is only shown.
HEADLINE = re.compile(r"(?:#|//|<!--) (?P<file>[\w/.-]+\.\w+)(?P<more>, at its end| with [\w -]+?)?(?: -->)?\n")


class Block(NamedTuple):
    """A block of code; `reason` says why it is not run, None if it is."""

    page: Path
    line: int
    language: str
    code: str
    reason: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class File(NamedTuple):
    """A block that is a file of a project, or what comes at the end of one."""

    name: str
    at_end: bool
    code: str

    def write(self, project: Path) -> None:
        """Put it into the folder of a project."""
        path = project / self.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() + self.code if self.at_end else self.code)


def pages() -> list[Path]:
    """Return all documents but those of operators, which have tests of their own."""
    written = [path for path in DOCS.rglob("*.md") if DOCS / "operations" not in path.parents]
    return sorted([*ROOT.glob("*.md"), *written])


def is_guide(page: Path) -> bool:
    """Return whether a page speaks of the project of the tutorial."""
    return page == TUTORIAL or page.parent.name == "howto"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, but those that Sphinx reads."""
    text = page.read_text()
    for found in BLOCK.finditer(text):
        line = text.count("\n", 0, found.start("indent")) + 1
        if not found["language"].startswith(("{", "mermaid")):
            yield Block(page, line, found["language"] or "console", dedent(found["code"]), found["reason"])


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in these languages, in all without any, that are not skipped."""
    found = [block for page in pages() for block in blocks(page) if block.reason is None]
    return [block for block in found if not languages or block.language in languages]


def file_of(block: Block) -> File | None:
    """Return the file that a block is, None for another library's and for one without a name."""
    headline = HEADLINE.match(block.code)
    if headline is None or (headline["more"] or "").startswith(" with "):
        return None
    return File(headline["file"], headline["more"] is not None, block.code)


def files(page: Path) -> list[File]:
    """Return the files of a page in their order."""
    return [file for block in blocks(page) if block.reason is None and (file := file_of(block)) is not None]


def page_of_options() -> str:
    """Return the page with the table of `SOCKETIO`."""
    return (DOCS / "reference" / "options.md").read_text()


def page_of_settings() -> str:
    """Return the page with the settings of the chat."""
    return (DOCS / "reference" / "settings.md").read_text()


def documented_limits(dictionary: str) -> list[tuple[str, str]]:
    """Return key and default of each option of `SOCKETIO` or `CHAT` in the table of limits in docs/operations.md."""
    found = LIMITS_TABLE.search((DOCS / "operations.md").read_text())
    assert found is not None
    settings = [row.split("|")[2] for row in found[1].splitlines()]
    is_ours = [cell for cell in settings if ("`CHAT`: " in cell) is (dictionary == "CHAT")]
    named = [option for cell in is_ours for option in OPTION.findall(cell)]
    assert len(named) == sum(cell.replace("`CHAT`: ", "").count("`") // 2 for cell in is_ours), "each with its default"
    return named
