"""Sends random and mutated packets and requests to a real server and watches what it does to it.

python -m channels_socketio.tests.fuzz --count 100000 --seed 1 [--server daphne|uvicorn|serve]

The server must not log a traceback, must answer every request with a status below 500, must keep nothing of those
who have gone, and must go on serving two others, one by WebSocket and one by polling, in order.
"""

import argparse
import asyncio
import random
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from channels_socketio.tests.support.clients import WAYS, Client
from channels_socketio.tests.support.contract_site import MAX_PAYLOAD, ContractApp
from channels_socketio.tests.support.raw_client import SECONDS, RawClient

WORKERS = 8
ATTACHMENT = '{"_placeholder":true,"num":0}'
CORPUS: list[str | bytes] = [
    *("0", "1", "2", "2probe", "3", "3probe", "4", "5", "6", "7", "b", "bAQID", "", "\x1e", "4\x1e4"),
    *("40", "40/custom,", "40/custom", "40/rooms/tea,", '40{"token":"x"}', "40/none,", "40/__proto__,"),
    *("41", "41/custom,", '44{"message":"x"}', "43[]", '431["x"]', '43/custom,1["x"]'),
    *('42["echo"]', '421["echo",{"a":[1,2.5,null,true,"é"]}]', '42/custom,7["echo","x"]', '42["count",0,5,10,true]'),
    *('42["tell",null,[],"x"]', '42["tell","a",["b"],{}]', '421["join","a"]', '42["leave","a"]', '42["ask me",1]'),
    *(
        '42["put me out"]',
        '42["constructor"]',
        '42["disconnect"]',
        "42[1]",
        "42[]",
        "42{}",
        "42[null]",
        '42["__proto__"]',
    ),
    *(f'451-["echo",{ATTACHMENT}]', f'452-3["echo",{ATTACHMENT},{ATTACHMENT}]', f"461-1[{ATTACHMENT}]", '450-["echo"]'),
    *(b"", b"\x01\x02\x03", b"\x04", b"2probe", b"\xff" * 100),
]
OPENING: list[str | bytes] = ["40", "40/custom,", '42["echo","hello"]', '427["echo"]', "3"]
PIECES = [
    *("\x00", "\x1e", '"', "\\", "[", "]", "{", "}", ",", "-", "/", ":", "0", "9" * 30, "1e999", "-1", "NaN", "null"),
    *(
        "\ud7ff",
        "\U0001f600",
        "é",
        "\\ud800",
        '"_placeholder":true',
        '"num":99',
        '"__proto__"',
        "[" * 2000,
        "b",
        "=",
        " ",
    ),
]
FIELDS = ["EIO", "transport", "sid", "t", "b64", "j", "__proto__", ""]
VALUES = ["4", "3", "polling", "websocket", "constructor", "", "%00", "a" * 2000, "\x00", "é", None]
METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]
HEADERS = [
    "Cookie: sessionid=abcdefgh",
    "Cookie: sessionid=\xff; =; ;;=",
    "Origin: null",
    "Origin: http://127.0.0.1",
    "Content-Type: application/octet-stream",
    "Content-Type: multipart/form-data; boundary=x",
    "Accept-Encoding: gzip",
    "Upgrade: websocket",
]


def new_packet(chance: random.Random) -> str | bytes:
    """Return a packet: as it should be, mutated, or noise."""
    kind = chance.random()
    if kind < 0.6:
        return chance.choice(CORPUS if kind < 0.1 else OPENING)
    if kind > 0.95:
        noise = chance.randbytes(chance.choice([1, 10, 100, 10_000]))
        return noise if kind > 0.975 else noise.decode("latin-1")
    packet = chance.choice(CORPUS)
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        packet = mutate(packet, chance) if isinstance(packet, str) else mutate_bytes(packet, chance)
    return packet


def mutate(text: str, chance: random.Random) -> str:
    """Return a text with a small change."""
    start, end = sorted(chance.randint(0, len(text)) for _ in range(2))
    match chance.randrange(7):
        case 0:
            return text[:start] + chance.choice(PIECES) + text[start:]
        case 1:
            return text[:start] + text[end:]
        case 2:
            return text[:end] + text[start:]
        case 3:
            return text[:start] + chr(chance.randrange(0xD800)) + text[start + 1 :]
        case 4:
            other = chance.choice(CORPUS)
            return text[:start] + (other if isinstance(other, str) else "b")
        case 5:
            return text[:start] + text[start:end] * chance.choice([2, 50]) + text[end:]
        case _:
            return text[:start] + chance.choice("0123456789") + text[start + 1 :]


def mutate_bytes(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with a small change."""
    at = chance.randint(0, len(data))
    return data[:at] + chance.randbytes(chance.randrange(4)) + data[at + chance.randrange(3) :]


@dataclass
class Report:
    """What was sent and what was seen; memory in bytes."""

    packets: int = 0
    sessions: int = 0
    seconds: float = 0.0
    echoes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)
    left_over: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """How much memory grew after the first quarter."""
        return self.memory[-1] - self.memory[len(self.memory) // 4]

    def problems(self) -> list[str]:
        """Return what must not be."""
        found = [f"in the log: {line}" for line in self.errors]
        found += [f"stuck: {way}" for way in self.stuck]
        found += [f"answered with {status}" for status in self.statuses if status >= 500]
        found += [f"left over: {count} {what}" for what, count in self.left_over.items() if count]
        if self.growth > 16_000_000:
            found.append(f"memory grew by {self.growth} bytes")
        if not self.echoes:
            found.append("the witnesses heard nothing")
        return found


class Fuzz:
    """One run against one server."""

    def __init__(self, contract_app: ContractApp, count: int, seed: int) -> None:
        self.contract_app, self.count, self.seed = contract_app, count, seed
        self.report = Report()
        self._done = False

    async def run(self) -> Report:
        """Send, watch, and return what was seen."""
        start = time.monotonic()
        before = await self.contract_app.stats()
        witnesses = [asyncio.create_task(self._witness(way)) for way in ("websocket", "polling")]
        workers = [asyncio.create_task(self._work(random.Random(f"{self.seed} {n}"))) for n in range(WORKERS)]
        meter = asyncio.create_task(self._measure())
        await asyncio.gather(*workers)
        self._done = True
        await asyncio.gather(*witnesses, meter)
        await self._count_left_over(before)
        self.report.seconds = time.monotonic() - start
        self.report.errors = self.contract_app.errors()
        return self.report

    async def _witness(self, way: str) -> None:
        """Somebody who is not to notice: echoes go forth and back, in order."""
        async with RawClient(self.contract_app.port) as raw_client:
            client = await Client(await WAYS[way](raw_client), "/rooms/witness-" + way).open()
            await client.join()
            number = 0
            while not self._done:
                assert await client.call("echo", number) == [number]
                assert await client.event() == ["echoed", number]
                number += 1
            await client.way.close()
            self.report.echoes += number

    async def _measure(self) -> None:
        step = self.count // 20
        for mark in range(step, self.count + 1, step):
            while self.report.packets < mark:
                await asyncio.sleep(0.01)
            self.report.memory.append((await self.contract_app.stats())["memory"])

    async def _count_left_over(self, before: dict[str, int]) -> None:
        counted = {name: before[name] for name in ("connections", "sockets", "polling", "tasks")}
        after = await self.contract_app.settled(**counted)
        self.report.left_over = {name: after[name] - count for name, count in counted.items()}

    async def _work(self, chance: random.Random) -> None:
        while self.report.packets < self.count:
            self.report.sessions += 1
            way = chance.choice([self._by_websocket, self._by_polling, self._by_polling, self._by_request])
            try:
                async with asyncio.timeout(4 * SECONDS), RawClient(self.contract_app.port, "/fuzz/") as raw_client:
                    await way(raw_client, chance)
            except TimeoutError:
                self.report.stuck.append(way.__name__)

    async def _by_websocket(self, raw_client: RawClient, chance: random.Random) -> None:
        """Send frames until the server has enough; sometimes take over a polling session on the way."""
        query = {"sid": await raw_client.open()} if chance.random() < 0.3 else {"b64": chance.choice([None, "1"])}
        socket = await raw_client.websocket(**query)
        reader = asyncio.create_task(drain(socket))
        frames: list[str | bytes] = ["2probe", "5"] if "sid" in query and chance.random() < 0.7 else []
        frames += ["40"] if chance.random() < 0.8 else []
        frames += [new_packet(chance) for _ in range(chance.randrange(1, 20))]
        with suppress(ConnectionClosed):
            for frame in frames:
                await socket.send(frame)
                self.report.packets += 1
        if chance.random() < 0.8:
            await socket.close()
            await reader
        reader.cancel()
        await asyncio.wait({reader})

    async def _by_polling(self, raw_client: RawClient, chance: random.Random) -> None:
        """Post bodies until the server has enough; sometimes leave without a word."""
        sid = await raw_client.open()
        poller = asyncio.create_task(poll_on(raw_client, sid))
        status = (await raw_client.post(sid, "40")).status
        while status == 200 and chance.random() < 0.9:
            packets = [new_packet(chance) for _ in range(chance.choice([1, 1, 2, 5]))]
            body = b"\x1e".join(packet.encode() if isinstance(packet, str) else packet for packet in packets)
            status = (await raw_client.post(sid, body[:MAX_PAYLOAD])).status
            self.report.statuses[status] += 1
            self.report.packets += len(packets)
        if chance.random() < 0.8:
            await raw_client.post(sid, "1")
            await poller
        poller.cancel()
        await asyncio.wait({poller})

    async def _by_request(self, raw_client: RawClient, chance: random.Random) -> None:
        """Ask for nonsense."""
        for _ in range(chance.randrange(1, 5)):
            query = {chance.choice(FIELDS): chance.choice(VALUES) for _ in range(chance.randrange(5))}
            headers = chance.sample(HEADERS, chance.randrange(3))
            answer = await raw_client.ask(
                chance.choice(METHODS), headers, chance.randbytes(chance.randrange(50)), **query
            )
            self.report.statuses[answer.status] += 1
            self.report.packets += 1


async def drain(socket: ClientConnection) -> None:
    """Read until the end."""
    with suppress(ConnectionClosed):
        while True:
            await socket.recv()


async def poll_on(raw_client: RawClient, sid: str) -> None:
    """Poll until the end."""
    while (await raw_client.poll(sid)).status == 200:
        pass


def run(folder: Path, server: str, count: int, seed: int) -> Report:
    """Start a server and send it so many packets."""
    with ContractApp(folder, server) as contract_app:
        return asyncio.run(Fuzz(contract_app, count, seed).run())


def main() -> None:
    """Run from the command line; the exit status tells."""
    parser = argparse.ArgumentParser(prog="python -m channels_socketio.tests.fuzz")
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--server", choices=["daphne", "uvicorn", "serve"], default="uvicorn")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = run(Path(folder), options.server, options.count, options.seed)
    print(f"seed {options.seed}: {report}")  # noqa: T201  (what was asked for)
    raise SystemExit("\n".join(report.problems()) or 0)


if __name__ == "__main__":
    main()
