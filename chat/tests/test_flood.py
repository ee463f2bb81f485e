"""One login session floods two processes over twenty sockets, and gets what it would get over one."""

import asyncio
import math
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import pytest

from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.raw_client import RawClient
from chat.tests.site import Site

FLOODERS = 10  # connections of one login session, in two rooms each
TIMES = 30  # that each of them sends to both rooms: not enough to be closed for too many events


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[list[Site]]:
    """Two processes that share a database and Redis, with the limits that everybody has."""
    with ExitStack() as stack:
        redis = Redis(tmp_path).start()
        stack.callback(redis.stop)
        sites = [Site(tmp_path, env={"REDIS_URL": redis.url}) for _ in range(2)]
        for site in sites:
            stack.callback(site.start().kill)
        yield sites


def heads(namespace: str) -> str:
    """Return the beginning of packets in a namespace."""
    return "" if namespace == "/" else f"{namespace},"


class Flooder:
    """One connection in two rooms, which sends as fast as the server takes it."""

    def __init__(self, raw_client: RawClient, by_websocket: bool) -> None:
        self.raw_client, self.by_websocket = raw_client, by_websocket
        self.acks: list[str] = []
        self.entered = 0
        self._id = 0

    def packets(self) -> list[str]:
        """Return a message for each room, with ids for their acks."""
        self._id += 1
        return [f'42{heads(name)}{self._id}["send chat",{{"msg":"flood"}}]' for name in ("/", "/rooms/tea")]

    async def run(self) -> None:
        """Enter the rooms, then send."""
        await (self.flood_websocket() if self.by_websocket else self.flood_polling())

    async def flood_websocket(self) -> None:
        socket = await self.raw_client.websocket()
        for packet in ("40", "40/rooms/tea,"):
            await socket.send(packet)
        while self.entered < 2:
            self.note(str(await socket.recv()))
        for _ in range(TIMES):
            for packet in self.packets():
                await socket.send(packet)
            answered = 0
            while answered < 2:
                frame = str(await socket.recv())
                answered += self.note(frame)
        await socket.close()

    async def flood_polling(self) -> None:
        sid = await self.raw_client.open()
        await self.raw_client.post(sid, "40\x1e40/rooms/tea,")
        while self.entered < 2:
            for packet in (await self.raw_client.poll(sid)).text.split("\x1e"):
                self.note(packet)
        for _ in range(TIMES):
            await self.raw_client.post(sid, "\x1e".join(self.packets()))
            answered = 0
            while answered < 2:
                for packet in (await self.raw_client.poll(sid)).text.split("\x1e"):
                    answered += self.note(packet)

    def note(self, packet: str) -> bool:
        """Keep a packet if it is an ack; return whether it is."""
        self.entered += packet.startswith("40")
        if packet.startswith("43"):
            self.acks.append(packet)
        return packet.startswith("43")


async def test_a_flood_over_many_sockets_of_two_processes_gets_the_rate_of_one(cluster: list[Site]) -> None:
    cookie, other = (f"Cookie: sessionid={site.new_cookie()}" for site in cluster)
    for room in ("lobby", "tea"):
        cluster[0].manage("say", "first", "--room", room)  # or each flooder's first word would count as a new room
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        visitors = [RawClient(cluster[number % 2].port, headers=[cookie]) for number in range(FLOODERS)]
        raws = [await stack.enter_async_context(raw_client) for raw_client in visitors]
        flooders = [Flooder(raw_client, number % 4 < 2) for number, raw_client in enumerate(raws)]
        started = loop.time()
        async with asyncio.TaskGroup() as tasks:
            for flooder in flooders:
                tasks.create_task(flooder.run())
            quiet = tasks.create_task(
                say_ten_things(await stack.enter_async_context(RawClient(cluster[0].port, headers=[other])))
            )
        seconds = loop.time() - started
    acks = [ack for flooder in flooders for ack in flooder.acks]
    stored = sum('"ok":true' in ack for ack in acks)
    assert 20 <= stored <= 20 + math.ceil(5 * seconds)
    assert sum('"too fast"' in ack for ack in acks) == len(acks) - stored > stored
    assert ['"ok":true' in ack for ack in quiet.result()] == [True] * 10


async def say_ten_things(raw_client: RawClient) -> list[str]:
    """Be somebody else meanwhile; return the acks."""
    socket = await raw_client.websocket()
    await socket.send("40")
    while not str(await socket.recv()).startswith("40"):
        pass
    for number in range(10):
        await socket.send(f'42{number}["send chat",{{"msg":"quiet"}}]')
    acks: list[str] = []
    while len(acks) < 10:
        frame = str(await socket.recv())
        acks += [frame] if frame.startswith("43") else []
    return acks


async def test_processes_count_connections_together_and_leaving_is_heard_of(cluster: list[Site]) -> None:
    cookie = f"Cookie: sessionid={cluster[0].new_cookie()}"
    async with (
        RawClient(cluster[0].port, headers=[cookie]) as here,
        RawClient(cluster[1].port, headers=[cookie]) as there,
    ):
        sockets = [await raw_client.websocket() for _ in range(4) for raw_client in (here, there)]
        await here.open()
        await there.open()
        for raw_client in (here, there):
            answer = await raw_client.ask("GET")
            assert (answer.status, answer.text) == (403, '{"code":4,"message":"Too many connections."}')
        await sockets[0].close()
        async with asyncio.timeout(10):
            while (await there.ask("GET")).status == 403:
                await asyncio.sleep(0.05)
    for site in cluster:
        assert "Traceback" not in site.process.output()
