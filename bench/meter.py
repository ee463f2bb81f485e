"""Reads the clocks of the server and of this load generator."""

import asyncio
import time
from dataclasses import dataclass
from typing import TypedDict

from bench.server import Server

QUIET_BUSY = 0.2  # of a core; heartbeats go on
QUIET_WINDOW = 0.2
QUIET_SECONDS = 30.0


class Shares(TypedDict):
    """What every result says of its run."""

    seconds: float
    server_busy: float
    load_busy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One run of one server. Busy is the share of one core."""

    server: str
    clients: int
    seconds: float
    server_busy: float
    load_busy: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment, or what they advanced between two, in seconds."""

    time: float
    server_cpu: float
    load_cpu: float

    def __sub__(self, before: "Reading") -> "Reading":
        return Reading(self.time - before.time, self.server_cpu - before.server_cpu, self.load_cpu - before.load_cpu)

    @property
    def shares(self) -> Shares:
        """How long this was, and how busy both sides were."""
        return {
            "seconds": round(self.time, 2),
            "server_busy": round(self.server_cpu / self.time, 3),
            "load_busy": round(self.load_cpu / self.time, 3),
        }


def read(server: Server) -> Reading:
    """Read all clocks."""
    return Reading(time.monotonic(), server.cpu_seconds(), time.process_time())


async def quiet(server: Server) -> None:
    """Wait until the server is done with what went before: welcomes, history, goodbyes."""
    deadline = time.monotonic() + QUIET_SECONDS
    busy = 1.0
    while busy > QUIET_BUSY and time.monotonic() < deadline:
        begun = read(server)
        await asyncio.sleep(QUIET_WINDOW)
        busy = (read(server) - begun).shares["server_busy"]
