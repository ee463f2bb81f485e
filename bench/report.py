"""What a benchmark says: a JSON file for programs, tables of medians for people."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

PATH = Path(__file__).with_name("results.json")
KEYS = ("server", "clients", "in_flight")
BUSY = {"server_busy": "server busy", "load_busy": "load generator busy"}
IDLE = {
    "server": "server",
    "clients": "clients",
    "kib_per_client": "memory per client, KiB",
    "server_us_per_heartbeat": "server CPU per heartbeat, µs",
    **BUSY,
}
TABLES = {
    "fanout": {
        "server": "server",
        "clients": "clients",
        "in_flight": "messages in flight",
        "server_us_per_delivery": "server CPU per delivery, µs",
        "deliveries_per_second": "deliveries/s",
        "frame_bytes": "bytes per frame",
        "load_us_per_delivery": "load generator's CPU per delivery, µs",
        **BUSY,
    },
    "connect": {
        "server": "server",
        "clients": "clients",
        "connects_per_second": "connects/s",
        "server_ms_per_connect": "server CPU per connect, ms",
        "load_ms_per_connect": "load generator's CPU per connect, ms",
        **BUSY,
    },
    "idle": IDLE,
    "polling": IDLE,
}

Row = dict[str, Any]
Results = Mapping[str, Sequence[Any]]  # the results of each scenario, of all rounds


def write(path: Path, results: Results, about: Mapping[str, Any]) -> None:
    """Write all figures, medians and single runs, and `about` how they came to be."""
    report = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": processor(), "cores": os.cpu_count()},
        **about,
        "medians": {scenario: medians(runs) for scenario, runs in results.items()},
        "runs": {scenario: [asdict(run) for run in runs] for scenario, runs in results.items()},
    }
    path.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def medians(runs: Iterable[Any]) -> list[Row]:
    """Return a row for each server and setting: the median over the rounds of each figure."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for run in map(asdict, runs):
        groups.setdefault(tuple(run.get(key) for key in KEYS), []).append(run)
    return [
        {column: value if column in KEYS else statistics.median(row[column] for row in rows) for column, value in first}
        for rows in groups.values()
        for first in [rows[0].items()]
    ]


def tables(results: Results) -> str:
    """Return a table in Markdown for each scenario."""
    return "\n\n".join(f"{scenario}:\n\n{table(scenario, medians(runs))}" for scenario, runs in results.items())


def table(scenario: str, rows: Iterable[Row]) -> str:
    """Return a table in Markdown."""
    columns = TABLES[scenario]
    lines = [" | ".join(columns.values()), " | ".join("---" for _ in columns)]
    lines += [" | ".join(text(column, row[column]) for column in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def text(column: str, value: str | float) -> str:
    """Return a cell."""
    if column.endswith("_busy"):
        return f"{value:.1%}" if isinstance(value, float) and value < 0.1 else f"{value:.0%}"
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
