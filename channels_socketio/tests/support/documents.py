"""What the documents say about options."""

import re

from channels_socketio.tests.support.processes import ROOT

LIMITS_TABLE = re.compile(r"^\| what \| setting \|.*\n\|[-|]*\|\n((?:\|.*\n)+)", re.MULTILINE)
OPTION = re.compile(r"`([A-Z_]+)` \(([^)]+)\)")


def readme() -> str:
    """Return README.md."""
    return (ROOT / "README.md").read_text()


def documented_limits(dictionary: str) -> list[tuple[str, str]]:
    """Return key and default of each option of `SOCKETIO` or `CHAT` in the table of limits in docs/operations.md."""
    found = LIMITS_TABLE.search((ROOT / "docs" / "operations.md").read_text())
    assert found is not None
    settings = [row.split("|")[2] for row in found[1].splitlines()]
    is_ours = [cell for cell in settings if ("`CHAT`: " in cell) is (dictionary == "CHAT")]
    named = [option for cell in is_ours for option in OPTION.findall(cell)]
    assert len(named) == sum(cell.replace("`CHAT`: ", "").count("`") // 2 for cell in is_ours), "each with its default"
    return named
