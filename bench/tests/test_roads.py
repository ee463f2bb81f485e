"""The roads of the chat, each time in a process of its own, and what the recorder counts."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.recorder import Recorder
from bench.roads import CEILINGS, decode_frames
from bench.server import ROOT

FILE = ROOT / "chat" / "made_for_this_test.py"  # there is none
FUNCTIONS = """
def outer():
    return inner() + sum(inner() for _ in [0]) + (lambda: inner())()

def inner():
    return 1

async def wait():
    await step()

async def step():
    for _ in range(3):
        await sleep(0)
    inner()
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, dict[str, Any]]]:
    """What three runs print and write."""
    found = []
    for number in range(3):
        place = tmp_path_factory.mktemp("roads") / f"{number}.json"
        command = [sys.executable, "-m", "bench.roads", "--calls", "--json", str(place)]
        run = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        found.append((run.stdout, json.loads(place.read_text())))
    return found


def test_every_run_finds_the_same_calls_in_the_same_order(runs: list[tuple[str, dict[str, Any]]]) -> None:
    assert runs[0] == runs[1] == runs[2]


def test_every_road_has_its_files_and_calls(runs: list[tuple[str, dict[str, Any]]]) -> None:
    text, roads = runs[0]
    assert list(roads) == list(CEILINGS)
    for name, road in roads.items():
        assert sum(road["files"].values()) == road["calls"] >= len(road["files"]) > 10
        assert all((ROOT / file).is_file() for file in road["files"])
        assert f"| {name} | {len(road['files'])} |" in text
        assert {Path(file).parts[0] for file in road["files"]} == {"channels_socketio", "chat"}
        assert not {"testing.py", "tests"} & {part for file in road["files"] for part in Path(file).parts}


@pytest.mark.parametrize("name", CEILINGS)
def test_no_road_is_longer_than_it_may_be(name: str, runs: list[tuple[str, dict[str, Any]]]) -> None:
    road = runs[0][1][name]
    files, calls = CEILINGS[name]
    assert len(road["files"]) <= files
    assert road["calls"] <= calls


async def test_only_what_the_loop_leads_to_counts_and_a_coroutine_once() -> None:
    names: dict[str, Any] = {"sleep": asyncio.sleep}
    exec(compile(FUNCTIONS, FILE, "exec"), names)
    recorder = Recorder()
    recorder.install()
    try:
        recorder.start()
        asyncio.get_running_loop().call_soon(names["outer"])
        await asyncio.create_task(names["wait"]())
        names["outer"]()
        await names["wait"]()
        recorder.stop()
    finally:
        recorder.remove()
    calls = [(call.function, call.depth) for call in recorder.road("").calls]
    assert calls == [("outer", 0), ("inner", 1), ("inner", 1), ("inner", 1), ("wait", 0), ("step", 1), ("inner", 2)]
    assert recorder.road("").files == {"chat/made_for_this_test.py": 7}


def test_decoded_frames_are_the_texts_that_were_encoded() -> None:
    frames = b"\x81\x00" + b"\x81\x01a" + b"\x81\x7e\x01\x00" + b"b" * 256
    frames += b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + b"c" * 65_536
    assert list(decode_frames(frames)) == ["", "a", "b" * 256, "c" * 65_536]
