"""Plots of a benchmark's medians: SVG files that are the same whenever the figures are."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor, log10
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from bench.tables import number

COLOURS = ("#0b6e4f", "#5b8fb9", "#d08c3f")
STYLE: dict[Any, Any] = {"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9.0, "font.family": "sans-serif"}
BAR = 0.26  # of an inch


@dataclass(frozen=True, slots=True)
class Plot:
    """Horizontal bars, a group for each server. Names in `where` are keys of the settings.

    `bars` are columns with their legends, or one column, split by `split`, whose legend has a place for its value.
    """

    title: str
    scenario: str
    bars: dict[str, str]
    split: str = ""
    where: dict[str, str | int] = field(default_factory=dict)
    logarithmic: bool = False


PLOTS = {
    "cpu-per-delivery": Plot(
        "Server CPU per delivery, room of {room:,}, µs (logarithmic; less is better)",
        "fanout",
        {"server_us_per_delivery": "{:,} in flight"},
        "in_flight",
        {"clients": "room"},
        logarithmic=True,
    ),
    "cpu-by-room": Plot(
        "Server CPU per delivery, 4 in flight, µs (logarithmic; less is better)",
        "fanout",
        {"server_us_per_delivery": "room of {:,}"},
        "clients",
        {"in_flight": 4},
        logarithmic=True,
    ),
    "deliveries": Plot(
        "Deliveries a second, room of {room:,} (logarithmic; more is better)",
        "fanout",
        {"deliveries_per_second": "{:,} in flight"},
        "in_flight",
        {"clients": "room"},
        logarithmic=True,
    ),
    "messages-into-rooms": Plot(
        "Server CPU per message into rooms of {members}, µs (less is better)",
        "rooms",
        {"server_us_per_message": ""},
    ),
    "latency": Plot(
        "From sender to receiver, ms (less is better)", "latency", {"p50_ms": "half within", "p99_ms": "99% within"}
    ),
    "connects": Plot("Connects a second (more is better)", "connect", {"connects_per_second": ""}),
    "memory": Plot("Memory of an idle WebSocket, KiB (less is better)", "idle", {"kib_per_client": ""}),
}

Series = dict[str, dict[str, float]]  # figures by server, by legend


def draw(data: dict[str, Any], folder: Path) -> list[str]:
    """Draw what there are figures for; return the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for name, plot in PLOTS.items():
        if series := figures(plot, data):
            file = folder / f"{name}.svg"
            paint(plot.title.format(**data["settings"]), series, plot.logarithmic, file)
            # matplotlib leaves blanks at the ends of lines
            file.write_text("\n".join(line.rstrip() for line in file.read_text().splitlines()) + "\n")
            names.append(file.name)
    return names


def figures(plot: Plot, data: dict[str, Any]) -> Series:
    """Return the bars of a plot."""
    where = {key: data["settings"].get(value, value) for key, value in plot.where.items()}
    series: Series = {}
    for row in data["medians"].get(plot.scenario, []):
        if all(row[key] == value for key, value in where.items()):
            for column, legend in plot.bars.items():
                label = legend.format(row[plot.split]) if plot.split else legend
                series.setdefault(label, {})[row["server"]] = row[column]
    return series


def paint(title: str, series: Series, logarithmic: bool, file: Path) -> None:
    """Write one plot."""
    servers = list(dict.fromkeys(server for bars in series.values() for server in bars))
    step = len(series) + 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8, BAR * step * len(servers) + 0.9), layout="constrained")
        axes = figure.add_subplot()
        for index, ((label, bars), colour) in enumerate(zip(series.items(), colours(len(series)), strict=True)):
            places = [servers.index(server) * step + index for server in bars]
            painted = axes.barh(places, list(bars.values()), height=0.9, color=colour, label=label)
            axes.bar_label(painted, labels=[number(value) for value in bars.values()], padding=3)
        axes.set_yticks([index * step + (len(series) - 1) / 2 for index in range(len(servers))], servers)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(x=0.12)
        if logarithmic:
            least = min(value for bars in series.values() for value in bars.values())
            axes.set_xscale("log")
            axes.set_xlim(left=10 ** floor(log10(least)))
            axes.xaxis.set_major_formatter("{x:,g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        if len(series) > 1:
            figure.legend(loc="outside lower right", ncols=len(series), frameon=False)
        figure.savefig(file, metadata={"Date": None})


def colours(count: int) -> Sequence[str]:
    """Return so many colours."""
    return [COLOURS[index % len(COLOURS)] for index in range(count)]
