"""The store on both databases: its whole contract on PostgreSQL, and several processes that write at the same time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from channels_socketio.tests.support.processes import ROOT
from chat.tests.concurrent_writers import OWN, SHARED
from chat.tests.postgres import Postgres
from chat.tests.site import Site

CONTRACT = [
    "test_services.py",
    "test_moderation.py",
    "test_erasure.py",
    "test_services_properties.py",
    "test_log.py",
    "test_writer.py",
    "test_consumers.py",
    "test_session_changes.py",
]
PROCESSES = 3
READ = """
import json
from chat.models import Message, Room
rows = Message.objects.order_by("room", "seq").values_list("room__slug", "seq", "deletion")
rooms = Room.objects.values_list("slug", "head", "deletions")
print(json.dumps([list(rows), list(rooms)]))
"""


def test_the_contract_holds_on_postgresql(postgres: Postgres) -> None:
    """The tests of the store, once more, in a process whose database is PostgreSQL."""
    tests = [f"chat/tests/{name}" for name in CONTRACT]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    env = os.environ | {"DATABASE_URL": postgres.url}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url


def test_processes_that_write_at_the_same_time(database_url: str, tmp_path: Path) -> None:
    site = Site(tmp_path, env={"DATABASE_URL": database_url})  # for its management commands; it does not serve
    site.manage("migrate", "--verbosity", "0")
    site.manage("shell", "-v", "0", "-c", "from chat.models import Visitor; Visitor.objects.create()")
    command = [sys.executable, "-m", "chat.tests.concurrent_writers"]
    env = os.environ | site.env
    writers = [
        subprocess.Popen([*command, str(seed)], cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for seed in range(1, PROCESSES + 1)
    ]
    results = [writer.communicate(timeout=60) for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * PROCESSES, results
    first, *others = [json.loads(output) for output, _ in results]
    assert len(first) == len(SHARED)
    assert all(receipts == first for receipts in others)
    rows, rooms = json.loads(site.manage("shell", "-v", "0", "-c", READ))
    assert len(rows) == len(SHARED) + PROCESSES * OWN
    for slug, head, deletions in rooms:
        assert [seq for room, seq, _ in rows if room == slug] == list(range(1, head + 1))
        numbers = [number for room, _, number in rows if room == slug and number is not None]
        assert sorted(numbers) == list(range(1, deletions + 1))
    assert sum(deletions for _, _, deletions in rooms) > 0
