"""A load balancer for tests that keeps no client at its server: each request goes to the next one."""

import asyncio
import itertools
import re
from collections.abc import Sequence
from contextlib import suppress

from channels_socketio.tests.support.faulty_proxy import FaultyProxy

KEEP_ALIVE = re.compile(rb"(?i)\r\nconnection: keep-alive(?=\r\n)")


class Balancer(FaultyProxy):
    """A proxy for servers on `ports`; `counts` tells how many requests each has had."""

    def __init__(self, ports: Sequence[int]) -> None:
        super().__init__(ports[0])
        self.counts = dict.fromkeys(ports, 0)
        self._turns = itertools.cycle(ports)

    async def _connect(self, reader: asyncio.StreamReader) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Pass one request on, which the server shall take for the last of its connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        turn = next(self._turns)  # others may take theirs while this one finds that a server is down
        for port in sorted(self.counts, key=lambda port: port != turn):
            with suppress(OSError):
                streams = await asyncio.open_connection("127.0.0.1", port)
                self.counts[port] += 1
                streams[1].write(KEEP_ALIVE.sub(b"\r\nConnection: close", head))
                return streams
        raise ConnectionRefusedError("expected a server that accepts connections")
