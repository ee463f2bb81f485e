"""The command line of the benchmarks; script/bench calls it."""

import argparse
import asyncio
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import uvloop

from bench import report
from bench.chat import Chat, DaphneChat, LimitedChat
from bench.client import Client
from bench.connect import measure_connect
from bench.fanout import measure_fanout
from bench.flood import measure_flood
from bench.idle import measure_idle
from bench.latency import measure_latency
from bench.machine import measure_machine
from bench.options import FLOOD_SOCKETS, LONG_ROOM, STORED_IN_FLIGHT, parse_arguments
from bench.peers.floor import Floor
from bench.peers.nchan import Nchan
from bench.peers.servers import DjangoSIO, Original, PythonSocketIO, SocketIOTutorial, Tutorial
from bench.poller import Poller
from bench.rooms import measure_rooms
from bench.server import ROOT, MissingToolError, Server
from bench.stored import measure_stored
from bench.stream import WrongAnswerError

SPARE_FILES = 500
SERVERS: dict[str, type[Server]] = {
    "chat": Chat,
    "limited": LimitedChat,
    "daphne": DaphneChat,
    "original": Original,
    "python-socketio": PythonSocketIO,
    "tutorial": Tutorial,
    "socketio-tutorial": SocketIOTutorial,
    "django-sio": DjangoSIO,
    "nchan": Nchan,
    "floor": Floor,
}
REFERENCES = (Original.name, Chat.name)  # half of the top rate of the first that was measured is the rate of `latency`
TRIALS = ROOT / "bench" / ".trials"
Results = dict[str, list[Any]]
Measure = Callable[[Server, argparse.Namespace], Awaitable[Sequence[Any]]]


def fanout(server: Server, options: argparse.Namespace) -> Awaitable[Sequence[Any]]:
    """Measure the sizes that the server and this round are for."""
    largest = min(server.largest_room, LONG_ROOM if options.round >= options.long_rounds else server.largest_room)
    in_flight = [messages for messages in options.in_flight if messages in (server.in_flight or options.in_flight)]
    return measure_fanout(server, [size for size in options.clients if size <= largest], in_flight, options.seconds)


TAIL = 4  # times as long, where it is about the slowest of a hundred messages
SCENARIOS: dict[str, Measure] = {
    "fanout": fanout,
    "rooms": lambda server, options: measure_rooms(server, options.rooms, options.members, options.seconds),
    "latency": lambda server, options: measure_latency(server, options.room, options.rate, TAIL * options.seconds),
    "stored": lambda server, options: measure_stored(server, options.senders, STORED_IN_FLIGHT, options.seconds),
    "flood": lambda server, options: measure_flood(server, options.bystanders, FLOOD_SOCKETS, options.seconds),
    "connect": lambda server, options: measure_connect(server, options.connects),
    "idle": lambda server, options: measure_idle(server, Client, options.idle),
    "polling": lambda server, options: measure_idle(server, Poller, options.polling),
}
LONG = ("idle", "polling")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the report, print tables."""
    options = parse_arguments(arguments, list(SCENARIOS), list(SERVERS))
    places = choose_slots(options)
    if options.again:
        report.write(json.loads(places.results.read_text()), places, options.plots)
        return
    allow_open_files(max(*options.clients, options.connects, options.idle, options.polling) + SPARE_FILES)
    server_core, load_core = choose_cores()
    if load_core is None:
        print("script/bench: one core only, so server and load share it", file=sys.stderr)
    about = measure_machine() | {
        "command": " ".join(["script/bench", *(sys.argv[1:] if arguments is None else arguments)]),
        "pinned": load_core is not None,
    }
    begun = time.monotonic()
    servers = prepare([SERVERS[name](server_core, options.heartbeat) for name in options.server])
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores if load_core is None else {load_core})
    try:
        results = measure_all(servers, options)
    finally:
        os.sched_setaffinity(0, cores)
        for server in servers:
            server.close()
    about["minutes"] = round((time.monotonic() - begun) / 60, 1)
    about["settings"] = settings(options)
    about["versions"] = {server.name: server.versions() for server in servers}
    data = report.gathered(results, about)
    report.write(data, places, options.plots)
    print(report.tables(data))
    print(f"Written: {places.results}, {places.text}, {places.plots}", file=sys.stderr)


def measure_all(servers: Sequence[Server], options: argparse.Namespace) -> Results:
    """Return the results of all rounds by scenario; rounds alternate between the servers."""
    results: Results = {scenario: [] for scenario in SCENARIOS if scenario in options.scenario}
    for scenario, found in results.items():
        able = [server for server in servers if scenario in server.scenarios]
        if scenario == "latency" and not choose_rate(results, options):
            print("script/bench: latency is left out: it needs --rate, or fanout in the same run", file=sys.stderr)
            continue
        rounds = options.long_rounds if scenario in LONG else options.rounds
        for options.round in range(rounds):
            for server in able:
                print(f"Round {options.round + 1} of {rounds}: {scenario}, {server.name}", file=sys.stderr)
                found += run(SCENARIOS[scenario], server, options)
    return results


def choose_rate(results: Results, options: argparse.Namespace) -> bool:
    """Set the rate of `latency` unless it is given: half of what the reference manages; return whether there is one."""
    for name in REFERENCES:
        rates = [
            result.deliveries_per_second / result.clients
            for result in results.get("fanout", [])
            if (result.server, result.clients, result.in_flight) == (name, options.room, max(options.in_flight))
        ]
        if rates and options.rate is None:
            options.rate = statistics.median(rates) / 2
    return options.rate is not None


def run(measure: Measure, server: Server, options: argparse.Namespace) -> Sequence[Any]:
    """Run one scenario against a new process of one server; a wrong answer ends the benchmark."""
    with server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(as_coroutine(measure(server, options)))
        except* (WrongAnswerError, OSError) as group:
            error: BaseException = group
            while isinstance(error, BaseExceptionGroup):
                error = error.exceptions[0]
            sys.exit(f"script/bench: {server.name}: {type(error).__name__}: {error}")


async def as_coroutine(awaitable: Awaitable[Sequence[Any]]) -> Sequence[Any]:
    """Return what `awaitable` gives; asyncio.Runner takes nothing but coroutines."""
    return await awaitable


def prepare(servers: Sequence[Server]) -> list[Server]:
    """Install the servers; return those that can run here."""
    ready = []
    for server in servers:
        try:
            server.prepare()
        except MissingToolError as error:
            print(f"script/bench: {server.name} is left out: it needs {error}", file=sys.stderr)
        else:
            ready.append(server)
    return ready


def choose_slots(options: argparse.Namespace) -> report.ConnectionCounts:
    """Return where to write: a part of the whole must not take the place of the whole."""
    whole = set(options.scenario) == set(SCENARIOS) and set(options.server) == set(SERVERS) and not options.quick
    if options.output is None and whole:
        return report.ConnectionCounts.project()
    return report.ConnectionCounts.folder(options.output or TRIALS)


def settings(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that the report speaks of."""
    names = ("rounds", "long_rounds", "seconds", "room", "rooms", "members", "senders", "bystanders", "heartbeat")
    return {name: getattr(options, name) for name in names} | {
        "long_room": LONG_ROOM,
        "stored_in_flight": STORED_IN_FLIGHT,
        "flood_sockets": FLOOD_SOCKETS,
        "smallest_room": options.clients[0],
        "largest_room": options.clients[-1],
    }


def allow_open_files(count: int) -> None:
    """Raise the limit of open files for this process and its children, or end with a line that says what is missing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"script/bench: expected a limit of {count} open files, got {hard} (ulimit -Hn)")
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def choose_cores() -> tuple[int | None, int | None]:
    """Return a core for the server and another for the load, or nothing when there is but one."""
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[-1]) if len(cores) > 1 else (None, None)


if __name__ == "__main__":
    main()
