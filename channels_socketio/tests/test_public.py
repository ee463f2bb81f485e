"""The names that applications may import, and that they are all the chat needs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import channels_socketio
from channels_socketio.tests.support.processes import ROOT

NAMES = [
    "BANNED",
    "Connection",
    "Credential",
    "ENDED",
    "EXPIRED",
    "EndReason",
    "Handshake",
    "Item",
    "Limiter",
    "Log",
    "NEWEST",
    "Network",
    "Page",
    "PerLoop",
    "Position",
    "Rate",
    "Reason",
    "Refusal",
    "Refused",
    "SessionStatus",
    "SocketEnded",
    "SocketIOConsumer",
    "SocketIOServer",
    "aannounce",
    "address_of_request",
    "aemit",
    "announce",
    "block_of",
    "count_fitting",
    "counted_as",
    "current_runtime",
    "emit",
    "end_sessions",
    "end_user",
    "look_at_all",
    "look_at_sessions",
    "look_at_user",
    "network_of",
    "notices",
    "on",
    "parse_address",
    "require_login_session",
    "rotate_sessions",
    "session_gone",
]


def test_these_names_are_public() -> None:
    assert sorted(channels_socketio.__all__) == NAMES
    assert set(NAMES) <= set(dir(channels_socketio))


@pytest.mark.parametrize("name", NAMES)
def test_each_public_name_is_there_and_is_no_module(name: str) -> None:
    assert getattr(channels_socketio, name) is not None
    assert not (Path(channels_socketio.__file__).parent / name).exists()
    assert not (Path(channels_socketio.__file__).parent / f"{name}.py").exists()


def test_another_name_is_none() -> None:
    with pytest.raises(AttributeError, match=r"^module 'channels_socketio' has no attribute 'hub'$"):
        getattr(channels_socketio, "hub")  # noqa: B009


def test_type_checkers_are_told_the_same() -> None:
    stub = ast.parse(Path(channels_socketio.__file__).with_suffix(".pyi").read_text())
    told = {
        alias.asname: f".{node.module}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == vars(channels_socketio)["SOURCES"]


@pytest.mark.parametrize("name", ["channels_socketio", "channels_socketio.protocol.socketio"])
def test_the_protocol_is_imported_without_django_and_channels(name: str) -> None:
    code = f"import sys, {name}; print({{'django', 'channels', 'msgspec'}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_server_before_django_is_set_up_is_told_what_is_missing() -> None:
    code = "from channels_socketio import SocketIOServer; SocketIOServer([])"
    environment = {"DJANGO_SETTINGS_MODULE": "channels_socketio.tests.settings"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True)
    last = done.stderr.strip().splitlines()[-1]
    assert last.endswith("expected SocketIOServer below `get_asgi_application()`, which sets Django up.")
