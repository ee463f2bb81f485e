"""The command line of the benchmarks; script/bench calls it."""

import argparse
import asyncio
import os
import resource
import sys

import uvloop

from bench import report
from bench.chat import Chat
from bench.client import WrongAnswerError
from bench.fanout import measure_fanout

FILES_PER_CLIENT = 1
SPARE_FILES = 200


def main() -> None:
    """Measure, write `bench/results.json`, print a table."""
    options = parse_arguments()
    allow_open_files(options.clients * FILES_PER_CLIENT + SPARE_FILES)
    server_core, load_core = choose_cores()
    if load_core is None:
        print("script/bench: one core only, so server and load share it", file=sys.stderr)
    with Chat(server_core) as chat:
        if load_core is not None:
            os.sched_setaffinity(0, {load_core})
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                results = runner.run(measure_fanout(chat, options.clients, options.in_flight, options.seconds))
            except* (WrongAnswerError, OSError) as group:
                error = group.exceptions[0]
                sys.exit(f"script/bench: {type(error).__name__}: {error}")
    report.write(results, " ".join(["script/bench", *sys.argv[1:]]), pinned=load_core is not None)
    print(report.table(results))


def parse_arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="script/bench", description="Measure what a delivery costs.")
    parser.add_argument("--clients", type=positive, default=1000, help="in the room, the sender included (%(default)s)")
    parser.add_argument("--in-flight", type=positive, nargs="+", default=[1, 4, 16], help="messages (%(default)s)")
    parser.add_argument("--seconds", type=positive, default=10, help="of each run (%(default)s)")
    return parser.parse_args()


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
