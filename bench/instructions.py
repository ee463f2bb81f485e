"""How many instructions does one message, delivery or handshake take? `python -m bench.instructions` counts them.

Valgrind's callgrind counts the instructions of a fixed number of them in one process: the chat with guests' login
sessions, SQLite, the in-memory layer, no limits, and a server that takes ready frames, as in `bench.roads`. Each work
is done in two lengths, and the difference counts, so that what comes before and after it falls out. Instructions are
no seconds, but the same work gives the same number within a few per mille on a busy machine too: the clock of timers
stands still. To compare two checkouts, run it in both.

The work of a message is one person's message to another. That of a delivery is one of CROWD members' share of a
message to all. That of a handshake is a WebSocket that is opened, joined to the lobby, and closed.
"""

import argparse
import asyncio
import gc
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from bench.chat import Chat
from bench.roads import Browser

CROWD = 100
COLLECTED = re.compile(r"Collected : (\d+)")


class Work(NamedTuple):
    """What is done: the two lengths, and how many units each step of them has."""

    shorter: int
    longer: int
    units: int = 1


WORKS = {"message": Work(100, 300), "delivery": Work(20, 60, CROWD), "handshake": Work(50, 150)}


class Member(Browser):
    """A browser that drops what is written to it while it is `deaf`."""

    deaf = False

    def write_frames(self, frames: bytes) -> None:
        """See FrameStream."""
        if not self.deaf:
            super().write_frames(frames)


class Worker:
    """Does the works in this process, with new login sessions all the time, whose `keys` are given."""

    def __init__(self, application: Any, keys: Iterator[str]) -> None:
        self._application, self._keys = application, keys

    async def message(self, count: int) -> None:
        """One person speaks to another."""
        await self._visit()
        await self._say(count)

    async def delivery(self, count: int) -> None:
        """One person speaks to a crowd."""
        for _ in range(CROWD - 1):
            (await self._visit()).deaf = True
        await self._say(count)

    async def handshake(self, count: int) -> None:
        """People come and go."""
        for _ in range(count):
            await (await self._visit()).leave()
            await asyncio.sleep(0)

    async def _visit(self) -> Member:
        browser = Member(self._application, next(self._keys))
        await browser.enter()
        return browser

    async def _say(self, count: int) -> None:
        speaker = await self._visit()
        for _ in range(count):
            await speaker.say("hello there")


def work(name: str, count: int, keys: Iterator[str]) -> None:
    """Do `count` steps of a work in this process, and end it."""
    from chatproject.asgi import application

    gc.disable()
    now = time.monotonic()
    time.monotonic = lambda: now  # what is due now and then would be due the more often, the slower the machine
    asyncio.run(getattr(Worker(application, keys), name)(count))
    sys.stdout.flush()
    os._exit(0)  # what the interpreter does at its end is no part of the work


def count_instructions(chat: Chat, name: str, steps: int) -> int:
    """Return how many instructions a process takes that does so many steps of a work."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    command = [*callgrind, sys.executable, "-m", "bench.instructions", "--work", name, str(steps)]
    keys = "\n".join(cookie.partition("=")[2] for cookie in chat.cookies(CROWD + 2 * WORKS[name].longer))
    environment = chat.environment | {"PYTHONHASHSEED": "0"}
    done = subprocess.run(command, env=environment, input=keys, capture_output=True, text=True, check=False)
    found = COLLECTED.search(done.stderr)
    if done.returncode != 0 or found is None:
        raise SystemExit(f"expected valgrind's count, got status {done.returncode} and:\n{done.stderr[-2000:]}")
    return int(found[1])


def instructions(name: str) -> int:
    """Return how many instructions one unit of a work takes."""
    shorter, longer, units = WORKS[name]
    chat = Chat(core=None, heartbeat=25)
    chat.prepare()
    try:
        counts = [count_instructions(chat, name, steps) for steps in (shorter, longer)]
    finally:
        chat.close()
    return (counts[1] - counts[0]) // ((longer - shorter) * units)


def main() -> None:
    """Count, print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description="Count instructions by valgrind.")
    parser.add_argument("names", nargs="*", metavar="WORK", help=f"what to count, of {', '.join(WORKS)}; else all")
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work is not None:
        work(options.work[0], int(options.work[1]), iter(sys.stdin.read().split()))
    if unknown := set(options.names) - set(WORKS):
        parser.error(f"expected some of {', '.join(WORKS)}, got {', '.join(sorted(unknown))}")
    if shutil.which("valgrind") is None:
        parser.error("expected valgrind to be installed")
    print("| work | instructions |", "|---|---:|", sep="\n", flush=True)
    for name in options.names or WORKS:
        print(f"| {name} | {instructions(name):,} |", flush=True)


if __name__ == "__main__":
    main()
