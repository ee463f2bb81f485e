"""Everything fails while people talk, and in the end everybody has everything once.

    python -m chat.tests.faults --seed 1 --messages 5000 --clients 20 --database postgresql --layer redis

Official clients and the project's own, in three rooms each, send messages and send them again until they are answered.
Meanwhile their links are cut, delayed, muted, swallowed, refused and led to the other server; servers are killed and
started again; the layer loses and repeats news, and Redis is started again. The seed decides what is said and which
faults happen when, but not how they meet. Prints figures, and what is not as promised; the exit status tells.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from channels_socketio.tests.support.faulty_proxy import FaultyProxy
from channels_socketio.tests.support.processes import require_node
from chat.tests.cluster import Cluster
from chat.tests.verdict import judge

SCRIPT = Path(__file__).parent / "node" / "visitors.cjs"
ROOMS = 3
KINDS = [
    ("shim", ["websocket"]),
    ("official", ["polling", "websocket"]),
    ("shim", ["websocket"]),
    ("official", ["websocket"]),
    ("official", ["polling"]),
]
LONGEST_TEXT = 2000
LINK_SECONDS = 4.0  # between two faults of one visitor's link
TALK_SECONDS = 240.0  # that visitors may need for answers to everything
CATCH_UP_SECONDS = 45.0  # after the last fault
LINE = 2**26  # bytes of a visitor's account


@dataclass(frozen=True)
class Plan:
    """What happens in one run; `seconds` is how long people talk at least."""

    seed: int
    messages: int
    clients: int
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What became of a run."""

    complaints: list[str]
    counts: Counter[str]


class Faults:
    """What goes wrong, from `happen` to `end`."""

    def __init__(self, plan: Plan, cluster: Cluster, proxies: Sequence[FaultyProxy]) -> None:
        self.plan, self.cluster, self.proxies = plan, cluster, proxies
        self.counts: Counter[str] = Counter()
        self._kinds = [self.cut, self.swallow, self.mute, self.slow, self.shut, self.move]
        self._over = asyncio.Event()

    async def happen(self) -> None:
        """Let everything go wrong until the `end`, or for twice the time of the plan, which slow machines need.

        After that servers and Redis run, and new links work.
        """
        asyncio.get_running_loop().call_later(2 * self.plan.seconds, self.end)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._at_links())
            group.create_task(self._at_servers())
            group.create_task(self._at_redis())
        for proxy in self.proxies:
            proxy.enable()
            proxy.delay = 0.0

    def end(self) -> None:
        """Let `happen` come to its end."""
        self._over.set()

    async def _comes(self, seconds: float) -> bool:
        """Wait so long; return whether the next fault comes, and not the end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)
        return not self._over.is_set()

    async def _at_links(self) -> None:
        choices = random.Random(f"links {self.plan.seed}")
        while await self._comes(choices.uniform(0, 2 * LINK_SECONDS / len(self.proxies))):
            proxy = choices.choice(self.proxies)
            proxy.delay = 0.0
            kind = choices.choice(self._kinds)
            self.counts[kind.__name__] += 1
            kind(proxy, choices)

    async def _at_servers(self) -> None:
        choices = random.Random(f"servers {self.plan.seed}")
        while await self._comes(choices.uniform(0.5, 0.8) * min(self.plan.seconds, 12.0)):
            await self.cluster.kill(choices.choice(self.cluster.sites))
            self.counts["kill"] += 1

    async def _at_redis(self) -> None:
        if self.cluster.redis is not None and await self._comes(self.plan.seconds / 2):
            await self.cluster.restart_redis()
            self.counts["redis"] += 1

    def cut(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """End the links."""
        proxy.cut()

    def swallow(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """Make a black hole of the links."""
        proxy.swallow()

    def mute(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """Lose what the server says."""
        proxy.mute()

    def slow(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """Delay everything until the next fault."""
        proxy.delay = choices.uniform(0.01, 0.2)

    def shut(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """End the links, and refuse new ones for a while."""
        proxy.disable()
        asyncio.get_running_loop().call_later(choices.uniform(0.1, 1.0), proxy.enable)

    def move(self, proxy: FaultyProxy, choices: random.Random) -> None:
        """Lead new links to any of the servers; end those that there are, or leave them where they are."""
        proxy.target = choices.choice(self.cluster.sites).port
        if choices.random() < 0.5:
            proxy.cut()


def conversation(plan: Plan, rooms: Sequence[str]) -> list[list[dict[str, Any]]]:
    """Return what each visitor says; one message in fifty will be refused, and one in twenty is said twice."""
    choices = random.Random(f"messages {plan.seed}")
    return [
        [
            {
                "room": choices.choice(rooms),
                "id": str(UUID(int=choices.getrandbits(128), version=4)),
                "msg": choices.choice(["", "x" * (LONGEST_TEXT + 1)])
                if choices.random() < 0.02
                else f"{number} of {visitor}",
                "again": choices.random() < 0.05,
            }
            for number in range(plan.messages // plan.clients)
        ]
        for visitor in range(plan.clients)
    ]


async def run(plan: Plan, cluster: Cluster) -> Outcome:
    """Let people talk and things fail; return what came out."""
    rooms = [f"seed-{plan.seed}-{number}" for number in range(ROOMS)]
    said = conversation(plan, rooms)
    async with AsyncExitStack() as stack:
        proxies = [
            stack.enter_context(FaultyProxy(cluster.sites[number % len(cluster.sites)].port))
            for number in range(plan.clients)
        ]
        visitors = [
            {"client": kind, "transports": transports, "port": proxy.port, "cookie": cookie, "messages": messages}
            for (kind, transports), proxy, cookie, messages in zip(
                (KINDS * plan.clients)[: plan.clients], proxies, await cookies(cluster, plan.clients), said, strict=True
            )
        ]
        faults = Faults(plan, cluster, proxies)
        accounts = await talk({"rooms": rooms, "seconds": plan.seconds, "visitors": visitors}, faults)
    log = cluster.log(rooms)
    complaints = judge(log, accounts, [message for messages in said for message in messages])
    counts = faults.counts + Counter(stored=sum(map(len, log.values())))
    for account in accounts:
        counts.update(account["counts"])
        counts.update("acked" if told["answer"]["ok"] else "refused" for told in account["answers"])
    return Outcome(complaints, counts)


async def cookies(cluster: Cluster, count: int) -> list[str]:
    """Return the cookies of new visitors."""
    site = cluster.sites[0]
    return [f"sessionid={await asyncio.to_thread(site.new_cookie)}" for _ in range(count)]


async def talk(plan: dict[str, Any], faults: Faults) -> list[dict[str, Any]]:
    """Let the visitors talk while things fail; return their accounts, given once they could catch up."""
    pipe = asyncio.subprocess.PIPE
    node = await asyncio.create_subprocess_exec(require_node(), str(SCRIPT), stdin=pipe, stdout=pipe, limit=LINE)
    assert node.stdin is not None
    assert node.stdout is not None
    try:
        node.stdin.write(json.dumps(plan).encode() + b"\n")
        failing = asyncio.create_task(faults.happen())
        try:
            async with asyncio.timeout(TALK_SECONDS):
                settled = await node.stdout.readline()
        finally:
            faults.end()
            await failing
        assert settled == b'{"settled": true}\n'
        ends = {room: len(rows) for room, rows in faults.cluster.log(plan["rooms"]).items()}
        node.stdin.write(json.dumps({"ends": ends, "seconds": CATCH_UP_SECONDS}).encode() + b"\n")
        return [json.loads(await node.stdout.readline()) for _ in plan["visitors"]]
    finally:
        if node.returncode is None:
            node.kill()
        await node.communicate()


def main() -> None:
    """Run once and say what came out."""
    parser = argparse.ArgumentParser(prog="python -m chat.tests.faults", description="Let everything fail.")
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    parser.add_argument("--layer", choices=["memory", "redis"], default="memory")
    options = parser.parse_args()
    plan = Plan(options.seed, options.messages, options.clients, options.seconds)
    sys.stdout.write(f"seed {plan.seed}, {options.database}, {options.layer}\n")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="chat-faults-") as folder,
            Cluster(Path(folder), options.database, options.layer, str(plan.seed)) as cluster,
        ):
            outcome = asyncio.run(run(plan, cluster))
            complaints = [*outcome.complaints, *cluster.errors()]
    except pytest.skip.Exception as missing:
        sys.exit(f"chat.tests.faults: {missing}")
    sys.stdout.write(", ".join(f"{name} {count}" for name, count in outcome.counts.items()) + "\n")
    sys.stdout.writelines(f"{complaint}\n" for complaint in complaints)
    sys.exit(bool(complaints))


if __name__ == "__main__":
    main()
