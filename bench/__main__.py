"""The command line of the benchmarks; script/bench calls it."""

import argparse
import asyncio
import os
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from bench import report
from bench.chat import Chat
from bench.client import Client, WrongAnswerError
from bench.connect import measure_connect
from bench.fanout import measure_fanout
from bench.idle import measure_idle
from bench.peers.servers import Original, PythonSocketIO
from bench.poller import Poller
from bench.server import MissingToolError, Server

SPARE_FILES = 500
SERVERS: dict[str, type[Server]] = {"chat": Chat, "original": Original, "python-socketio": PythonSocketIO}
Measure = Callable[[Server, argparse.Namespace], Awaitable[Sequence[Any]]]
SCENARIOS: dict[str, Measure] = {
    "fanout": lambda server, options: measure_fanout(server, options.clients, options.in_flight, options.seconds),
    "connect": lambda server, options: measure_connect(server, options.connects),
    "idle": lambda server, options: measure_idle(server, Client, options.idle),
    "polling": lambda server, options: measure_idle(server, Poller, options.polling),
}
LONG = ("idle", "polling")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write the results, print tables."""
    options = parse_arguments(arguments)
    allow_open_files(max(options.clients, options.connects, options.idle, options.polling) + SPARE_FILES)
    server_core, load_core = choose_cores()
    if load_core is None:
        print("script/bench: one core only, so server and load share it", file=sys.stderr)
    servers = prepare([SERVERS[name](server_core, options.heartbeat) for name in options.server])
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores if load_core is None else {load_core})
    try:
        results = measure_all(servers, options)
    finally:
        os.sched_setaffinity(0, cores)
        for server in servers:
            server.close()
    about = {
        "command": " ".join(["script/bench", *(sys.argv[1:] if arguments is None else arguments)]),
        "pinned": load_core is not None,
        "rounds": options.rounds,
        "idle_rounds": options.idle_rounds,
        "heartbeat_seconds": options.heartbeat,
        "versions": {server.name: server.versions() for server in servers},
    }
    report.write(options.results, results, about)
    print(report.tables(results))


def measure_all(servers: Sequence[Server], options: argparse.Namespace) -> dict[str, list[Any]]:
    """Return the results of all rounds by scenario."""
    results: dict[str, list[Any]] = {scenario: [] for scenario in options.scenario}
    rounds = {scenario: options.idle_rounds if scenario in LONG else options.rounds for scenario in options.scenario}
    for number in range(max(rounds.values())):
        for scenario in options.scenario:
            for server in servers if number < rounds[scenario] else ():
                print(f"Round {number + 1} of {rounds[scenario]}: {scenario}, {server.name}", file=sys.stderr)
                results[scenario] += run(SCENARIOS[scenario], server, options)
    return results


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


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure the chat beside other servers.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--scenario", nargs="+", choices=SCENARIOS, default=list(SCENARIOS), help="what to measure")
    add("--server", nargs="+", choices=SERVERS, default=list(SERVERS), help="whom to measure")
    add("--rounds", type=positive, default=3, help="how often; the tables have medians")
    add("--idle-rounds", type=positive, default=1, help="the same for idle and polling, which take long")
    add("--clients", type=positive, default=1000, help="fanout: in the room, the sender included")
    add("--in-flight", type=positive, nargs="+", default=[1, 4, 16], help="fanout: messages")
    add("--seconds", type=positive, default=2, help="fanout: of each run")
    add("--connects", type=positive, default=1000, help="connect: clients")
    add("--idle", type=positive, default=2000, help="idle: clients")
    add("--polling", type=positive, default=5000, help="polling: clients")
    add("--heartbeat", type=positive, default=25, help="seconds between the pings of each server")
    add("--results", type=Path, default=report.PATH, help="the JSON file to write")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """Return a whole number above 0; raises ValueError."""
    if (number := int(text)) < 1:
        raise ValueError
    return number


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
