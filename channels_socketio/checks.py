"""System checks: a wrong option stops the start with one clear line, and what may surprise is said."""

from importlib.util import find_spec
from typing import Any

from channels.layers import get_channel_layer
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info

from .fanout.backplane import crosses_processes
from .options import Options, find_problems


def check_options(**kwargs: Any) -> list[CheckMessage]:
    """Check `SOCKETIO` in the settings (id channels_socketio.E001)."""
    problems = find_problems(Options, getattr(settings, "SOCKETIO", {}))
    return [Error(problem, id="channels_socketio.E001") for problem in problems]


def check_packages(**kwargs: Any) -> list[CheckMessage]:
    """Check that what an option needs is installed (id channels_socketio.E002)."""
    options = getattr(settings, "SOCKETIO", {})
    if not (isinstance(options, dict) and options.get("LIMITS_REDIS")) or find_spec("redis") is not None:
        return []
    message = "SOCKETIO['LIMITS_REDIS']: expected the package redis to be installed."
    hint = "pip install 'channels-socketio[redis]'"
    return [Error(message, hint=hint, id="channels_socketio.E002")]


def check_layer(**kwargs: Any) -> list[CheckMessage]:
    """Say that a layer inside one process keeps events from the others (id channels_socketio.I001)."""
    if crosses_processes(get_channel_layer()):
        return []
    message = "The channel layer does not reach other processes: events emitted there, by commands say, reach nobody."
    return [Info(message, hint="Configure one that does, for example channels_redis.", id="channels_socketio.I001")]
