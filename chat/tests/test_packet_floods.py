"""Clients that send packets without end, of kinds that reach no handler: they are closed, and nobody waits for them."""

import asyncio
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.utils import apply_mask

from channels_socketio.protocol.reasons import Reason
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.raw_client import RawClient, read_packet
from chat.tests.site import Site

FLOOD_SECONDS = 5.0  # that a client floods unless it is stopped
PATIENCE_SECONDS = 0.5  # that others may have to wait, on a busy machine
MASK = b"\x01\x02\x03\x04"
TEXT, BINARY, FRAGMENT, MORE, PING, PONG = 0x81, 0x82, 0x01, 0x00, 0x89, 0x8A


def frame(opcode: int, payload: bytes = b"") -> bytes:
    """Return a short frame as clients send it (RFC 6455 section 5.2)."""
    return bytes((opcode, 0x80 | len(payload))) + MASK + apply_mask(payload, MASK)


def closed(reason: Reason) -> bytes:
    """Return how the payload of a close frame begins (RFC 6455 section 5.5.1)."""
    return reason.close_code.to_bytes(2) + reason.text.encode()


BINARY_EVENT = frame(TEXT, b'451-["x",{"_placeholder":true,"num":0}]') + frame(BINARY, b"\x00")
# What comes first, what comes again and again, and the reason that the client is given.
Kind = tuple[bytes, bytes, Reason]
SEEN: dict[str, Kind] = {
    "noops": (b"", frame(TEXT, b"6"), Reason.TOO_MANY_EVENTS),
    "pongs": (b"", frame(TEXT, b"3"), Reason.TOO_MANY_EVENTS),
    "binary events": (b"", BINARY_EVENT, Reason.TOO_MANY_EVENTS),
    "garbage": (b"", frame(TEXT, b"x"), Reason.PARSE_ERROR),
    "unannounced attachments": (b"", frame(BINARY, b"\x00"), Reason.PARSE_ERROR),
}
# What only a server that counts frames can know of.
UNSEEN: dict[str, Kind] = {
    "empty continuations": (frame(FRAGMENT, b"4"), frame(MORE), Reason.TOO_MANY_EVENTS),
    "pieces of one message": (frame(FRAGMENT, b"4"), frame(MORE, b"2"), Reason.TOO_MANY_EVENTS),
    "WebSocket pings": (b"", frame(PING), Reason.TOO_MANY_EVENTS),
    "full WebSocket pings": (b"", frame(PING, bytes(125)), Reason.TOO_MANY_EVENTS),
    "WebSocket pongs": (b"", frame(PONG), Reason.TOO_MANY_EVENTS),
    "pings that only older clients send": (b"", frame(TEXT, b"2"), Reason.PARSE_ERROR),
    "empty texts": (b"", frame(TEXT), Reason.PARSE_ERROR),
}


@pytest.fixture(scope="module", params=servers("serve", "uvicorn", "daphne"))
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Site]]:
    """The chat under each server, with the limits that everybody has: the server's name and the site."""
    with serving(tmp_path_factory.mktemp("site"), request.param) as site:
        yield request.param, site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat under the server that counts whatever comes."""
    with serving(tmp_path_factory.mktemp("site"), "serve") as site:
        yield site


@contextmanager
def serving(folder: Path, server: str) -> Iterator[Site]:
    """Serve the chat; nothing may leave an error in its log."""
    running = Site(folder, server).start()
    try:
        yield running
        assert "Traceback" not in running.process.output()
    finally:
        running.kill()


class Flooder:
    """One client on a bare socket, which reads nothing while it floods."""

    def __init__(self, site: Site) -> None:
        self.socket = socket.create_connection(("127.0.0.1", site.port), 15)
        self.received = b""
        self.cookie = site.new_cookie()

    def open(self, query: str = "") -> None:
        """Open the WebSocket; `query` is the end of one."""
        lines = (
            f"GET /socket.io/?transport=websocket{query or '&EIO=4'} HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Cookie: sessionid={self.cookie}",
        )
        self.socket.sendall("\r\n".join((*lines, "", "")).encode())
        self.read_until(b"\r\n\r\n")

    def join(self) -> None:
        """Open the WebSocket and enter the lobby."""
        self.open()
        self.socket.sendall(frame(TEXT, b"40"))
        self.read_until(b'"welcome"')

    def read_until(self, text: bytes) -> None:
        """Read until `text` has come."""
        while text not in self.received:
            part = self.socket.recv(65_536)
            assert part, self.received
            self.received += part

    def flood(self, first: bytes, again: bytes) -> float:
        """Send until the server stops that, at most FLOOD_SECONDS, then read all; return how long it was sent."""
        block = again * (65_536 // len(again))
        started = time.monotonic()
        with suppress(ConnectionError):
            self.socket.sendall(first)
            while time.monotonic() - started < FLOOD_SECONDS:
                self.socket.sendall(block)
        seconds = time.monotonic() - started
        with suppress(ConnectionError), self.socket:
            while part := self.socket.recv(65_536):
                self.received += part
        return seconds


class Bystander:
    """Somebody who does no wrong: `waits` has how long `/healthz` took each time, `echoes` an event with its ack."""

    def __init__(self, raw_client: RawClient) -> None:
        self.raw_client = raw_client
        self.waits: list[float] = []
        self.echoes: list[float] = []

    async def join(self) -> ClientConnection:
        """Enter the lobby."""
        client = await self.raw_client.websocket()
        await client.send("40")
        while '"welcome"' not in str(await read_packet(client)):
            pass
        return client

    async def watch(self, client: ClientConnection, flood: "asyncio.Future[Any]") -> None:
        """Go on until the flood is over, at least five times."""
        health = RawClient(self.raw_client.port, "/healthz")
        while not flood.done() or len(self.waits) < 5:
            started = time.monotonic()
            assert (await health.ask("GET")).status == 200
            self.waits.append(time.monotonic() - started)
            started = time.monotonic()
            await client.send('421["typing",{}]')
            while not str(await read_packet(client)).startswith("431"):
                pass
            self.echoes.append(time.monotonic() - started)
            await asyncio.sleep(0.03)  # or this would be a flood as well


def many(version: str, packet: str, count: int) -> str:
    """Return a polling body with a packet so many times."""
    return ("" if version == "3" else "\x1e").join([packet] * count)


async def closed_floods(site: Site) -> int:
    """Return how many connections have been closed for too many packets."""
    async with RawClient(site.port, "/metrics") as raw_client:
        lines = (await raw_client.ask("GET")).text.splitlines()
    name = 'limit_refusals_total{limit="messages of a connection"} '
    return int(float(next((line.removeprefix(name) for line in lines if line.startswith(name)), "0")))


async def assert_nobody_waits(site: Site, flood: Callable[[], float]) -> None:
    """Run `flood`, which returns how long it took, in a thread: it must be stopped, and others answered meanwhile."""
    async with RawClient(site.port, headers=[f"Cookie: sessionid={site.new_cookie()}"]) as raw_client:
        bystander = Bystander(raw_client)
        client = await bystander.join()
        running = asyncio.ensure_future(asyncio.to_thread(flood))
        await bystander.watch(client, running)
    assert await running < FLOOD_SECONDS
    assert statistics.median(bystander.waits) < PATIENCE_SECONDS
    assert statistics.median(bystander.echoes) < PATIENCE_SECONDS


@pytest.mark.parametrize("kind", SEEN.values(), ids=SEEN.keys())
async def test_who_floods_with_packets_is_closed_and_nobody_waits(served: tuple[str, Site], kind: Kind) -> None:
    server, site = served
    first, again, reason = kind
    before = await closed_floods(site)
    flooder = Flooder(site)
    flooder.join()
    await assert_nobody_waits(site, lambda: flooder.flood(first, again))
    told = b"\x03\xe8" if server == "daphne" else closed(reason)  # Daphne passes neither code nor reason on
    assert told in flooder.received
    assert await closed_floods(site) == before + (reason is Reason.TOO_MANY_EVENTS)


@pytest.mark.parametrize("kind", UNSEEN.values(), ids=UNSEEN.keys())
async def test_who_floods_with_what_no_application_sees_is_closed_and_nobody_waits(site: Site, kind: Kind) -> None:
    first, again, reason = kind
    before = await closed_floods(site)
    flooder = Flooder(site)
    flooder.join()
    await assert_nobody_waits(site, lambda: flooder.flood(first, again))
    assert closed(reason) in flooder.received
    assert await closed_floods(site) == before + (reason is Reason.TOO_MANY_EVENTS)


async def test_pings_of_old_clients_count(served: tuple[str, Site]) -> None:
    _, site = served
    before = await closed_floods(site)
    flooder = Flooder(site)
    flooder.open("&EIO=3")
    await assert_nobody_waits(site, lambda: flooder.flood(b"", frame(TEXT, b"2")))
    assert await closed_floods(site) == before + 1


@pytest.mark.parametrize(("version", "body"), [("4", b"\x1e".join([b"6"] * 90_000)), ("3", b"1:2" * 60_000)])
async def test_bodies_full_of_packets_are_refused_and_nobody_waits(
    served: tuple[str, Site], version: str, body: bytes
) -> None:
    _, site = served
    before = await closed_floods(site)
    async with RawClient(site.port, headers=[f"Cookie: sessionid={site.new_cookie()}"]) as raw_client:
        sid = await raw_client.open(EIO=version)
        started = time.monotonic()
        assert (await raw_client.post(sid, body, EIO=version)).pair == (429, "too many events")
        assert time.monotonic() - started < PATIENCE_SECONDS
        assert (await raw_client.post(sid, body, EIO=version)).status == 400  # the connection is gone
    assert await closed_floods(site) == before + 1


@pytest.mark.parametrize(("version", "packet"), [("4", "6"), ("3", "1:2")])
async def test_bodies_of_one_packet_each_count(site: Site, version: str, packet: str) -> None:
    before = await closed_floods(site)
    async with RawClient(site.port, headers=[f"Cookie: sessionid={site.new_cookie()}"]) as raw_client:
        sid = await raw_client.open(EIO=version)
        assert (await raw_client.post(sid, many(version, packet, 450), EIO=version)).status == 200
        statuses = [(await raw_client.post(sid, packet, EIO=version)).status for _ in range(100)]
    assert 429 in statuses
    assert await closed_floods(site) == before + 1


async def test_a_candidate_that_floods_is_closed_with_its_connection(site: Site) -> None:
    before = await closed_floods(site)
    flooder = Flooder(site)
    async with RawClient(site.port, headers=[f"Cookie: sessionid={flooder.cookie}"]) as raw_client:
        sid = await raw_client.open()
        flooder.open(f"&EIO=4&sid={sid}")
        await assert_nobody_waits(site, lambda: flooder.flood(frame(TEXT, b"2probe"), frame(PING)))
        assert closed(Reason.TOO_MANY_EVENTS) in flooder.received
        assert (await raw_client.poll(sid)).status == 400
    assert await closed_floods(site) == before + 1
