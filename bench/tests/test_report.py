"""Reports from figures that are made up."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from bench import goals, report
from bench.chat import Chat, DaphneChat, LimitedChat
from bench.peers.servers import Original, PythonSocketIO
from bench.tables import text
from channels_socketio.tests.support.processes import require

BUSY = {"seconds": 2.0, "server_busy": 0.5, "load_busy": 0.05}
FLOOD = ("p99_ms", "longest_ms", "accepted_per_second", "refused_per_second", "closed_per_second")
SETTINGS = {
    "rounds": 3,
    "long_rounds": 1,
    "long_room": 1000,
    "stored_in_flight": 4,
    "room": 1000,
    "smallest_room": 100,
    "largest_room": 10_000,
    "rooms": 100,
    "members": 10,
    "senders": 100,
    "bystanders": 100,
    "flood_sockets": 20,
    "heartbeat": 25,
}


def fanout(server: str, clients: int, in_flight: int, cpu: float) -> dict[str, Any]:
    """Return a row."""
    figures = {"server_us_per_delivery": cpu, "load_us_per_delivery": 1.0}
    figures |= {"deliveries_per_second": round(1e6 / cpu), "frame_bytes": 200}
    return {"server": server, "clients": clients, "in_flight": in_flight, **figures, **BUSY}


@pytest.fixture
def data() -> dict[str, Any]:
    """Return what a run may have found."""
    rows = [
        fanout(Chat.name, 100, 4, 4.0),
        fanout(Chat.name, 1000, 4, 2.0),
        fanout(Chat.name, 10_000, 4, 3.0),
        fanout(DaphneChat.name, 1000, 4, 20.0),
        fanout(Original.name, 1000, 4, 8.0),
        fanout(PythonSocketIO.name, 1000, 4, 40.0),
    ]
    connects = [{"server": Chat.name, "clients": 1000, "connects_per_second": 500, "server_ms_per_connect": 1.5}]
    connects = [row | {"load_ms_per_connect": 0.1} | BUSY for row in connects]
    floods = [{"server": LimitedChat.name, "clients": 100, "flood": 0, "p50_ms": 2.0}]
    floods += [floods[0] | {"flood": 20, "p50_ms": 3.0}]
    floods = [row | dict.fromkeys(FLOOD, 1.0) | BUSY for row in floods]
    machine = {"processor": "abacus", "cores": 2, "system": "Linux", "load_average_before": 0.1}
    return {
        "date": "2026-01-01",
        "machine": machine,
        "pinned": True,
        "command": "script/bench",
        "minutes": 12.3,
        "settings": SETTINGS,
        "versions": {Chat.name: {"Python": "3.11"}},
        "medians": {"fanout": rows, "connect": connects, "flood": floods},
        "runs": {},
    }


def test_ratios_compare_the_same_settings_and_leave_out_what_was_not_measured(data: dict[str, Any]) -> None:
    rows = [(row["what"], row["beside"], row["ratio"]) for row in goals.rows(data)]
    beside = "latency beside a flood over 20 sockets,"
    deliveries = "deliveries/s, room of 1,000, 4 in flight"
    assert rows == [
        ("server CPU per delivery, room of 1,000, 4 in flight, µs", Original.name, "0.25"),
        (deliveries, PythonSocketIO.name, "20.00"),
        (deliveries, Original.name, "4.00"),
        (f"{deliveries}, {DaphneChat.name}", PythonSocketIO.name, "2.00"),
        ("server CPU per delivery, room of 10,000, 4 in flight, µs", f"{Chat.name}, clients 100", "0.75"),
        (f"{beside} half of the receivers, ms, {LimitedChat.name}", f"{LimitedChat.name}, flood 0", "1.50"),
        (f"{beside} 99% of the receivers, ms, {LimitedChat.name}", f"{LimitedChat.name}, flood 0", "1.00"),
    ]


def test_medians_are_of_runs_with_the_same_settings() -> None:
    runs = [fanout("a", 100, 1, cpu) for cpu in (1.0, 2.0, 9.0)] + [fanout("a", 100, 4, 5.0)]
    assert [row["server_us_per_delivery"] for row in report.medians(runs)] == [2.0, 5.0]


def test_figures_take_the_place_of_the_earlier_ones_and_of_nothing_else(data: dict[str, Any], tmp_path: Path) -> None:
    places = report.ConnectionCounts.folder(tmp_path)
    places.text.write_text(f"# Head\n\n{report.BEGIN}\nold\n{report.END}\n\nFoot\n")
    report.write(data, places, draw=False)
    first = places.text.read_text()
    report.write(data, places, draw=False)
    assert places.text.read_text() == first
    assert first.startswith(f"# Head\n\n{report.BEGIN}\n")
    assert first.endswith(f"\n{report.END}\n\nFoot\n")
    assert "old" not in first
    assert "| this chat (serve) | 10,000 | 4 | 3.00 |" in first


def test_a_text_without_marks_is_left_alone(data: dict[str, Any], tmp_path: Path) -> None:
    places = report.ConnectionCounts.folder(tmp_path)
    places.text.write_text("# Head\n")
    with pytest.raises(ValueError, match="expected the marks"):
        report.write(data, places, draw=False)
    assert places.text.read_text() == "# Head\n"


def test_the_project_has_the_marks() -> None:
    body = report.put(report.ConnectionCounts.project().text.read_text(), "BODY")
    assert f"{report.BEGIN}\n\nBODY\n\n{report.END}" in body


def test_plots_of_the_same_figures_are_the_same_files(data: dict[str, Any], tmp_path: Path) -> None:
    require(find_spec("matplotlib") is not None, "matplotlib")
    from bench import plots

    names = plots.draw(data, tmp_path / "one")
    assert names == plots.draw(data, tmp_path / "two")
    assert names == ["cpu-per-delivery.svg", "cpu-by-room.svg", "deliveries.svg", "connects.svg"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert "this chat (serve)" in (tmp_path / "one" / names[0]).read_text()


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("clients", 10_000, "10,000"),
        ("server_busy", 0.051, "5.1%"),
        ("server_busy", 0.51, "51%"),
        ("p50_ms", 0.5, "0.50"),
        ("p50_ms", 123.456, "123.5"),
        ("rate", 1234.5, "1,234"),
    ],
)
def test_cells(column: str, value: float, cell: str) -> None:
    assert text(column, value) == cell
