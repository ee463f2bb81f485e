"""The options of the command line."""

import argparse
from collections.abc import Sequence
from pathlib import Path

LONG_ROOM = 1000  # larger ones take long to fill
STORED_IN_FLIGHT = 4  # messages of each sender
FLOOD_SOCKETS = 20  # of the one login session that floods
QUICK = {
    "clients": [20, 40],
    "in_flight": [1, 4],
    "seconds": 0.5,
    "rooms": 4,
    "members": 5,
    "senders": 20,
    "bystanders": 20,
    "connects": 40,
    "idle": 40,
    "polling": 40,
    "heartbeat": 1,
    "rounds": 1,
}


def parse_arguments(
    arguments: Sequence[str] | None, scenarios: Sequence[str], servers: Sequence[str]
) -> argparse.Namespace:
    """Return the options of the command line, and `room`: the one of which most is measured."""
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure the chat beside other servers. A run of everything writes bench/results.json, "
        "the figures in docs/performance.md and docs/plots; any other run writes the same to bench/.trials.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--quick",
        action="store_true",
        help="few clients and little time: shows that everything works, measures nothing",
    )
    add("--scenario", nargs="+", choices=scenarios, default=scenarios, help="what to measure")
    add("--server", nargs="+", choices=servers, default=servers, help="whom to measure")
    add("--rounds", type=positive, default=3, help="how often; the tables have medians")
    add(
        "--long-rounds", type=positive, default=1, help=f"the same for idle, polling and rooms of more than {LONG_ROOM}"
    )
    add("--clients", type=positive, nargs="+", default=[100, 1000, 10_000], help="fanout: in the room, with the sender")
    add("--in-flight", type=positive, nargs="+", default=[1, 4, 16], help="fanout: messages")
    add("--seconds", type=float, default=1.5, help="fanout, rooms, stored, flood: of each run; latency: a quarter")
    add("--rooms", type=positive, default=100, help="rooms: how many")
    add("--members", type=positive, default=10, help="rooms: clients in each")
    add("--senders", type=positive, default=100, help="stored: clients, all of whom send")
    add("--bystanders", type=positive, default=100, help="flood: clients beside the one that floods")
    add("--rate", type=float, help="latency: messages a second, instead of half of what the original manages")
    add("--connects", type=positive, default=1000, help="connect: clients")
    add("--idle", type=positive, default=10_000, help="idle: clients")
    add("--polling", type=positive, default=1000, help="polling: clients")
    add("--heartbeat", type=positive, default=25, help="seconds between the pings of each server")
    add("--output", type=Path, help="the folder to write to, whatever is run")
    add("--no-plots", dest="plots", action="store_false", help="draw nothing: does without matplotlib")
    add("--again", action="store_true", help="measure nothing: write text and plots from results.json")
    if parser.parse_args(arguments).quick:
        parser.set_defaults(**QUICK)
    options = parser.parse_args(arguments)
    options.clients.sort()
    options.room = max([size for size in options.clients if size <= LONG_ROOM], default=options.clients[0])
    return options


def positive(text: str) -> int:
    """Return a whole number above 0; raises ValueError."""
    if (number := int(text)) < 1:
        raise ValueError
    return number
