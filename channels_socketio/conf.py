"""The protocol's own options: `SOCKETIO = {...}` in Django's settings.

| key | default | meaning |
|---|---|---|
| PING_INTERVAL | 25.0 | seconds between heartbeats |
| PING_TIMEOUT | 20.0 | seconds that a client has to answer one |
| MAX_PAYLOAD | 1_000_000 | bytes of one message from a client, and of all attachments of one event |
| CONNECT_TIMEOUT | 45.0 | seconds until a client must have joined a namespace |
| REASSEMBLY_TIMEOUT | 20.0 | seconds until all attachments of an event must have come |
| MAX_NAMESPACES | 100 | namespaces that one connection may be in |
| QUEUE_BUDGET | 4_194_304 | bytes sent to a client that it has not confirmed; above, it is a slow consumer |
| BACKLOG | 256 | events of one connection that wait for their handlers; above, reading pauses |
| UPGRADE_TIMEOUT | 10.0 | seconds that a WebSocket has to take over from polling |
| RECOVERY | True | whether clients that come back to a namespace with a log get what they missed |
| RECOVERY_SECONDS | 604_800.0 | seconds after its first connect in which a client may come back as the same socket |
| RECOVERY_LIMIT | 500 | entries of a log that are sent to a client that missed them; of more it is only told |
| LOG_INTERVAL | 1.0 | seconds between looks into the logs for what the news of other processes did not tell |
| SESSION_CHECK_INTERVAL | 30.0 | seconds between looks at all login sessions, for ends that no news told of |
| LEGACY_CLIENTS | False | whether Socket.IO clients 1.x and 2.x (Engine.IO 3) may connect |
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from .protocol.engine import EngineOptions
from .protocol.socketio import SocketIOOptions

DEFAULTS: dict[str, Any] = {
    "PING_INTERVAL": 25.0,
    "PING_TIMEOUT": 20.0,
    "MAX_PAYLOAD": 1_000_000,
    "CONNECT_TIMEOUT": 45.0,
    "REASSEMBLY_TIMEOUT": 20.0,
    "MAX_NAMESPACES": 100,
    "QUEUE_BUDGET": 4_194_304,
    "BACKLOG": 256,
    "UPGRADE_TIMEOUT": 10.0,
    "RECOVERY": True,
    "RECOVERY_SECONDS": 604_800.0,
    "RECOVERY_LIMIT": 500,
    "LOG_INTERVAL": 1.0,
    "SESSION_CHECK_INTERVAL": 30.0,
    "LEGACY_CLIENTS": False,
}


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one server, checked."""

    engine: EngineOptions
    socketio: SocketIOOptions
    queue_budget: int
    backlog: int
    upgrade_timeout: float
    legacy_clients: bool
    recovery: bool
    recovery_seconds: float
    recovery_limit: int
    log_interval: float
    session_check_interval: float

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Options":
        """Return the options for `SOCKETIO`; raises ImproperlyConfigured with all that is wrong."""
        if problems := find_problems(settings):
            raise ImproperlyConfigured(" ".join(problems))
        values = DEFAULTS | dict(settings)
        payload = int(values["MAX_PAYLOAD"])
        return cls(
            engine=EngineOptions(values["PING_INTERVAL"], values["PING_TIMEOUT"], payload),
            socketio=SocketIOOptions(
                values["CONNECT_TIMEOUT"], values["REASSEMBLY_TIMEOUT"], payload, int(values["MAX_NAMESPACES"])
            ),
            queue_budget=int(values["QUEUE_BUDGET"]),
            backlog=int(values["BACKLOG"]),
            upgrade_timeout=values["UPGRADE_TIMEOUT"],
            legacy_clients=values["LEGACY_CLIENTS"],
            recovery=values["RECOVERY"],
            recovery_seconds=values["RECOVERY_SECONDS"],
            recovery_limit=int(values["RECOVERY_LIMIT"]),
            log_interval=values["LOG_INTERVAL"],
            session_check_interval=values["SESSION_CHECK_INTERVAL"],
        )


def find_problems(settings: object) -> list[str]:
    """Return one sentence for each thing that is wrong in `SOCKETIO`."""
    if not isinstance(settings, Mapping):
        return [f"SOCKETIO: expected a dictionary, got {type(settings).__name__}."]
    problems = []
    for key, value in settings.items():
        if key not in DEFAULTS:
            problems.append(f"SOCKETIO[{key!r}]: expected one of {', '.join(DEFAULTS)}.")
        elif problem := _problem(value, DEFAULTS[key]):
            problems.append(f"SOCKETIO[{key!r}]: {problem}.")
    return problems


def _problem(value: object, default: object) -> str | None:
    if isinstance(default, bool):
        return None if isinstance(value, bool) else f"expected True or False, got {value!r}"
    whole = isinstance(default, int)
    expected = "a whole number above 0" if whole else "a number of seconds above 0"
    types = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, types) or not 0 < value < float("inf"):
        return f"expected {expected}, got {value!r}"
    return None
