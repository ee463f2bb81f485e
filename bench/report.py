"""What a benchmark says: a JSON file for programs, tables of medians and plots for people.

All but the JSON file is made from what the JSON file holds, so that it can be made again.
"""

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from os.path import relpath
from pathlib import Path
from typing import Any

from bench import goals
from bench.machine import describe
from bench.server import ROOT
from bench.tables import TITLES, table

KEYS = ("server", "clients", "rooms", "in_flight", "rate", "flood")
BEGIN, END = "<!-- begin of what script/bench writes -->", "<!-- end of what script/bench writes -->"

Row = dict[str, Any]
Results = Mapping[str, Sequence[Any]]  # the results of each scenario, of all rounds


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """Where a report goes. `text` has the two marks, or does not exist yet."""

    results: Path
    text: Path
    plots: Path

    @classmethod
    def project(cls) -> "ConnectionCounts":
        """The project's own files: for a run of everything."""
        return cls(ROOT / "bench" / "results.json", ROOT / "docs" / "performance.md", ROOT / "docs" / "plots")

    @classmethod
    def folder(cls, folder: Path) -> "ConnectionCounts":
        """A folder, made when missing."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder / "results.json", folder / "figures.md", folder / "plots")


def gathered(results: Results, about: Mapping[str, Any]) -> Row:
    """Return all figures, medians and single runs, and `about` how they came to be, as JSON has them."""
    return {
        **about,
        "medians": {scenario: medians(map(asdict, runs)) for scenario, runs in results.items()},
        "runs": {scenario: [asdict(run) for run in runs] for scenario, runs in results.items()},
    }


def medians(runs: Iterable[Row]) -> list[Row]:
    """Return a row for each server and setting: the median over the rounds of each figure."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for run in runs:
        groups.setdefault(tuple(run.get(key) for key in KEYS), []).append(run)
    return [
        {column: value if column in KEYS else statistics.median(row[column] for row in rows) for column, value in first}
        for rows in groups.values()
        for first in [rows[0].items()]
    ]


def write(data: Row, places: ConnectionCounts, draw: bool = True) -> None:
    """Write everything; plots need matplotlib."""
    places.results.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n")
    names = []
    if draw:
        from bench import plots  # not everybody who reads tables has matplotlib

        names = plots.draw(data, places.plots)
    body = figures(data, relpath(places.results, places.text.parent), [f"{places.plots.name}/{name}" for name in names])
    places.text.write_text(put(places.text.read_text() if places.text.exists() else f"{BEGIN}\n{END}\n", body))


def put(text: str, body: str) -> str:
    """Return `text` with `body` between its marks; raises ValueError unless it has both."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected the marks {BEGIN!r} and {END!r}, got neither or one of them")
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"


def figures(data: Row, results: str, images: Sequence[str]) -> str:
    """Return everything in Markdown: where it was measured, the comparison, plots, tables."""
    parts = [describe(data, results)]
    if rows := goals.rows(data):
        parts += ["### In short", table(goals.COLUMNS, rows)]
    parts += [f"![{Path(image).stem.replace('-', ' ')}]({image})" for image in images]
    parts.append(tables(data))
    return "\n\n".join(parts)


def tables(data: Row) -> str:
    """Return a table in Markdown for each scenario."""
    return "\n\n".join(
        f"### {title.format(**data['settings'])}\n\n{table(columns, data['medians'][scenario])}"
        for scenario, (title, columns) in TITLES.items()
        if data["medians"].get(scenario)
    )
