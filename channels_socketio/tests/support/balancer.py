"""A load balancer for tests that keeps no client at its place: each request goes to the next server."""

import asyncio
import itertools
import re
import threading
from collections.abc import Sequence
from contextlib import suppress

KEEP_ALIVE = re.compile(rb"(?i)\r\nconnection: keep-alive(?=\r\n)")


class Balancer:
    """Listens on a free port of 127.0.0.1, in a thread of its own, for servers on `ports`. Use as a context manager.

    `counts` tells how many requests each has had.
    """

    def __init__(self, ports: Sequence[int]) -> None:
        self.counts = dict.fromkeys(ports, 0)
        self.port = 0
        self._turns = itertools.cycle(ports)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    def __enter__(self) -> "Balancer":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *details: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one request on, which the server shall take for the last of its connection, and all that follows."""
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            port, server_reader, server_writer = await self._connect()
            self.counts[port] += 1
            server_writer.write(KEEP_ALIVE.sub(b"\r\nConnection: close", head))
            ways = [pump(reader, server_writer), pump(server_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            server_writer.close()
        writer.close()

    async def _connect(self) -> tuple[int, asyncio.StreamReader, asyncio.StreamWriter]:
        turn = next(self._turns)  # others may take theirs while this one finds that a server is down
        for port in sorted(self.counts, key=lambda port: port != turn):
            with suppress(OSError):
                return port, *await asyncio.open_connection("127.0.0.1", port)
        raise ConnectionRefusedError("expected a server that accepts connections")


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on until the end."""
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
