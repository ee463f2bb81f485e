"""How long does a message take from its sender to everybody in the room, at a rate that does not overload the server?

One sender sends at a fixed rate, whatever comes back and when. Sending and receiving are timed by the clock of this
one process, at the moment at which it writes and reads. So the time that this load generator needs to read all
copies of a message is in the figures of every server: see how busy it was.
"""

import asyncio
from array import array
from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import perf_counter

from bench import meter
from bench.client import SOCKET_IO, Client, Sender
from bench.crowd import crowd, drain, follow
from bench.dialect import Dialect
from bench.fanout import fill
from bench.server import Server

WARM_UP_MESSAGES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyResult(meter.Result):
    """One run. Latencies are milliseconds, `rate` is messages a second."""

    rate: float
    messages: int
    samples: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


class TimedClient(Client):
    """A listener that notes when each part of its stream arrived."""

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        super().__init__(port, cookie, dialect)
        self._times = array("d")
        self._positions = array("q")

    def data_received(self, data: bytes) -> None:
        """See Client."""
        now = perf_counter()
        super().data_received(data)
        self._times.append(now)
        self._positions.append(self.position)

    def arrivals(self, ends: Sequence[int]) -> list[float]:
        """Return when the frames were whole that end at these positions of the stream."""
        positions = list(accumulate(self._positions, max))  # half a frame counts until it is parsed anew
        return [self._times[bisect_left(positions, end)] for end in ends]

    def forget(self) -> None:
        """Drop what was noted."""
        del self._times[:], self._positions[:]


async def measure_latency(server: Server, clients: int, rate: float, seconds: float) -> list[LatencyResult]:
    """Measure once. Raises WrongAnswerError unless every client got every message."""
    cookies = await asyncio.to_thread(server.cookies, clients)
    async with crowd() as people:
        sender = await fill(server, people, cookies, TimedClient)
        listeners = [client for client in people if isinstance(client, TimedClient)]
        await send_at_rate(people, [sender], rate, WARM_UP_MESSAGES)
        for client in listeners:
            client.forget()
        begun = meter.read(server)
        sent, ends = await send_at_rate(people, [sender], rate, max(1, round(rate * seconds)))
        used = meter.read(server) - begun
        latencies = find_latencies(listeners, sent, ends)
    return [
        LatencyResult(
            server=server.name,
            clients=clients,
            rate=round(rate, 1),
            messages=len(sent),
            samples=len(latencies),
            p50_ms=percentile(latencies, 0.5),
            p99_ms=percentile(latencies, 0.99),
            longest_ms=percentile(latencies, 1),
            **used.shares,
        )
    ]


async def send_at_rate(
    people: Sequence[Client], senders: Sequence[Sender], rate: float, messages: int
) -> tuple[list[float], list[int]]:
    """Have the senders, in turns, send so many messages; return when each was sent, and where its frame ends.

    Both are in the order of the stream, which all people must get.
    """
    stream = follow(people)
    sent: dict[int, deque[float]] = {sender.author: deque() for sender in senders}
    begun = perf_counter()
    for number in range(messages):
        await asyncio.sleep(begun + number / rate - perf_counter())
        sender = senders[number % len(senders)]
        sent[sender.author].append(perf_counter())
        sender.say()
    await drain(people, messages)
    return [sent[author].popleft() for author in stream.authors], stream.ends()


def find_latencies(listeners: Iterable[TimedClient], sent: Sequence[float], ends: Sequence[int]) -> list[float]:
    """Return the seconds until every one of the listeners had every message, in order of size."""
    return sorted(
        arrived - left for client in listeners for left, arrived in zip(sent, client.arrivals(ends), strict=True)
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which `share` of the seconds in `ordered` lie, in milliseconds."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3, 2)
