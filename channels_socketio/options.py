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
| LIMITS | True | whether the limits below hold; False is for load tests |
| CONNECTIONS_PER_SESSION | 10 | connections that one login session may have |
| CONNECTIONS_PER_ADDRESS | 100 | connections that one address may have |
| HANDSHAKES_PER_MINUTE | 600 | handshakes that one address may begin, where HandshakeThrottle is in front |
| MESSAGES_PER_SECOND | 50 | packets of any kind that one connection may send in the long run; above, it is closed |
| MESSAGES_AT_ONCE | 500 | packets of any kind that one connection may send at once |
| LIMITS_REDIS | '' | the Redis server in which processes count together; empty: each counts alone |
| TRUSTED_PROXIES | () | addresses and networks whose X-Forwarded-For is believed, `unix` for a Unix socket |
| REQUIRE_ORIGIN | False | whether clients are refused that do not say which site they are from, as browsers do |
| PREFIX | '' | what this site's names in Redis begin with: at most 40 of A-Z a-z 0-9 - _; empty: from SECRET_KEY |
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac

from .limits.addresses import UNIX, networks
from .limits.rates import Rate
from .protocol.engine import EngineOptions
from .protocol.socketio import SocketIOOptions

if TYPE_CHECKING:
    from .limits.redis import RedisStore

REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
PREFIX = re.compile(r"[A-Za-z0-9_-]{0,40}")  # names of groups have at most 99 characters
HASH_LENGTH = 16  # of the default prefix: 64 bits

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
    "LIMITS": True,
    "CONNECTIONS_PER_SESSION": 10,
    "CONNECTIONS_PER_ADDRESS": 100,
    "HANDSHAKES_PER_MINUTE": 600,
    "MESSAGES_PER_SECOND": 50,
    "MESSAGES_AT_ONCE": 500,
    "LIMITS_REDIS": "",
    "TRUSTED_PROXIES": (),
    "REQUIRE_ORIGIN": False,
    "PREFIX": "",
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
    limits: bool
    connections_per_session: int
    connections_per_address: int
    handshakes: Rate | None
    messages: Rate | None
    limits_redis: str

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
            limits=values["LIMITS"],
            connections_per_session=values["CONNECTIONS_PER_SESSION"],
            connections_per_address=values["CONNECTIONS_PER_ADDRESS"],
            handshakes=Rate.per_minute(values["HANDSHAKES_PER_MINUTE"]) if values["LIMITS"] else None,
            messages=Rate(values["MESSAGES_PER_SECOND"], values["MESSAGES_AT_ONCE"]) if values["LIMITS"] else None,
            limits_redis=values["LIMITS_REDIS"] if values["LIMITS"] else "",
        )


def find_problems(settings: object, name: str = "SOCKETIO", defaults: Mapping[str, Any] = DEFAULTS) -> list[str]:
    """Return one sentence for each thing that is wrong in the dictionary called `name`."""
    if not isinstance(settings, Mapping):
        return [f"{name}: expected a dictionary, got {type(settings).__name__}."]
    problems = []
    for key, value in settings.items():
        if key not in defaults:
            problems.append(f"{name}[{key!r}]: expected one of {', '.join(defaults)}.")
        elif problem := _problem_of_prefix(value) if key == "PREFIX" else _problem(value, defaults[key]):
            problems.append(f"{name}[{key!r}]: {problem}.")
    return problems


def site_prefix() -> str:
    """Return what names in Redis and of groups of the channel layer begin with, so that sites do not share them.

    It is the same in all processes of a site: the option PREFIX of the settings, by default a hash of the SECRET_KEY.
    """
    prefix = getattr(django_settings, "SOCKETIO", {}).get("PREFIX")
    return prefix or salted_hmac("channels_socketio.prefix", "prefix", algorithm="sha256").hexdigest()[:HASH_LENGTH]


def redis_store(url: str) -> "RedisStore | None":
    """Return what processes of this site count in together, in the Redis server at `url`, None for no URL."""
    if not url:
        return None
    from .limits.redis import RedisStore  # needs a package that others can do without

    return RedisStore(url, site_prefix())


def _problem(value: object, default: object) -> str | None:
    match default:
        case bool():
            return None if isinstance(value, bool) else f"expected True or False, got {value!r}"
        case str():
            return _problem_of_address(value)
        case tuple():
            return _problem_of_proxies(value)
        case _:
            return _problem_of_number(value, default)


def _problem_of_address(value: object) -> str | None:
    if isinstance(value, str) and (not value or value.startswith(REDIS_SCHEMES)):
        return None
    # What came is not shown: it may hold a password.
    return f"expected an address that starts with {' or '.join(REDIS_SCHEMES)}, or an empty text"


def _problem_of_prefix(value: object) -> str | None:
    if isinstance(value, str) and PREFIX.fullmatch(value):
        return None
    return f"expected at most 40 letters, digits, hyphens and underscores, got {value!r}"


def _problem_of_proxies(value: object) -> str | None:
    if not isinstance(value, list | tuple):
        return f"expected a list of addresses and networks, got {value!r}"
    for entry in value:
        try:
            networks((str(entry),))
        except ValueError:
            return f"expected addresses, networks such as 10.0.0.0/8, or {UNIX!r}, got {entry!r}"
    return None


def _problem_of_number(value: object, default: object) -> str | None:
    whole = isinstance(default, int)
    expected = "a whole number above 0" if whole else "a number of seconds above 0"
    types = (int,) if whole else (int, float)
    if isinstance(value, bool) or not isinstance(value, types) or not 0 < value < float("inf"):
        return f"expected {expected}, got {value!r}"
    return None
