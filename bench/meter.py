"""Reads the clocks of the server and of this load generator."""

import time
from dataclasses import dataclass

from bench.server import Server


@dataclass(frozen=True, slots=True)
class Reading:
    """The clocks at one moment, or what they advanced between two, in seconds."""

    time: float
    server_cpu: float
    load_cpu: float

    def __sub__(self, before: "Reading") -> "Reading":
        return Reading(self.time - before.time, self.server_cpu - before.server_cpu, self.load_cpu - before.load_cpu)

    @property
    def server_busy(self) -> float:
        """The share of one core that the server used."""
        return round(self.server_cpu / self.time, 3)

    @property
    def load_busy(self) -> float:
        """The share of one core that the load generator used."""
        return round(self.load_cpu / self.time, 3)


def read(server: Server) -> Reading:
    """Read all clocks."""
    return Reading(time.monotonic(), server.cpu_seconds(), time.process_time())
