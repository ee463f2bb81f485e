"""Socket.IO for Django Channels, with Django's login session as the credential.

All that an application needs is imported from here. `channels_socketio.testing` has the test client, and
`channels_socketio.options` the schemas of options. Everything else may change without notice.

Names are loaded when they are first asked for (PEP 562), because most of them need Django to be set up, and
`channels_socketio.protocol` needs nothing but Python.
"""

from importlib import import_module
from typing import Any

__version__ = "0.2.0"

# The names by the module that has them; __init__.pyi tells type checkers the same.
MODULES = {
    ".connections.connection": ("Connection",),
    ".connections.handshake": ("Handshake",),
    ".connections.runtime": ("current_runtime",),
    ".consumer": ("SocketIOConsumer", "on"),
    ".emitter": ("aemit", "emit"),
    ".exceptions": ("Refused", "SocketEnded", "session_gone"),
    ".handshake.admission": ("require_login_session",),
    ".history.feed": ("aannounce", "announce"),
    ".history.log": ("NEWEST", "Item", "Log", "Page", "Position", "count_fitting"),
    ".limits.addresses": ("Network", "address_of_request", "block_of", "counted_as", "network_of", "parse_address"),
    ".limits.rates": ("Limiter", "Rate", "notices"),
    ".loops": ("PerLoop",),
    ".protocol.reasons": ("Reason", "Refusal"),
    ".revocation": (
        "end_sessions",
        "end_user",
        "look_at_all",
        "look_at_sessions",
        "look_at_user",
        "rotate_sessions",
    ),
    ".server": ("SocketIOServer",),
    ".sessions.credentials": ("Credential",),
    ".sessions.end_reasons": ("BANNED", "ENDED", "EXPIRED", "EndReason"),
    ".sessions.status": ("SessionStatus",),
}
SOURCES = {name: module for module, names in MODULES.items() for name in names}

__all__ = [*SOURCES]


def __getattr__(name: str) -> Any:
    if name not in SOURCES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(import_module(SOURCES[name], __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *SOURCES])
