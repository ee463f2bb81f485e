"""Records which functions of the project run, in all threads of this process.

`install` the recorder before anything else starts a thread. What counts is a call of a function, method or property of
the project, wherever it is called from. A coroutine or generator counts once, however often it is resumed. Lambdas,
comprehensions, generator expressions and functions that the standard library generates do not count. Neither do tests,
the benchmarks, the test client, nor what any of these calls: they are the driver.
"""

import asyncio
import inspect
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass
from functools import cache
from types import CodeType, FrameType
from typing import Any

from bench.server import ROOT
from channels_socketio import testing

FOLDERS = ("channels_socketio", "chat", "chatproject")
DRIVER = ("bench/", str(testing.__file__).removeprefix(f"{ROOT}/"))
RESUMED = inspect.CO_COROUTINE | inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
LOOP = asyncio.Handle._run.__code__  # below it is whoever runs the loop


@dataclass(frozen=True, slots=True)
class Call:
    """One call; `depth` counts the calls of the project below it on its stack."""

    file: str
    function: str
    depth: int


@dataclass(frozen=True, slots=True)
class Road:
    """The calls between an input and its output, in order."""

    name: str
    calls: list[Call]

    @property
    def files(self) -> dict[str, int]:
        """The number of calls by file, in the order of the first."""
        return dict(Counter(call.file for call in self.calls))


class Recorder:
    """Notes calls between `start` and `stop`; `last_call` is when there was any, by the performance counter."""

    def __init__(self) -> None:
        self.last_call = 0.0
        self._recording = False
        self._calls: list[Call] = []
        self._resumed: set[FrameType] = set()  # frames and not their ids, which would be used again

    def install(self) -> None:
        """Look at what this thread and all that are started from now on call."""
        threading.setprofile(self._profile)
        sys.setprofile(self._profile)

    def remove(self) -> None:
        """Look no more at what this thread and new ones call."""
        threading.setprofile(None)
        sys.setprofile(None)

    def start(self) -> None:
        """Note calls from now on."""
        self._calls, self._recording = [], True

    def stop(self) -> None:
        """Note no more."""
        self._recording = False
        self._resumed.clear()

    def road(self, name: str) -> Road:
        """Return what was noted last."""
        return Road(name, self._calls)

    def _profile(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or (file := find_file(frame.f_code)) is None or is_driver(file):
            return
        self.last_call = time.perf_counter()
        if not self._recording or frame in self._resumed or (depth := find_depth(frame)) is None:
            return
        if frame.f_code.co_flags & RESUMED:
            self._resumed.add(frame)
        self._calls.append(Call(file, frame.f_code.co_qualname, depth))


def find_depth(frame: FrameType) -> int | None:
    """Return how many calls of the project are below this one; None when the driver is what called it."""
    depth = 0
    while (back := frame.f_back) is not None and back.f_code is not LOOP:
        file = find_file(back.f_code)
        if file is not None and is_driver(file):
            return None
        depth += file is not None
        frame = back
    return depth


@cache
def find_file(code: CodeType) -> str | None:
    """Return the file of a function of the project or of the driver, relative to the root; None for anything else."""
    folder, _, _ = (file := code.co_filename.removeprefix(f"{ROOT}/")).partition("/")
    if code.co_name.startswith("<") or file == code.co_filename or folder not in (*FOLDERS, "bench"):
        return None
    return file


@cache
def is_driver(file: str) -> bool:
    """Return whether a file sends and reads what the roads are about, and is on none."""
    return file.startswith(DRIVER) or "/tests/" in file
