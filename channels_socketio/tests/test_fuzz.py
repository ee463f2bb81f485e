"""What strangers send disturbs nobody: no traceback, no connection left, flat memory, the others go on."""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from channels_socketio.tests.fuzz import Fuzz, Report, new_packet
from channels_socketio.tests.support.contract_site import ContractApp
from channels_socketio.tests.support.processes import ROOT


@pytest.mark.parametrize(("server", "count"), [("daphne", 3_000), ("serve", 7_000)])
async def test_random_packets_disturb_nobody(tmp_path: Path, server: str, count: int) -> None:
    seed = random.randrange(2**32)
    print(f"python -m channels_socketio.tests.fuzz --count {count} --seed {seed} --server {server}")  # noqa: T201
    with ContractApp(tmp_path, server) as contract_app:
        report = await Fuzz(contract_app, count, seed).run()
    assert report.problems() == []
    assert report.packets >= count
    assert {200, 400, 403} <= report.statuses.keys()


def test_the_command_reports_and_its_status_tells() -> None:
    command = [sys.executable, "-m", "channels_socketio.tests.fuzz", "--count", "200", "--seed", "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("seed 1: Report(packets=2")


def test_a_seed_makes_the_same_packets() -> None:
    def packets(seed: int) -> list[str | bytes]:
        chance = random.Random(seed)
        return [new_packet(chance) for _ in range(1000)]

    assert packets(1) == packets(1) != packets(2)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({}, None),
        ({"errors": ["Traceback"]}, "in the log: Traceback"),
        ({"stuck": ["_by_polling"]}, "stuck: _by_polling"),
        ({"statuses": {500: 1}}, "answered with 500"),
        ({"left_over": {"sockets": 1}}, "left over: 1 sockets"),
        ({"memory": [0, 0, 0, 20_000_000]}, "memory grew by 20000000 bytes"),
        ({"echoes": 0}, "the witnesses heard nothing"),
    ],
)
def test_a_report_names_what_must_not_be(change: dict[str, object], problem: str | None) -> None:
    report = Report(echoes=1, memory=[0, 50_000_000, 50_000_000, 50_000_000])
    for name, value in change.items():
        setattr(report, name, value)
    assert report.problems() == ([] if problem is None else [problem])
