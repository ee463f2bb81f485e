"""Every scenario with every server, short and with few clients."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from bench import crowd, meter
from bench.__main__ import SERVERS, main
from channels_socketio.tests.support.processes import require

FETCHED = {"original", "python-socketio", "tutorial", "django-sio"}
QUICK = ["--quick", "--clients", "10", "20", "--in-flight", "1", "4", "--seconds", "0.2"]


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a server hardly any time to rest between two parts: that is for figures that count."""
    monkeypatch.setattr(crowd, "GOODBYE_SECONDS", 0.05)
    monkeypatch.setattr(meter, "QUIET_WINDOW", 0.05)


def need(server: str) -> None:
    """Skip the test unless the server is there; under CI it is fetched, if a package manager can do so."""
    if server == "original":
        require(shutil.which("node") is not None and shutil.which("npm") is not None, "Node and npm")
    kind = SERVERS[server]
    if not kind(core=None, heartbeat=25).installed() and not (server in FETCHED and os.environ.get("CI") == "true"):
        pytest.skip(f"{kind.name} is not installed; script/bench does that, as far as it can")


@pytest.mark.parametrize("server", SERVERS)
def test_every_scenario_has_figures_for_every_server(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need(server)
    rate = [] if server == "chat" else ["--rate", "100"]
    main([*QUICK, *rate, "--server", server, "--no-plots", "--output", str(tmp_path)])
    report = json.loads((tmp_path / "results.json").read_text())
    kind = SERVERS[server]
    assert {scenario for scenario, rows in report["medians"].items() if rows} == set(kind.scenarios)
    settings = [(row["clients"], row["in_flight"]) for row in report["medians"]["fanout"]]
    in_flight = (kind.in_flight or (1, 4)) if "fanout" in kind.scenarios else ()
    assert settings == [(size, messages) for size in (10, 20) for messages in in_flight]
    for rows in report["medians"].values():
        for row in rows:
            assert row["clients"] in {10, 20, 40}
            assert row["server_busy"] > 0
    for row in report["medians"].get("fanout", []):
        check_fanout(row)
    if server == "chat":
        check_rate(report["medians"])
    table = capsys.readouterr().out
    assert table.count(f"| {kind.name} |") == sum(map(len, report["medians"].values()))


def check_fanout(row: dict[str, Any]) -> None:
    """Check that the figures fit together: but for those under way at begin and end, all messages got to everybody."""
    assert row["messages"] > 0
    assert row["deliveries"] >= row["clients"] * (row["messages"] - 2 * row["in_flight"])
    assert row["server_us_per_delivery"] > 0


def check_rate(medians: dict[str, list[dict[str, Any]]]) -> None:
    """Check that the rate for latency, when none is given, is half of what the reference manages."""
    [top] = [row for row in medians["fanout"] if (row["clients"], row["in_flight"]) == (20, 4)]
    [row] = medians["latency"]
    assert row["rate"] == pytest.approx(top["deliveries_per_second"] / 20 / 2, rel=0.01)
    assert 0 < row["p50_ms"] <= row["p99_ms"] <= row["longest_ms"]


def test_a_peer_that_cannot_run_here_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda program: None)
    main(["--server", "original", "nchan", "--scenario", "fanout", "--no-plots", "--output", str(tmp_path)])
    assert json.loads((tmp_path / "results.json").read_text())["runs"] == {"fanout": []}
    said = capsys.readouterr().err
    assert "original (Node) is left out: it needs Node and npm" in said
    assert "nginx + nchan is left out: it needs nginx and libnginx-mod-nchan" in said
