"""Everybody in one room talks, and a message counts once its sender knows that it is stored.

Each client keeps a number of messages under way: it sends the next when one is acked. Each message has a UUID of its
own, by which a server knows a repeat, and everybody gets all messages. All servers of this scenario store with the same
settings of SQLite: a write-ahead log that is on the disk before a transaction counts as done.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from uuid import uuid4

from bench import meter
from bench.client import SOCKET_IO, Client
from bench.crowd import DRAIN_SECONDS, crowd, drain, follow, gather, warm_up
from bench.dialect import Dialect
from bench.latency import percentile
from bench.server import Server
from bench.stream import WrongAnswerError

ACK = b"43"  # of Socket.IO, in the lobby
OK = b'"ok":true'


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult(meter.Result):
    """One run. Latencies, from sending to the ack, are milliseconds; processor times microseconds per message."""

    in_flight: int
    messages: int
    messages_per_second: int
    p50_ms: float
    p99_ms: float
    server_us_per_message: float
    load_us_per_message: float


class Speaker(Client):
    """A client that keeps a number of messages in flight: it sends the next when one is acked.

    `author` is its number in the room, `digits` the length of the number in its messages; `latencies` has the seconds
    until each ack.
    """

    author = 0
    digits = 20

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        super().__init__(port, cookie, dialect)
        self.sent = self.in_flight = 0
        self.latencies: list[float] = []
        self._under_way: dict[bytes, float] = {}  # when it was sent, by the ack's id

    @property
    def waits(self) -> bool:
        """Whether there is an ack still to come."""
        return bool(self._under_way)

    def keep_in_flight(self, messages: int) -> None:
        """Send, from now on, so that `messages` are in flight; 0 stops."""
        self.in_flight = messages
        while len(self._under_way) < self.in_flight:
            self._say()

    def _say(self) -> None:
        text = self.stream.text(self.author, self.sent, self.digits)
        ack_id = str(self.sent).encode()
        self._under_way[ack_id] = perf_counter()
        self.send(b'42%s["send chat",{"msg":"%s","id":"%s"}]' % (ack_id, text.encode(), str(uuid4()).encode()))
        self.sent += 1

    def _receive(self, frame: bytes, payload: bytes) -> None:
        if not payload.startswith(ACK):
            super()._receive(frame, payload)
            return
        begun = self._under_way.pop(payload[len(ACK) : payload.index(b"[")], None)
        if begun is None or OK not in payload:
            raise WrongAnswerError(f"expected the ack of a message, got {payload[:200]!r}")
        self.latencies.append(perf_counter() - begun)
        self.keep_in_flight(self.in_flight)


async def measure_stored(server: Server, senders: int, in_flight: int, seconds: float) -> list[StoredResult]:
    """Measure once. Raises WrongAnswerError unless all messages were acked, and everybody got all of them."""
    cookies = await asyncio.to_thread(server.cookies, senders)
    async with crowd() as people:
        speakers = await gather(server, Speaker, cookies)
        people += speakers
        for number, speaker in enumerate(speakers):
            speaker.author, speaker.digits = number, server.digits
        await meter.quiet(server)
        return [await measure(server, speakers, in_flight, seconds)]


async def measure(server: Server, speakers: Sequence[Speaker], in_flight: int, seconds: float) -> StoredResult:
    """Run once, and see to it that everything that was sent was acked and arrived everywhere."""
    follow(speakers, server.keeps_order)
    for speaker in speakers:
        speaker.keep_in_flight(in_flight)
    await warm_up(seconds)
    for speaker in speakers:
        speaker.latencies.clear()
    begun = meter.read(server)
    await asyncio.sleep(seconds)
    used = meter.read(server) - begun
    latencies = sorted(latency for speaker in speakers for latency in speaker.latencies)
    for speaker in speakers:
        speaker.keep_in_flight(0)
    await settle(speakers)
    if not latencies:
        raise WrongAnswerError(f"no message was acked in {seconds:g} s")
    return StoredResult(
        server=server.name,
        clients=len(speakers),
        in_flight=in_flight,
        messages=len(latencies),
        messages_per_second=round(len(latencies) / used.time),
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
        server_us_per_message=round(used.server_cpu / len(latencies) * 1e6, 1),
        load_us_per_message=round(used.load_cpu / len(latencies) * 1e6, 1),
        **used.shares,
    )


async def settle(speakers: Sequence[Speaker]) -> None:
    """Wait until all messages are acked and everywhere; raises what ended a connection, and WrongAnswerError."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while late := sum(speaker.waits and speaker.lost is None for speaker in speakers):
        if time.monotonic() > deadline:
            raise WrongAnswerError(f"{late} clients did not get all acks in {DRAIN_SECONDS:g} s")
        await asyncio.sleep(0.05)
    await drain(speakers, sum(speaker.sent for speaker in speakers))
