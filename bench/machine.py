"""The machine that measures, and the sentences that say how the figures came to be."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


def measure_machine() -> dict[str, Any]:
    """Return what it is, and how busy it is at this moment."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": platform.platform(terse=True),
            "load_average_before": round(os.getloadavg()[0], 2),
        },
    }


def describe(data: dict[str, Any], results: str) -> str:
    """Return a paragraph and a list in Markdown; `results` is where the file with all runs is."""
    machine, settings = data["machine"], data["settings"]
    pinned = (
        "server and load generator pinned to one each" if data["pinned"] else "server and load generator not pinned"
    )
    lines = [
        f"{data['date']}: {machine['processor']}, {machine['cores']} cores, {pinned}; {machine['system']}. "
        f"Load average before the run: {machine['load_average_before']}. `{data['command']}`, "
        f"{data['minutes']} minutes, medians of {settings['rounds']} rounds; idle clients, polling and rooms "
        f"of more than {settings['long_room']:,}: {settings['long_rounds']}.",
        f"All runs: [results.json]({results}).",
        "",
    ]
    for server, versions in data["versions"].items():
        lines.append(f"- {server}: {', '.join(f'{name} {version}' for name, version in versions.items())}")
    return "\n".join(lines)


def processor() -> str:
    """Return the name of the processor, as far as the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.machine()
