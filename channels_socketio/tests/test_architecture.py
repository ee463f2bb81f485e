"""The rooms of the library and the arrows between them."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = "channels_socketio"
SERVE = "management.commands.serve"
# What would bring in I/O, a clock or chance. (`logging` is there for the names of its levels.)
IMPURE = {"asyncio", "datetime", "os", "random", "secrets", "select", "socket", "ssl", "threading", "time", "uuid"}
# What each room imports when it runs: folders, and modules at the top.
ARROWS: dict[str, set[str]] = {
    "protocol": set(),
    "limits": {"loops"},
    "exceptions": {"protocol"},
    "loops": set(),
    "sessions": {"protocol"},
    "options": {"limits", "protocol"},
    "fanout": {"options", "protocol", "sessions"},
    "history": {"fanout", "protocol"},
    "connections": {"exceptions", "fanout", "history", "limits", "loops", "options", "protocol", "sessions"},
    "handshake": {"connections", "exceptions", "fanout", "limits", "options", "protocol", "sessions"},
    "transports": {"connections", "exceptions", "fanout", "handshake", "protocol", "servers"},
    "servers": {"connections", "protocol"},
    "middleware": {"handshake", "limits", "protocol", "servers", "sessions"},
    "consumer": {"exceptions", "history", "sessions"},
    "server": {"connections", "consumer", "handshake", "middleware", "options", "sessions", "transports"},
    "emitter": {"fanout"},
    "revocation": {"fanout", "sessions"},
    "signals": {"revocation", "sessions"},
    "checks": {"fanout", "options"},
    "apps": {"checks", "signals"},
    "management": {"fanout", "options", "servers"},
    "testing": {"protocol"},
}
# What is imported for types only, beside these.
TYPES: dict[str, set[str]] = {"consumer": {"connections"}, "connections": {"consumer"}}
MODULES_AT_THE_TOP = 15
FILES_IN_A_CIRCLE_OF_TYPES = 7
LAYER_READERS = {f"{APP}.{name}" for name in ("checks", "connections.runtime", "fanout.backplane", SERVE)}


def modules(*packages: str) -> dict[str, Path]:
    """Return the modules of `packages` by dotted name, without tests and migrations."""
    found = {}
    for path in sorted(path for package in packages for path in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not {"tests", "migrations", "node_modules"} & set(parts):
            found[".".join(parts)] = path
    return found


def imports(module: str, path: Path, types: bool = True) -> Iterator[str]:
    """Yield the absolute names that a module imports anywhere, with `types` also those for types only."""
    tree = ast.parse(path.read_text())
    for_types = {id(node) for block in ast.walk(tree) if is_type_checking(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in for_types and not types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: -node.level] if node.level else []
            source = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{source}.{alias.name}" for alias in node.names)


def is_type_checking(node: ast.AST) -> bool:
    """Return whether a node is `if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def is_inside(name: str, package: str) -> bool:
    """Return whether `name` is `package` or something in it."""
    return f"{name}.".startswith(f"{package}.")


def room(name: str) -> str:
    """Return the folder or the module at the top that a name of the library is in."""
    return name.split(".")[1]


def arrows(types: bool) -> dict[str, set[str]]:
    """Return which rooms of the library import which."""
    found: dict[str, set[str]] = {}
    for module, path in modules(APP).items():
        ours = {room(name) for name in imports(module, path, types) if is_inside(name, APP) and name != APP}
        found.setdefault(room(module), set()).update(ours - {room(module)})
    return {name: rooms for name, rooms in found.items() if name != "__init__"}


def graph(types: bool) -> dict[str, set[str]]:
    """Return which files of the library import which."""
    known = modules(APP)
    found: dict[str, set[str]] = {}
    for module, path in known.items():
        names = [name for name in imports(module, path, types) if is_inside(name, APP)]
        targets = {target for name in names for target in (name, name.rpartition(".")[0]) if target in known}
        found[module] = targets | {f"{name}.__init__" for name in names if f"{name}.__init__" in known}
    return found


def arrows_to(target: str, sources: dict[str, Path]) -> list[str]:
    """Return which of the modules import `target` or something in it."""
    found = [(module, name) for module, path in sources.items() for name in imports(module, path)]
    return [f"{module}: {name}" for module, name in found if is_inside(name, target)]


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Return the sets of files that reach each other."""
    reach = {start: reached(edges, start) for start in edges}
    found = [frozenset(end for end in reach[start] if start in reach[end]) for start in edges if start in reach[start]]
    return [set(circle) for circle in set(found)]


def reached(edges: dict[str, set[str]], start: str) -> set[str]:
    """Return all files that a file leads to."""
    seen: set[str] = set()
    waiting = list(edges[start])
    while waiting:
        if (file := waiting.pop()) not in seen:
            seen.add(file)
            waiting += edges.get(file, ())
    return seen


@pytest.mark.parametrize(("module", "path"), modules(f"{APP}/protocol").items())
def test_the_protocol_needs_the_standard_library_only_and_neither_io_nor_clock_nor_chance(
    module: str, path: Path
) -> None:
    names = set(imports(module, path))
    outside = {name.partition(".")[0] for name in names if not is_inside(name, f"{APP}.protocol")}
    assert outside <= sys.stdlib_module_names - IMPURE


def test_the_arrows_between_the_rooms_are_these() -> None:
    assert arrows(types=False) == ARROWS


def test_types_add_no_other_arrows_than_these() -> None:
    more = {name: rooms - ARROWS[name] for name, rooms in arrows(types=True).items()}
    assert {name: rooms for name, rooms in more.items() if rooms} == TYPES


def test_no_files_import_each_other_in_a_circle() -> None:
    assert circles(graph(types=False)) == []


def test_the_circle_of_types_is_small() -> None:
    assert [circle for circle in circles(graph(types=True)) if len(circle) > FILES_IN_A_CIRCLE_OF_TYPES] == []


def test_few_modules_stand_at_the_top() -> None:
    assert len([module for module in modules(APP) if module.count(".") == 1]) <= MODULES_AT_THE_TOP


@pytest.mark.parametrize("forbidden", [f"{APP}.testing", f"{APP}.tests"])
def test_the_library_needs_nothing_of_its_tests(forbidden: str) -> None:
    assert arrows_to(forbidden, modules(APP)) == []


def test_few_modules_reach_for_the_channel_layer_and_one_for_its_classes() -> None:
    found = {module: set(imports(module, path)) for module, path in modules(APP).items()}
    readers = {module for module, names in found.items() if any(is_inside(name, "channels.layers") for name in names)}
    assert readers <= LAYER_READERS
    for module in readers - {f"{APP}.fanout.backplane"}:
        names = {name for name in found[module] if is_inside(name, "channels.layers")}
        assert names == {"channels.layers.get_channel_layer"}, module


def test_the_walk_sees_this_project() -> None:
    """Guards the tests above against finding nothing to check."""
    found = modules(APP)
    assert {f"{APP}.protocol.engine", f"{APP}.fanout.hub"} <= found.keys()
    connection = f"{APP}.connections.connection"
    assert f"{APP}.protocol.engine.EngineProtocol" in set(imports(connection, found[connection]))
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == [{"b", "c"}]
