"""A network that fails: a TCP link between clients and a server, in the process of the test."""

import asyncio
from contextlib import suppress

Link = tuple[asyncio.StreamWriter, asyncio.StreamWriter]  # to the client, to the server


class Proxy:
    """A TCP link to `target`, a port of 127.0.0.1. Use as a context manager.

    While it is not `open`, new links are refused. `delay` is how many seconds each piece of what is sent takes longer.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.open = True
        self.delay = 0.0
        self._links: set[Link] = set()
        self._deaf: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *details: object) -> None:
        self._server.close()
        self.cut()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def cut(self) -> None:
        """End all links."""
        for link in self._links:
            for writer in link:
                writer.transport.abort()
        self._links.clear()

    def swallow(self) -> None:
        """Let nothing more through the links that there are: neither side notices."""
        self._deaf.update(writer for link in self._links for writer in link)

    def mute(self) -> None:
        """Let nothing more through to the client by the links that there are; what it says still arrives."""
        self._deaf.update(to_client for to_client, _ in self._links)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._connect(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = (writer, far_writer)
        self._links.add(link)
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            for end in link:
                end.close()
            self._links.discard(link)
            self._deaf.difference_update(link)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if writer not in self._deaf:
                    writer.write(data)
                    await writer.drain()
        if writer not in self._deaf:
            writer.close()
