"""The arrows between the parts go one way: chatproject -> chat -> channels_socketio -> protocol."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = "channels_socketio"
# What would bring in I/O, a clock or chance. (`logging` is there for the names of its levels.)
IMPURE = {"asyncio", "datetime", "os", "random", "secrets", "select", "socket", "ssl", "threading", "time", "uuid"}
LAYER_READERS = {f"{APP}.{name}" for name in ("authority", "backplane", "checks", "emitter", "runtime")}


def modules(*packages: str) -> dict[str, Path]:
    """Return the modules of `packages` by dotted name, without tests and migrations."""
    found = {}
    for path in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not {"tests", "migrations", "node_modules"} & set(parts):
            found[".".join(parts)] = path
    return found


def imports(module: str, path: Path) -> Iterator[str]:
    """Yield the absolute names that a module imports anywhere, for types only included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def is_inside(name: str, package: str) -> bool:
    """Return whether `name` is `package` or something in it."""
    return f"{name}.".startswith(f"{package}.")


def offenders(package: str, forbidden: str) -> list[str]:
    """Return who in `package` imports something of `forbidden`."""
    return [
        f"{module}: {name}"
        for module, path in modules(package).items()
        for name in imports(module, path)
        if is_inside(name, forbidden)
    ]


@pytest.mark.parametrize(("module", "path"), modules(f"{APP}/protocol").items())
def test_the_protocol_needs_the_standard_library_only_and_neither_io_nor_clock_nor_chance(
    module: str, path: Path
) -> None:
    names = set(imports(module, path))
    outside = {name.partition(".")[0] for name in names if not is_inside(name, f"{APP}.protocol")}
    assert outside <= sys.stdlib_module_names - IMPURE


@pytest.mark.parametrize(
    ("module", "known"),
    [
        ("hub", set()),
        ("deadlines", set()),
        ("backplane", {"conf", "hub", "protocol"}),
        ("log", set()),
        ("tail", {"log", "payloads", "protocol"}),
        ("feed", {"backplane", "hub", "log", "protocol", "tail"}),
        ("relay", {"audience", "backplane"}),
        ("registry", {"connection"}),
        ("standing", {"endings"}),
        ("addresses", set()),
        ("limits", set()),
        ("places", set()),
        ("shared", {"limits"}),
        ("conf", {"addresses", "limits", "protocol"}),
        ("testing", {"protocol"}),
    ],
)
def test_small_rooms_know_little_of_this_app(module: str, known: set[str]) -> None:
    path = modules(APP)[f"{APP}.{module}"]
    names = {name.split(".")[1] for name in imports(f"{APP}.{module}", path) if is_inside(name, APP)}
    assert names == known


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        (APP, "chat"),
        (APP, "chatproject"),
        ("chat", "chatproject"),
        (APP, f"{APP}.testing"),
        (APP, f"{APP}.tests"),
    ],
)
def test_no_arrow_points_back(package: str, forbidden: str) -> None:
    assert offenders(package, forbidden) == []


def test_few_modules_reach_for_the_channel_layer_and_one_for_its_classes() -> None:
    found = {module: set(imports(module, path)) for module, path in modules(APP).items()}
    readers = {module for module, names in found.items() if any(is_inside(name, "channels.layers") for name in names)}
    assert readers <= LAYER_READERS
    for module in readers - {f"{APP}.backplane"}:
        names = {name for name in found[module] if is_inside(name, "channels.layers")}
        assert names == {"channels.layers.get_channel_layer"}, module


def test_the_walk_sees_this_project() -> None:
    """Guards the tests above against finding nothing to check."""
    found = modules(APP, "chat", "chatproject")
    assert {f"{APP}.protocol.engine", f"{APP}.hub", "chat.models", "chatproject.settings"} <= found.keys()
    assert f"{APP}.protocol.engine.EngineProtocol" in set(imports(f"{APP}.connection", found[f"{APP}.connection"]))
