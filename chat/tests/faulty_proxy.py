"""A network between browsers and a server that a test can take away."""

import asyncio
import threading
from contextlib import suppress

from channels_socketio.tests.support.balancer import pump


class FaultyProxy:
    """Passes connections to a port of 127.0.0.1, in a thread of its own, until it is cut. Use as a context manager."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        self._whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._over = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    @property
    def url(self) -> str:
        """The address of this end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *details: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """End all connections, and new ones as they come."""
        self._whole = False
        self._loop.call_soon_threadsafe(self._abort)

    def mend(self) -> None:
        """Let new connections pass."""
        self._whole = True

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self._abort()  # those that came since the cut
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted closes in the next turn

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(OSError):
                if self._whole:
                    await self._connect(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to)
        tasks = [asyncio.ensure_future(way) for way in (pump(reader, server_writer), pump(server_reader, writer))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            server_writer.transport.abort()
