"""What a client brings to recover, good and bad, and offsets in events that are packed already."""

from typing import Any

import pytest

from channels_socketio.history.cache import format_offset
from channels_socketio.history.log import Position
from channels_socketio.history.recovery import LONGEST, parse_offset, split_auth

OFFSETS = [
    (0, 0, "/", "0.0./"),
    (12, 3, "/rooms/tea", "12.3./rooms/tea"),
    (10**15 - 1, 0, "/a.b\nü", "999999999999999.0./a.b\nü"),
]


@pytest.mark.parametrize(("seq", "deletions", "namespace", "text"), OFFSETS)
def test_position_and_offset_become_each_other(seq: int, deletions: int, namespace: str, text: str) -> None:
    assert format_offset(Position(seq, deletions), namespace) == text
    assert parse_offset(text, namespace) == (seq, deletions)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.2", "1.2.", "1.2./other", "1.2.//", "-1.2./", "1.-2./", "+1.2./", "01.2./", "1.02./"),
        *(" 1.2./", "1.2./ ", "1.2./\n", "1e3.2./", "\u0661.2./", "a.b./", "1_0.2./"),
        *(f"{10**15}.0./", f"0.{10**15}./", "9" * 5000 + ".0./"),
    ],
)
def test_what_is_no_offset_of_the_namespace_is_none(text: str) -> None:
    assert parse_offset(text, "/") is None


@pytest.mark.parametrize(
    ("auth", "rest", "brought"),
    [
        ({}, {}, None),
        ({"a": 1}, {"a": 1}, None),
        ({"pid": "p", "offset": "o", "a": 1}, {"a": 1}, ("p", "o")),
        ({"pid": "p", "a": 1}, {"a": 1}, None),
        ({"offset": "o"}, {}, None),
        ({"pid": 1, "offset": "o"}, {}, None),
        ({"pid": "p", "offset": None}, {}, None),
        ({"pid": ["p"], "offset": {"o": 1}}, {}, None),
        ({"pid": "p" * LONGEST, "offset": "o"}, {}, ("p" * LONGEST, "o")),
        ({"pid": "p" * (LONGEST + 1), "offset": "o"}, {}, None),
        ({"pid": "p", "offset": "o" * (LONGEST + 1)}, {}, None),
    ],
)
def test_auth_is_split_into_the_applications_part_and_what_recovers(
    auth: dict[str, Any], rest: dict[str, Any], brought: tuple[str, str] | None
) -> None:
    given = dict(auth)
    assert split_auth(auth) == (rest, brought)
    assert auth == given
