"""The documents name tests: each of them must exist."""

import re
from pathlib import Path

import pytest

from channels_socketio.tests.support import states
from channels_socketio.tests.support.processes import ROOT

NAMED = re.compile(r"`([\w/]*test_\w+\.py)::(test_\w+)`")


def named_tests() -> list[tuple[str, str]]:
    """Return file and name of every test that docs/protocol.md names."""
    return sorted(set(NAMED.findall((ROOT / "docs" / "protocol.md").read_text())))


def test_the_protocol_table_names_tests() -> None:
    assert len(named_tests()) > 40


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_a_test_that_the_protocol_table_names_exists(file: str, name: str) -> None:
    assert re.search(rf"^(async )?def {name}\(", (Path(__file__).parent / file).read_text(), re.MULTILINE)


def test_states_and_reasons_are_documented_as_they_are() -> None:
    """Run `python -m channels_socketio.tests.support.states` after a change."""
    assert states.PATH.read_text() == states.page()
