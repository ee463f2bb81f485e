"""The options in SOCKETIO: their defaults, where each goes, and what is wrong with others."""

import re
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from channels_socketio import conf
from channels_socketio.conf import DEFAULTS, Options, find_problems
from channels_socketio.protocol.engine import EngineOptions
from channels_socketio.protocol.socketio import SocketIOOptions
from channels_socketio.tests.test_checks import WRONG


def test_the_defaults_are_those_of_the_protocols() -> None:
    options = Options.from_settings({})
    assert options == Options(
        EngineOptions(), SocketIOOptions(), 4_194_304, 256, 10.0, False, True, 604_800.0, 500, 1.0, 30.0
    )


def test_the_table_of_options_says_the_defaults() -> None:
    documented = dict(re.findall(r"^\| ([A-Z_]+) \| (\S+) \|", str(conf.__doc__), re.MULTILINE))
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
    )


@pytest.mark.parametrize(("settings", "problems"), WRONG)
def test_wrong_options_raise_with_all_that_is_wrong(settings: Any, problems: list[str]) -> None:
    assert find_problems(settings) == problems
    with pytest.raises(ImproperlyConfigured) as caught:
        Options.from_settings(settings)
    assert str(caught.value) == " ".join(problems)
