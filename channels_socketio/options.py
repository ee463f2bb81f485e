"""The options in Django's settings: `Options` is the schema of the dictionary `SOCKETIO`.

Validation, the values of a server and the tables in the documents come from a schema. A new option is one field of it,
and the code that uses the field. A site may have schemas of its own.
"""

import sys
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_type_hints

import msgspec
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from msgspec import Meta

from .limits.addresses import UNIX, networks
from .limits.rates import Rate
from .protocol.engine import EngineOptions
from .protocol.socketio import SocketIOOptions

if TYPE_CHECKING:
    from .limits.redis import RedisStore

Schema = TypeVar("Schema", bound=msgspec.Struct)

HASH_LENGTH = 16  # of the default prefix: 64 bits


def expected(text: str, secret: bool = False) -> Meta:
    """Say what the error for a wrong value expects. A `secret` value may hold a password, so it is not shown."""
    return Meta(extra={"expected": text, "secret": secret})


def check_proxies(value: Any) -> str | None:
    """Return what is wrong with a list of trusted proxies."""
    if not isinstance(value, list | tuple):
        return f"expected a list of addresses and networks, got {value!r}"
    for entry in value:
        try:
            networks((str(entry),))
        except ValueError:
            return f"expected addresses, networks such as 10.0.0.0/8, or {UNIX!r}, got {entry!r}"
    return None


REDIS = "an address that starts with redis:// or rediss:// or unix://, or an empty text"
PREFIX = "at most 40 letters, digits, hyphens and underscores"  # names of groups have at most 99 characters
Flag = Annotated[bool, expected("True or False")]
Count = Annotated[int, Meta(gt=0), expected("a whole number above 0")]
Seconds = Annotated[float, Meta(gt=0, le=sys.float_info.max), expected("a number of seconds above 0")]
RedisURL = Annotated[str, Meta(pattern=r"\A((redis|rediss|unix)://|\Z)"), expected(REDIS, secret=True)]
Proxies = Annotated[Any, Meta(extra={"check": check_proxies})]
Prefix = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9_-]{0,40}\Z"), expected(PREFIX)]


def doc(text: str) -> Meta:
    """Return the description of an option, as it stands in the documents' tables."""
    return Meta(description=text)


class Options(msgspec.Struct, frozen=True, kw_only=True, dict=True, rename=str.upper):
    """The options of one server."""

    ping_interval: Annotated[Seconds, doc("seconds between heartbeats")] = 25.0
    ping_timeout: Annotated[Seconds, doc("seconds that a client has to answer one")] = 20.0
    max_payload: Annotated[Count, doc("bytes of a client's message, and of all attachments of an event")] = 1_000_000
    connect_timeout: Annotated[Seconds, doc("seconds until a client must have joined a namespace")] = 45.0
    reassembly_timeout: Annotated[Seconds, doc("seconds until all attachments of an event must have come")] = 20.0
    max_namespaces: Annotated[Count, doc("namespaces that one connection may be in")] = 100
    queue_budget: Annotated[Count, doc("bytes sent and not confirmed; a client with more is a slow consumer")] = (
        4_194_304
    )
    backlog: Annotated[Count, doc("events of one connection that wait for their handlers; above, reading pauses")] = 256
    upgrade_timeout: Annotated[Seconds, doc("seconds that a WebSocket has to take over from polling")] = 10.0
    recovery: Annotated[Flag, doc("whether clients that return to a namespace with a log get what they missed")] = True
    recovery_seconds: Annotated[
        Seconds, doc("seconds after its first connect in which a client may come back as the same socket")
    ] = 604_800.0
    recovery_limit: Annotated[
        Count, doc("entries of a log that are sent to a client that missed them; of more it is only told")
    ] = 500
    log_interval: Annotated[Seconds, doc("seconds between looks into the logs for what the layer has lost")] = 1.0
    session_check_interval: Annotated[
        Seconds, doc("seconds between looks at all login sessions, for ends that nobody told of")
    ] = 30.0
    legacy_clients: Annotated[Flag, doc("whether Socket.IO clients 1.x and 2.x (Engine.IO 3) may connect")] = False
    limits: Annotated[Flag, doc("whether the limits below hold; False is for load tests")] = True
    connections_per_session: Annotated[Count, doc("connections that one login session may have")] = 10
    connections_per_address: Annotated[Count, doc("connections that one address may have")] = 100
    handshakes_per_minute: Annotated[Count, doc("handshakes of one address, with `HandshakeThrottle` in front")] = 600
    messages_per_second: Annotated[
        Count, doc("packets of any kind that one connection may send in the long run; above, it is closed")
    ] = 50
    messages_at_once: Annotated[Count, doc("packets of any kind that one connection may send at once")] = 500
    limits_redis: Annotated[RedisURL, doc("the Redis server in which processes count together; empty: none")] = ""
    trusted_proxies: Annotated[
        Proxies, doc("addresses and networks whose `X-Forwarded-For` is believed, `unix` for a Unix socket")
    ] = ()
    require_origin: Annotated[
        Flag, doc("whether clients are refused that do not say which site they are from, as browsers do")
    ] = False
    prefix: Annotated[
        Prefix,
        doc("what names in Redis and groups begin with, at most 40 of `A-Z a-z 0-9 - _`; empty: from `SECRET_KEY`"),
    ] = ""

    @cached_property
    def engine(self) -> EngineOptions:
        """The options of the Engine.IO protocol."""
        return EngineOptions(self.ping_interval, self.ping_timeout, self.max_payload)

    @cached_property
    def socketio(self) -> SocketIOOptions:
        """The options of the Socket.IO protocol."""
        return SocketIOOptions(self.connect_timeout, self.reassembly_timeout, self.max_payload, self.max_namespaces)

    @cached_property
    def handshakes(self) -> Rate | None:
        """How often an address may begin a handshake, None for no limit."""
        return Rate.per_minute(self.handshakes_per_minute) if self.limits else None

    @cached_property
    def messages(self) -> Rate | None:
        """How many packets a connection may send, None for no limit."""
        return Rate(self.messages_per_second, self.messages_at_once) if self.limits else None


def load(schema: type[Schema], settings: Mapping[str, Any], name: str = "SOCKETIO") -> Schema:
    """Return the options in the dictionary called `name`. Raises ImproperlyConfigured with all that is wrong."""
    if problems := find_problems(schema, settings, name):
        raise ImproperlyConfigured(" ".join(problems))
    return msgspec.convert(dict(settings), schema)


def find_problems(schema: type[msgspec.Struct], settings: object, name: str = "SOCKETIO") -> list[str]:
    """Return one sentence for each thing that is wrong in the dictionary called `name`."""
    if not isinstance(settings, Mapping):
        return [f"{name}: expected a dictionary, got {type(settings).__name__}."]
    types = option_types(schema)
    problems = []
    for key, value in settings.items():
        if key not in types:
            problems.append(f"{name}[{key!r}]: expected one of {', '.join(types)}.")
        elif problem := _problem(types[key], value):
            problems.append(f"{name}[{key!r}]: {problem}.")
    return problems


def option_types(schema: type[msgspec.Struct]) -> dict[str, Any]:
    """Return the type of each option by its key."""
    hints = get_type_hints(schema, include_extras=True)
    return {
        key: hints[field] for key, field in zip(schema.__struct_encode_fields__, schema.__struct_fields__, strict=True)
    }


def table(schema: type[msgspec.Struct]) -> str:
    """Return the schema as a Markdown table: key, default, meaning."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for (key, kind), default in zip(option_types(schema).items(), schema.__struct_defaults__, strict=True):
        description = next(meta.description for meta in kind.__metadata__ if meta.description)
        rows.append(f"| `{key}` | {_shown(default)} | {description} |")
    return "\n".join(rows)


def site_prefix() -> str:
    """Return what names in Redis and of the channel layer's groups begin with, so that sites do not share them.

    All processes of a site have the same prefix.
    """
    prefix = getattr(django_settings, "SOCKETIO", {}).get("PREFIX")
    return prefix or salted_hmac("channels_socketio.prefix", "prefix", algorithm="sha256").hexdigest()[:HASH_LENGTH]


def redis_store(url: str) -> "RedisStore | None":
    """Return the store at `url`, in which the processes of this site count together, None for no URL."""
    if not url:
        return None
    from .limits.redis import RedisStore  # needs a package that is not always installed

    return RedisStore(url, site_prefix())


def _problem(kind: Any, value: object) -> str | None:
    extra: dict[str, Any] = next(meta.extra for meta in kind.__metadata__ if meta.extra)
    if "check" in extra:
        return cast("str | None", extra["check"](value))
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return f"expected {extra['expected']}" + ("" if extra["secret"] else f", got {value!r}")
    return None


def _shown(default: Any) -> str:
    return f"`{default:_}`" if type(default) in (int, float) else f"`{default!r}`"
