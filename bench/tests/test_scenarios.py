"""Every scenario with every server, short and with few clients."""

import json
import shutil
from pathlib import Path

import pytest

from bench.__main__ import SCENARIOS, SERVERS, main
from channels_socketio.tests.processes import require

FEW = "--clients 20 --connects 20 --idle 20 --polling 20 --seconds 1 --heartbeat 2 --rounds 1 --in-flight 1 4"


@pytest.mark.parametrize("server", SERVERS)
def test_every_scenario_has_figures_for_every_server(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if server == "original":
        require(shutil.which("node") is not None and shutil.which("npm") is not None, "Node and npm")
    path = tmp_path / "results.json"
    main([*FEW.split(), "--server", server, "--results", str(path)])
    report = json.loads(path.read_text())
    assert set(report["medians"]) == set(SCENARIOS)
    assert [row["in_flight"] for row in report["medians"]["fanout"]] == [1, 4]
    for rows in report["medians"].values():
        for row in rows:
            assert row["clients"] == 20
            assert row["server_busy"] > 0
    table = capsys.readouterr().out
    assert table.count(f"| {SERVERS[server].name} |") == 5


def test_a_peer_that_cannot_run_here_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bench.peers.servers.shutil.which", lambda program: None)
    path = tmp_path / "results.json"
    main(["--server", "original", "--scenario", "connect", "--results", str(path)])
    assert json.loads(path.read_text())["runs"] == {"connect": []}
    assert "original (Node) is left out: it needs Node and npm" in capsys.readouterr().err
