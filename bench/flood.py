"""What do the others in a room notice of a login session that floods it?

Everybody says something now and then, below the limits, and the time until everybody has it is measured as in
`latency`: quietly first, then beside a flood. One more login session floods by many sockets, each of which sends the
next message as soon as one is answered, whatever the answer. The server closes a socket that sends more than a
connection may; another takes its place at once. What of the flood reaches the room is counted by one of the clients,
who says nothing. The login session's allowance for the beginning is used up before the measurement.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench import meter
from bench.client import SOCKET_IO, Client, Sender
from bench.crowd import DRAIN_SECONDS, WARM_UP_SECONDS, crowd, gather
from bench.dialect import Dialect
from bench.latency import TimedClient, find_latencies, percentile, send_at_rate
from bench.server import Server
from bench.stream import Stream, WrongAnswerError

EACH_PER_SECOND = 2  # messages of each of the others: less than half of what the limits let through
IN_FLIGHT = 200  # messages of each socket that floods: fewer than a connection may send at once
ALLOWED_PER_SECOND, ALLOWED_AT_ONCE = 5, 20  # of CHAT: MESSAGES_PER_SECOND, MESSAGES_AT_ONCE
MARGIN = 5  # accepted messages: what a second of a busy machine, just before the window, leaves in the bucket
ACK = b"43"  # of Socket.IO, in the lobby
REFUSED = b'"code":"too fast"'
WEBSOCKET_CLOSE = 0x88


@dataclass(frozen=True, slots=True, kw_only=True)
class FloodResult(meter.Result):
    """One run. Latencies, of what the others say, are milliseconds; `flood` is how many sockets flooded."""

    flood: int
    messages: int
    samples: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    accepted_per_second: float
    refused_per_second: float
    closed_per_second: float


class Talker(TimedClient, Sender):
    """One of the others: listens, and speaks when told."""


@dataclass(slots=True)
class Flood:
    """What one login session has tried: `stream` is what of it reached the room, the rest are counts."""

    stream: Stream = field(default_factory=lambda: Stream(ordered=False))
    sent: int = 0
    refused: int = 0
    closed: int = 0

    def next_text(self) -> str:
        """Return the text of a message that was not sent before."""
        self.sent += 1
        return self.stream.text(0, self.sent, digits=20)


class Flooder(Client):
    """A socket of the flood: keeps messages in flight until it is closed, which is no error. It reads answers only."""

    def __init__(self, port: int, cookie: str, dialect: Dialect = SOCKET_IO) -> None:
        super().__init__(port, cookie, dialect)
        self.over = asyncio.Event()
        self._flood: Flood | None = None

    def begin(self, flood: Flood) -> None:
        """Flood from now on."""
        self._flood = flood
        for _ in range(IN_FLIGHT):
            self._say(flood)

    def connection_lost(self, exc: Exception | None) -> None:
        """See Client."""
        super().connection_lost(exc)
        self.over.set()

    def _say(self, flood: Flood) -> None:
        text = flood.next_text()
        self.send(b'42%d["send chat",{"msg":"%s"}]' % (flood.sent, text.encode()))

    def _receive(self, frame: bytes, payload: bytes) -> None:
        if self._flood is not None and payload.startswith(ACK):
            self._flood.refused += REFUSED in payload
            self._say(self._flood)
        elif frame[0] == WEBSOCKET_CLOSE:
            self.close()
        elif not payload.startswith(self.dialect.broadcast):
            super()._receive(frame, payload)


async def measure_flood(server: Server, clients: int, sockets: int, seconds: float) -> list[FloodResult]:
    """Measure without and with a flood. Raises WrongAnswerError when the flood gets more than it may, or others less.

    One of the clients counts.
    """
    *cookies, counting, flooding = await asyncio.to_thread(server.cookies, clients + 1)
    async with crowd() as people:
        talkers = await gather(server, Talker, cookies)
        people += talkers
        [witness] = await gather(server, Client, [counting])
        people.append(witness)
        for number, talker in enumerate(talkers):
            talker.author, talker.digits = number, server.digits
        await meter.quiet(server)
        flood = Flood()
        witness.follow(flood.stream)
        results = [await measure(server, talkers, witness, flood, 0, seconds)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(keep_flooding(server, flooding, flood)) for _ in range(sockets)]
            await use_up(flood, witness)
            results.append(await measure(server, talkers, witness, flood, sockets, seconds))
            for task in tasks:
                task.cancel()
        return results


async def measure(
    server: Server, talkers: Sequence[Talker], witness: Client, flood: Flood, sockets: int, seconds: float
) -> FloodResult:
    """Measure once, beside a flood over so many sockets."""
    await talk(talkers, min(WARM_UP_SECONDS, seconds))
    for talker in talkers:
        talker.forget()
    begun, accepted, refused, closed = meter.read(server), witness.received, flood.refused, flood.closed
    sent, ends = await talk(talkers, seconds)
    used, accepted = meter.read(server) - begun, witness.received - accepted
    if witness.lost is not None:
        raise witness.lost
    check(accepted, used.time)
    latencies = find_latencies(talkers, sent, ends)
    return FloodResult(
        server=server.name,
        clients=len(talkers) + 1,
        flood=sockets,
        messages=len(sent),
        samples=len(latencies),
        p50_ms=percentile(latencies, 0.5),
        p99_ms=percentile(latencies, 0.99),
        longest_ms=percentile(latencies, 1),
        accepted_per_second=round(accepted / used.time, 1),
        refused_per_second=round((flood.refused - refused) / used.time),
        closed_per_second=round((flood.closed - closed) / used.time, 1),
        **used.shares,
    )


async def talk(talkers: Sequence[Talker], seconds: float) -> tuple[list[float], list[int]]:
    """Have all of them say something now and then, for so long; see send_at_rate."""
    rate = EACH_PER_SECOND * len(talkers)
    return await send_at_rate(talkers, talkers, rate, max(1, round(rate * seconds)))


def check(accepted: int, seconds: float) -> None:
    """Raise WrongAnswerError when so many messages of one login session are more than its limit."""
    if accepted > (allowed := ALLOWED_PER_SECOND * seconds + MARGIN):
        raise WrongAnswerError(
            f"expected at most {allowed:.0f} messages of the flood in {seconds:.1f} s, got {accepted}"
        )


async def keep_flooding(server: Server, cookie: str, flood: Flood) -> None:
    """Flood by one socket, and by another one whenever the server closes it."""
    while True:
        [flooder] = await gather(server, Flooder, [cookie])
        try:
            flooder.begin(flood)
            await flooder.over.wait()
            flood.closed += 1
        finally:
            flooder.close()


async def use_up(flood: Flood, witness: Client) -> None:
    """Wait until what may come at once has come, and the rest is refused; raises WrongAnswerError when it is not."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while not flood.refused or witness.received < ALLOWED_AT_ONCE:
        if time.monotonic() > deadline:
            raise WrongAnswerError(
                f"expected {ALLOWED_AT_ONCE} messages of the flood and refusals within {DRAIN_SECONDS:g} s, "
                f"got {witness.received} and {flood.refused}"
            )
        await asyncio.sleep(0.05)
