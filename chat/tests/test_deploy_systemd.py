"""The systemd units: each command in them runs, and systemd itself finds nothing wrong with them."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from channels_socketio.servers.serve import CLOSE_SECONDS, GRACE_SECONDS
from channels_socketio.tests.support.processes import ROOT, Process, free_port, wait_until
from chat.tests.deployment import DEPLOY, clean, replaced, run, variables

UNITS = DEPLOY / "systemd"
FOLDER, PYTHON = "/srv/chat", "/srv/chat/.venv/bin/python"
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
# What MemoryDenyWriteExecute does, where the kernel can do it by itself (6.3): no memory becomes executable later.
CONFINED = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
LEAST_SAFE = 40  # tenths: systemd calls up to 5.0 medium, and 9.6 is a service without any of the lines


def unit(name: str) -> dict[str, list[str]]:
    """Return what a unit says: the values of each key, which must be in a section."""
    values: dict[str, list[str]] = {}
    section = None
    for line in (UNITS / name).read_text().splitlines():
        if line.startswith("["):
            section = line
        elif line and not line.startswith("#"):
            assert section is not None
            key, equals, value = line.partition("=")
            assert equals, f"expected KEY=VALUE, got {line!r}"
            values.setdefault(key, []).append(value)
    return values


def environment(folder: Path) -> dict[str, str]:
    """Return the variables of the example for the units, filled in."""
    example = variables(UNITS / "chat.env.example")
    assert [name for name, value in example.items() if not value] == ["SECRET_KEY"]
    return example | {"SECRET_KEY": "k" * 50, "DATABASE_URL": f"sqlite:///{folder / 'chat.sqlite3'}", "REDIS_URL": ""}


def command(name: str, port: int = 8000) -> list[str]:
    """Return what a service runs, with this Python."""
    (line,) = unit(name)["ExecStart"]
    return shlex.split(replaced(line, {PYTHON: sys.executable}).replace("%i", str(port)))


def test_the_units_migrate_serve_and_clear(tmp_path: Path) -> None:
    env, port = environment(tmp_path), free_port()
    assert unit("chat@.service")["MemoryDenyWriteExecute"] == ["true"]
    confined = [sys.executable, "-c", CONFINED, *command("chat@.service", port)]
    assert "Applying chat." in run(command("chat-migrate.service"), env).stdout
    process = Process(["env", "-i", *(f"{k}={v}" for k, v in clean(env).items()), *confined], tmp_path / "log")
    process.start()
    check = [sys.executable, "deploy/healthcheck.py", str(port)]
    try:
        wait_until(
            lambda: subprocess.run(check, cwd=ROOT, env=clean(env), capture_output=True, check=False).returncode == 0,
            f"it was ready: {process.output()}",
            30,
        )
        run(command("chat-clearsessions.service"), env)
    finally:
        status = process.stop()
    assert status == 0, process.output()


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_place_and_user(name: str) -> None:
    service = unit(name)
    assert (service["WorkingDirectory"], service["User"]) == ([FOLDER], ["chat"])
    assert service["EnvironmentFile"] == ["/etc/chat/chat.env"]
    (document,) = service["Documentation"]
    assert (ROOT / document.removeprefix(f"file://{FOLDER}/")).is_file()


def test_a_process_has_the_time_that_its_goodbye_takes() -> None:
    assert int(unit("chat@.service")["TimeoutStopSec"][0]) > CLOSE_SECONDS + GRACE_SECONDS


def test_the_timer_has_its_service() -> None:
    timers = [path.stem for path in UNITS.glob("*.timer")]
    assert timers == ["chat-clearsessions"]
    assert f"{timers[0]}.service" in SERVICES
    assert unit("chat-clearsessions.timer")["OnCalendar"] == ["daily"]


@pytest.fixture
def installed(tmp_path: Path) -> list[str]:
    """Copies of the units in which the program and the documents are where they are here."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not here; the other tests read and run the units by themselves")
    for path in UNITS.glob("chat*.*"):
        text = path.read_text().replace(PYTHON, sys.executable).replace(f"file://{FOLDER}", f"file://{ROOT}")
        (tmp_path / path.name.replace("@", "@8000")).write_text(text)
    return [str(path) for path in sorted(tmp_path.iterdir()) if path.suffix in {".service", ".timer"}]


def test_systemd_has_no_complaint(installed: list[str]) -> None:
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *installed], capture_output=True, text=True, check=False
    )
    assert (done.returncode, [line for line in done.stderr.splitlines() if "chat" in line]) == (0, [])


def test_systemd_calls_the_services_safe(installed: list[str]) -> None:
    for path in installed:
        if path.endswith(".service"):
            analyze = ["systemd-analyze", "security", "--offline=true", f"--threshold={LEAST_SAFE}", path]
            done = subprocess.run(analyze, capture_output=True, text=True, check=False)
            assert done.returncode == 0, re.findall(r"Overall exposure.*", done.stdout) or done.stderr
