"""System checks: a wrong option stops the start with one clear line."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error

from .conf import find_problems


def check_options(**kwargs: Any) -> list[CheckMessage]:
    """Check `SOCKETIO` in the settings (id channels_socketio.E001)."""
    problems = find_problems(getattr(settings, "SOCKETIO", {}))
    return [Error(problem, id="channels_socketio.E001") for problem in problems]
