"""What a benchmark says: a JSON file for programs, a table for people."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from bench.fanout import Result

PATH = Path(__file__).with_name("results.json")
PACKAGES = ("Django", "channels", "msgspec", "uvicorn", "uvloop", "websockets")
COLUMNS = {
    "server": "server",
    "clients": "clients",
    "in_flight": "messages in flight",
    "server_us_per_delivery": "server CPU per delivery, µs",
    "deliveries_per_second": "deliveries/s",
    "load_us_per_delivery": "load generator's CPU per delivery, µs",
    "server_busy": "server busy",
    "load_busy": "load busy",
}


def write(results: Sequence[Result], command: str, pinned: bool) -> None:
    """Write `bench/results.json`."""
    report = {
        "command": command,
        "machine": {"processor": processor(), "cores": os.cpu_count(), "pinned": pinned},
        "versions": {"Python": platform.python_version()} | {package: version(package) for package in PACKAGES},
        "fanout": [asdict(result) for result in results],
    }
    PATH.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def table(results: Sequence[Result]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(COLUMNS.values()), " | ".join("---" for _ in COLUMNS)]
    for result in results:
        row = asdict(result)
        lines.append(" | ".join(text(column, row[column]) for column in COLUMNS))
    return "\n".join(f"| {line} |" for line in lines)


def text(column: str, value: str | float) -> str:
    """Return a cell."""
    if column.endswith("_busy"):
        return f"{value:.0%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
