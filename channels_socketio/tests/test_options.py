"""The options in SOCKETIO: their defaults, where each goes, and what is wrong with others."""

import re
import secrets
from typing import Annotated, Any

import msgspec
import pytest
from channels.layers import InMemoryChannelLayer
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_socketio.connections.runtime import PROCESS_BYTES
from channels_socketio.fanout.backplane import process_group, site_group
from channels_socketio.limits.rates import Rate
from channels_socketio.options import (
    Count,
    Options,
    Seconds,
    doc,
    find_problems,
    load,
    option_types,
    site_prefix,
    table,
)
from channels_socketio.protocol.engine import EngineOptions
from channels_socketio.protocol.socketio import SocketIOOptions
from channels_socketio.server import SocketIOServer
from channels_socketio.tests.support.documents import documented_limits, page_of_options
from channels_socketio.tests.test_checks import WRONG


def test_the_defaults_are_these() -> None:
    options = load(Options, {})
    assert msgspec.structs.asdict(options) == {
        "ping_interval": 25.0,
        "ping_timeout": 20.0,
        "max_payload": 1_000_000,
        "connect_timeout": 45.0,
        "reassembly_timeout": 20.0,
        "max_namespaces": 100,
        "queue_budget": 4_194_304,
        "backlog": 256,
        "upgrade_timeout": 10.0,
        "recovery": True,
        "recovery_seconds": 604800.0,
        "recovery_limit": 500,
        "log_interval": 1.0,
        "session_check_interval": 30.0,
        "legacy_clients": False,
        "limits": True,
        "connections_per_session": 10,
        "connections_per_address": 100,
        "handshakes_per_minute": 600,
        "messages_per_second": 50,
        "messages_at_once": 500,
        "limits_redis": "",
        "trusted_proxies": (),
        "require_origin": False,
        "prefix": "",
    }


def test_the_defaults_are_those_of_the_protocols() -> None:
    options = load(Options, {})
    assert (options.engine, options.socketio) == (EngineOptions(), SocketIOOptions())
    assert (options.handshakes, options.messages) == (Rate(10, 600), Rate(50, 500))


def test_without_limits_there_is_no_rate() -> None:
    options = load(Options, {"LIMITS": False})
    assert (options.handshakes, options.messages) == (None, None)


def test_without_limits_a_server_has_no_store_to_count_in() -> None:
    redis = {"LIMITS_REDIS": "redis://127.0.0.1"}
    assert SocketIOServer([], options=redis).admission.store is not None
    assert SocketIOServer([], options=redis | {"LIMITS": False}).admission.store is None


def test_the_documents_have_the_table_of_options() -> None:
    assert f"\n\n{table(Options)}\n\n" in page_of_options()


@pytest.mark.parametrize(("key", "default"), documented_limits("SOCKETIO"))
def test_the_table_of_limits_names_options_and_their_defaults(key: str, default: str) -> None:
    assert f"| `{key}` | `{default}` |" in table(Options)


def test_the_table_of_limits_was_found() -> None:
    assert len(documented_limits("SOCKETIO")) > 5


def test_each_option_may_be_set_and_goes_to_its_place() -> None:
    settings = {
        "PING_INTERVAL": 0.3,
        "PING_TIMEOUT": 2,
        "MAX_PAYLOAD": 3,
        "CONNECT_TIMEOUT": 4.5,
        "REASSEMBLY_TIMEOUT": 5.5,
        "MAX_NAMESPACES": 6,
        "QUEUE_BUDGET": 7,
        "LIMITS_REDIS": "unix:///run/redis",
        "HANDSHAKES_PER_MINUTE": 15,
        "MESSAGES_PER_SECOND": 16,
        "MESSAGES_AT_ONCE": 17,
        "TRUSTED_PROXIES": ["10.0.0.0/8", "::1", "unix"],
        "REQUIRE_ORIGIN": True,
        "PREFIX": "Tea_house-1",
    }
    options = load(Options, settings)
    assert {key: getattr(options, key.lower()) for key in settings} == settings
    assert options.engine == EngineOptions(ping_interval=0.3, ping_timeout=2, max_payload=3)
    assert options.socketio == SocketIOOptions(
        connect_timeout=4.5, reassembly_timeout=5.5, max_attachment_bytes=3, max_namespaces=6
    )
    assert (options.handshakes, options.messages) == (Rate(0.25, 15), Rate(16, 17))


@pytest.mark.parametrize("key", option_types(Options))
def test_each_option_has_a_default_that_is_allowed_a_description_and_an_error_sentence(key: str) -> None:
    default = getattr(Options(), key.lower())
    assert find_problems(Options, {key: default}) == []
    [problem] = find_problems(Options, {key: object})
    assert problem.startswith(f"SOCKETIO[{key!r}]: expected ")
    assert re.search(rf"^\| `{key}` \| `[^`]+` \| \w.+ \|$", table(Options), re.MULTILINE)


def test_a_site_has_schemas_of_its_own() -> None:
    """One line for each option: key, range, default and description."""

    class Teas(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
        cups: Annotated[Count, doc("cups at most")] = 1_000
        steep: Annotated[Seconds, doc("seconds in the pot")] = 180.0

    assert load(Teas, {"CUPS": 3}, "TEA") == Teas(cups=3)
    assert find_problems(Teas, {"CUPS": -1, "STEEP": "x", "MILK": 1}, "TEA") == [
        "TEA['CUPS']: expected a whole number above 0, got -1.",
        "TEA['STEEP']: expected a number of seconds above 0, got 'x'.",
        "TEA['MILK']: expected one of CUPS, STEEP.",
    ]
    assert table(Teas).splitlines()[2:] == [
        "| `CUPS` | `1_000` | cups at most |",
        "| `STEEP` | `180.0` | seconds in the pot |",
    ]


@pytest.mark.parametrize(("settings", "problems"), WRONG)
def test_wrong_options_raise_with_all_that_is_wrong(settings: Any, problems: list[str]) -> None:
    assert find_problems(Options, settings) == problems
    with pytest.raises(ImproperlyConfigured) as caught:
        load(Options, settings)
    assert str(caught.value) == " ".join(problems)


def test_a_sites_prefix_is_its_option_or_else_comes_from_its_key_and_does_not_show_it(settings: Settings) -> None:
    settings.SOCKETIO = {"PREFIX": "tea"}
    assert site_prefix() == "tea"
    prefixes = []
    for key in ("a key", "a key", b"a key", "another key"):
        settings.SOCKETIO, settings.SECRET_KEY = {}, key
        prefixes.append(site_prefix())
    assert prefixes[0] == prefixes[1] == prefixes[2] != prefixes[3]
    assert re.fullmatch("[0-9a-f]{16}", prefixes[0])
    del settings.SOCKETIO
    assert site_prefix() == prefixes[3]


@pytest.mark.parametrize("prefix", ["", "x" * 40])
def test_every_prefix_makes_names_that_channel_layers_take(settings: Settings, prefix: str) -> None:
    settings.SOCKETIO = {"PREFIX": prefix}
    layer = InMemoryChannelLayer()
    for name in (site_group(), process_group(site_group(), secrets.token_urlsafe(PROCESS_BYTES))):
        layer.require_valid_group_name(name)
