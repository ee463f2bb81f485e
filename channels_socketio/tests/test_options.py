"""The options in SOCKETIO: their defaults, where each goes, and what is wrong with others."""

import re
import secrets
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from channels_socketio import options
from channels_socketio.connections.runtime import PROCESS_BYTES
from channels_socketio.fanout.backplane import process_group, site_group
from channels_socketio.limits.rates import Rate
from channels_socketio.options import DEFAULTS, Options, find_problems, site_prefix
from channels_socketio.protocol.engine import EngineOptions
from channels_socketio.protocol.socketio import SocketIOOptions
from channels_socketio.tests.test_checks import WRONG


def test_the_defaults_are_those_of_the_protocols() -> None:
    options = Options.from_settings({})
    assert options == Options(
        EngineOptions(),
        SocketIOOptions(),
        queue_budget=4_194_304,
        backlog=256,
        upgrade_timeout=10.0,
        legacy_clients=False,
        recovery=True,
        recovery_seconds=604_800.0,
        recovery_limit=500,
        log_interval=1.0,
        session_check_interval=30.0,
        limits=True,
        connections_per_session=10,
        connections_per_address=100,
        handshakes=Rate(10, 600),
        messages=Rate(50, 500),
        limits_redis="",
    )


def test_without_limits_there_is_no_rate_and_nobody_to_count_with() -> None:
    options = Options.from_settings({"LIMITS": False, "LIMITS_REDIS": "redis://127.0.0.1"})
    assert (options.limits, options.handshakes, options.messages, options.limits_redis) == (False, None, None, "")


def test_the_table_of_options_says_the_defaults() -> None:
    documented = dict(re.findall(r"^\| ([A-Z_]+) \| (\S+) \|", str(options.__doc__), re.MULTILINE))
    assert {key: eval(value) for key, value in documented.items()} == DEFAULTS


def test_each_option_goes_to_its_place() -> None:
    settings = {
        "PING_INTERVAL": 0.3,
        "PING_TIMEOUT": 2,
        "MAX_PAYLOAD": 3,
        "CONNECT_TIMEOUT": 4.5,
        "REASSEMBLY_TIMEOUT": 5.5,
        "MAX_NAMESPACES": 6,
        "QUEUE_BUDGET": 7,
        "BACKLOG": 8,
        "UPGRADE_TIMEOUT": 9.5,
        "RECOVERY": False,
        "RECOVERY_SECONDS": 10,
        "RECOVERY_LIMIT": 11,
        "LOG_INTERVAL": 12.5,
        "SESSION_CHECK_INTERVAL": 13.5,
        "LEGACY_CLIENTS": True,
        "LIMITS": True,
        "CONNECTIONS_PER_SESSION": 13,
        "CONNECTIONS_PER_ADDRESS": 14,
        "HANDSHAKES_PER_MINUTE": 15,
        "MESSAGES_PER_SECOND": 16,
        "MESSAGES_AT_ONCE": 17,
        "LIMITS_REDIS": "unix:///run/redis",
        "TRUSTED_PROXIES": ["10.0.0.0/8", "::1", "unix"],
        "REQUIRE_ORIGIN": True,
        "PREFIX": "Tea_house-1",
    }
    assert settings.keys() == DEFAULTS.keys()
    assert Options.from_settings(settings) == Options(
        EngineOptions(ping_interval=0.3, ping_timeout=2, max_payload=3),
        SocketIOOptions(connect_timeout=4.5, reassembly_timeout=5.5, max_attachment_bytes=3, max_namespaces=6),
        queue_budget=7,
        backlog=8,
        upgrade_timeout=9.5,
        legacy_clients=True,
        recovery=False,
        recovery_seconds=10,
        recovery_limit=11,
        log_interval=12.5,
        session_check_interval=13.5,
        limits=True,
        connections_per_session=13,
        connections_per_address=14,
        handshakes=Rate(0.25, 15),
        messages=Rate(16, 17),
        limits_redis="unix:///run/redis",
    )


@pytest.mark.parametrize(("settings", "problems"), WRONG)
def test_wrong_options_raise_with_all_that_is_wrong(settings: Any, problems: list[str]) -> None:
    assert find_problems(settings) == problems
    with pytest.raises(ImproperlyConfigured) as caught:
        Options.from_settings(settings)
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
