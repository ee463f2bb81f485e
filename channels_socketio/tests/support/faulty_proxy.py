"""A network that fails: a TCP relay between clients and a server, in a thread of its own."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class FaultyProxy:
    """Passes connections on to `target`, a port of 127.0.0.1. Use as a context manager.

    `delay` is how many seconds each piece of what is sent takes longer. `asked` says that the last piece came from a
    client: one that polls waits for the answer. The methods may be called from any thread; what they do is done when
    they return.
    """

    def __init__(self, target: int) -> None:
        self.target, self.port = target, 0
        self.delay, self.asked = 0.0, False
        self._enabled = True
        self._to_clients: set[asyncio.StreamWriter] = set()
        self._to_servers: set[asyncio.StreamWriter] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._ready, self._over = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._run()])

    @property
    def url(self) -> str:
        """The address of this end."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *details: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """End all connections; new ones pass."""
        self._do(self._abort)

    def disable(self) -> None:
        """End all connections, and new ones as they come."""
        self._enabled = False
        self.cut()

    def enable(self) -> None:
        """Let new connections pass."""
        self._enabled = True

    def swallow(self) -> None:
        """Let nothing more through the connections that there are: neither side notices."""
        self._do(lambda: self._deaf.update(self._to_clients, self._to_servers))

    def mute(self) -> None:
        """Let nothing more through to the client by the connections that there are; what it says still arrives."""
        self._do(lambda: self._deaf.update(self._to_clients))

    def _do(self, change: Callable[[], None]) -> None:
        done = threading.Event()
        self._loop.call_soon_threadsafe(change)
        self._loop.call_soon_threadsafe(done.set)
        done.wait()

    def _abort(self) -> None:
        for writer in self._to_clients | self._to_servers:
            writer.transport.abort()

    async def _run(self) -> None:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        self._enabled = False
        self._abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        await asyncio.sleep(0)  # what was aborted closes in the next turn

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._to_clients.add(writer)
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                if self._enabled:
                    await self._relay(reader, writer)
        finally:
            self._to_clients.discard(writer)
            self._deaf.discard(writer)
            writer.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await self._connect(reader)
        self._to_servers.add(server_writer)
        try:
            await asyncio.gather(self._pump(reader, server_writer), self._pump(server_reader, writer))
        finally:
            self._to_servers.discard(server_writer)
            self._deaf.discard(server_writer)
            server_writer.close()

    async def _connect(self, reader: asyncio.StreamReader) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return the streams of a server for a client whose bytes `reader` has; OSError refuses the client."""
        return await asyncio.open_connection("127.0.0.1", self.target)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if writer not in self._deaf:
                    self.asked = writer in self._to_servers
                    writer.write(data)
                    await writer.drain()
        if writer not in self._deaf:
            writer.close()
