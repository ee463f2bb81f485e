"""System checks: each wrong value of SOCKETIO gets one exact sentence."""

import math
from typing import Any

import pytest
from django.core import checks
from pytest_django import Settings

from channels_socketio.checks import check_layer, check_options, check_packages
from channels_socketio.options import Options, option_types

KEYS = ", ".join(option_types(Options))
NO_REDIS = "expected an address that starts with redis:// or rediss:// or unix://, or an empty text"
NO_PREFIX = "expected at most 40 letters, digits, hyphens and underscores, got"
NO_PROXY = "expected addresses, networks such as 10.0.0.0/8, or 'unix', got"

WRONG: list[tuple[Any, list[str]]] = [
    (None, ["SOCKETIO: expected a dictionary, got NoneType."]),
    ([], ["SOCKETIO: expected a dictionary, got list."]),
    ("PING_INTERVAL", ["SOCKETIO: expected a dictionary, got str."]),
    ({"PING": 1}, [f"SOCKETIO['PING']: expected one of {KEYS}."]),
    ({"ping_interval": 1}, [f"SOCKETIO['ping_interval']: expected one of {KEYS}."]),
    ({1: 1}, [f"SOCKETIO[1]: expected one of {KEYS}."]),
    ({"PING_INTERVAL": 0}, ["SOCKETIO['PING_INTERVAL']: expected a number of seconds above 0, got 0."]),
    ({"PING_INTERVAL": -1.5}, ["SOCKETIO['PING_INTERVAL']: expected a number of seconds above 0, got -1.5."]),
    ({"PING_TIMEOUT": "20"}, ["SOCKETIO['PING_TIMEOUT']: expected a number of seconds above 0, got '20'."]),
    ({"CONNECT_TIMEOUT": None}, ["SOCKETIO['CONNECT_TIMEOUT']: expected a number of seconds above 0, got None."]),
    ({"CONNECT_TIMEOUT": math.inf}, ["SOCKETIO['CONNECT_TIMEOUT']: expected a number of seconds above 0, got inf."]),
    ({"UPGRADE_TIMEOUT": math.nan}, ["SOCKETIO['UPGRADE_TIMEOUT']: expected a number of seconds above 0, got nan."]),
    ({"UPGRADE_TIMEOUT": True}, ["SOCKETIO['UPGRADE_TIMEOUT']: expected a number of seconds above 0, got True."]),
    ({"MAX_PAYLOAD": 1.0}, ["SOCKETIO['MAX_PAYLOAD']: expected a whole number above 0, got 1.0."]),
    ({"MAX_PAYLOAD": 0}, ["SOCKETIO['MAX_PAYLOAD']: expected a whole number above 0, got 0."]),
    ({"BACKLOG": -1}, ["SOCKETIO['BACKLOG']: expected a whole number above 0, got -1."]),
    ({"QUEUE_BUDGET": True}, ["SOCKETIO['QUEUE_BUDGET']: expected a whole number above 0, got True."]),
    ({"MAX_NAMESPACES": "9"}, ["SOCKETIO['MAX_NAMESPACES']: expected a whole number above 0, got '9'."]),
    ({"LEGACY_CLIENTS": 1}, ["SOCKETIO['LEGACY_CLIENTS']: expected True or False, got 1."]),
    ({"LEGACY_CLIENTS": None}, ["SOCKETIO['LEGACY_CLIENTS']: expected True or False, got None."]),
    ({"LIMITS": "off"}, ["SOCKETIO['LIMITS']: expected True or False, got 'off'."]),
    ({"REQUIRE_ORIGIN": None}, ["SOCKETIO['REQUIRE_ORIGIN']: expected True or False, got None."]),
    ({"CONNECTIONS_PER_SESSION": 0}, ["SOCKETIO['CONNECTIONS_PER_SESSION']: expected a whole number above 0, got 0."]),
    ({"MESSAGES_PER_SECOND": 0.5}, ["SOCKETIO['MESSAGES_PER_SECOND']: expected a whole number above 0, got 0.5."]),
    ({"LIMITS_REDIS": None}, [f"SOCKETIO['LIMITS_REDIS']: {NO_REDIS}."]),
    ({"LIMITS_REDIS": "http://:secret@redis"}, [f"SOCKETIO['LIMITS_REDIS']: {NO_REDIS}."]),
    (
        {"TRUSTED_PROXIES": "10.0.0.1"},
        ["SOCKETIO['TRUSTED_PROXIES']: expected a list of addresses and networks, got '10.0.0.1'."],
    ),
    ({"TRUSTED_PROXIES": ["proxy"]}, [f"SOCKETIO['TRUSTED_PROXIES']: {NO_PROXY} 'proxy'."]),
    ({"TRUSTED_PROXIES": ["10.0.0.1/8"]}, [f"SOCKETIO['TRUSTED_PROXIES']: {NO_PROXY} '10.0.0.1/8'."]),
    ({"TRUSTED_PROXIES": ["::1", None]}, [f"SOCKETIO['TRUSTED_PROXIES']: {NO_PROXY} None."]),
    ({"PREFIX": None}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} None."]),
    ({"PREFIX": "a.b"}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} 'a.b'."]),
    ({"PREFIX": "tea house"}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} 'tea house'."]),
    ({"PREFIX": "thé"}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} 'thé'."]),
    ({"PREFIX": "tea\n"}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} 'tea\\n'."]),
    ({"PREFIX": "x" * 41}, [f"SOCKETIO['PREFIX']: {NO_PREFIX} {'x' * 41!r}."]),
    (
        {"BACKLOG": 0, "PING_INTERVAL": 25, "X": 1},
        ["SOCKETIO['BACKLOG']: expected a whole number above 0, got 0.", f"SOCKETIO['X']: expected one of {KEYS}."],
    ),
]


@pytest.mark.parametrize(("value", "problems"), WRONG)
def test_each_wrong_option_is_an_error_with_one_sentence(settings: Settings, value: Any, problems: list[str]) -> None:
    settings.SOCKETIO = value
    assert check_options() == [checks.Error(problem, id="channels_socketio.E001") for problem in problems]


@pytest.mark.parametrize("value", [{}, {"PING_INTERVAL": 1, "PING_TIMEOUT": 0.5, "MAX_PAYLOAD": 1}])
def test_good_options_pass(settings: Settings, value: dict[str, float]) -> None:
    settings.SOCKETIO = value
    assert check_options() == []


def test_no_options_at_all_are_good_options(settings: Settings) -> None:
    del settings.SOCKETIO
    assert check_options() == []


@pytest.mark.parametrize(
    ("layers", "ids"),
    [
        ({}, ["channels_socketio.I001"]),
        ({"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}, ["channels_socketio.I001"]),
        ({"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer"}}, []),
    ],
)
def test_a_layer_inside_one_process_is_worth_a_word(settings: Settings, layers: dict[str, Any], ids: list[str]) -> None:
    settings.CHANNEL_LAYERS = layers
    assert [(message.id, message.level) for message in check_layer()] == [(name, checks.INFO) for name in ids]


@pytest.mark.parametrize(
    ("url", "found", "ids"),
    [("redis://x", False, ["channels_socketio.E002"]), ("", False, []), ("redis://x", True, [])],
)
def test_a_package_that_an_option_needs_is_missed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, url: str, found: bool, ids: list[str]
) -> None:
    settings.SOCKETIO = {"LIMITS_REDIS": url}
    monkeypatch.setattr("channels_socketio.checks.find_spec", lambda name: object() if found else None)
    assert [message.id for message in check_packages()] == ids


def test_the_checks_run_with_djangos_own(settings: Settings) -> None:
    settings.SOCKETIO = {"BACKLOG": 0}
    assert "channels_socketio.E001" in [message.id for message in checks.run_checks()]
