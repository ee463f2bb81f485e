"""Every scenario with every server, short and with few clients."""

import json
import os
import shutil
from pathlib import Path

import pytest

from bench.__main__ import SERVERS, main
from channels_socketio.tests.processes import require

FETCHED = {"original", "python-socketio", "tutorial", "django-sio"}
QUICK = ["--quick", "--in-flight", "1", "4"]


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
    main([*QUICK, "--server", server, "--rate", "20", "--no-plots", "--output", str(tmp_path)])
    report = json.loads((tmp_path / "results.json").read_text())
    kind = SERVERS[server]
    assert {scenario for scenario, rows in report["medians"].items() if rows} == set(kind.scenarios)
    settings = [(row["clients"], row["in_flight"]) for row in report["medians"]["fanout"]]
    in_flight = (kind.in_flight or (1, 4)) if "fanout" in kind.scenarios else ()
    assert settings == [(size, messages) for size in (20, 40) for messages in in_flight]
    for rows in report["medians"].values():
        for row in rows:
            assert row["clients"] in {20, 40}
            assert row["server_busy"] > 0
    table = capsys.readouterr().out
    assert table.count(f"| {kind.name} |") == sum(map(len, report["medians"].values()))


def test_the_rate_for_latency_is_half_of_what_the_reference_manages(tmp_path: Path) -> None:
    main([*QUICK, "--server", "chat", "--scenario", "fanout", "latency", "--no-plots", "--output", str(tmp_path)])
    medians = json.loads((tmp_path / "results.json").read_text())["medians"]
    [top] = [row for row in medians["fanout"] if (row["clients"], row["in_flight"]) == (40, 4)]
    [row] = medians["latency"]
    assert row["rate"] == pytest.approx(top["deliveries_per_second"] / 40 / 2, rel=0.01)
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
