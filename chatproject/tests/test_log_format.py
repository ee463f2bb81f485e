"""The log as JSON: one object a line, whatever is logged."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from chatproject.log_format import JSONFormatter
from chatproject.tests.test_environment import PRODUCTION, manage

LOG = "import logging; log = logging.getLogger('chat.x'); log.{level}({message!r}, 7)"


def formatted(message: Any, *args: Any, exc_info: Any = None, stack: str | None = None) -> Any:
    """Return a record as the formatter writes it, read again."""
    record = logging.LogRecord("chat.x", logging.ERROR, "x.py", 1, message, args, exc_info, sinfo=stack)
    record.created = datetime(2026, 11, 25, 12, 0, 0, 123_456, UTC).timestamp()
    record.process = 42
    line = JSONFormatter().format(record)
    assert line.isascii()
    assert "\n" not in line
    return json.loads(line)


def test_a_record_is_an_object() -> None:
    assert formatted("Closed %d of %s.", 3, "tea") == {
        "time": "2026-11-25T12:00:00.123Z",
        "level": "ERROR",
        "logger": "chat.x",
        "process": 42,
        "message": "Closed 3 of tea.",
    }


@pytest.mark.parametrize("message", ['a "quote"', "two\nlines", "\u2028 \x1b[31m \x00", "grüße \ud800", ""])
def test_any_text_is_one_line(message: str) -> None:
    assert formatted("%s", message)["message"] == message


def test_a_traceback_is_a_part_of_its_line() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = formatted("Failed.", exc_info=sys.exc_info(), stack="Stack (most recent call last):\n  here")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: two\nlines")
    assert line["stack"].endswith("here")


def test_the_environment_chooses_format_and_level() -> None:
    def log(level: str, **env: str) -> str:
        code = LOG.format(level=level, message="Number %d")
        done = manage(PRODUCTION | env, "shell", "--verbosity=0", "-c", code)
        assert (done.returncode, done.stdout) == (0, "")
        return done.stderr

    assert log("info").endswith(" INFO chat.x: Number 7\n")
    assert log("debug") == ""
    assert log("debug", LOG_LEVEL="debug").endswith(" DEBUG chat.x: Number 7\n")
    assert log("warning", LOG_LEVEL="ERROR") == ""
    line = json.loads(log("error", LOG_LEVEL="ERROR", LOG_FORMAT="json"))
    assert (line["level"], line["logger"], line["message"]) == ("ERROR", "chat.x", "Number 7")
