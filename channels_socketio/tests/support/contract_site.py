"""Processes that serve `support/contract_app.py`, and what their visitors do."""

import json
import time
from pathlib import Path

from django.core import signing

from channels_socketio.tests.support.processes import (
    Process,
    accepts_connections,
    free_port,
    server_command,
    wait_until,
)
from channels_socketio.tests.support.raw_client import SECONDS, RawClient

SECRET_KEY = "no secret, for tests only"
ORIGIN = "https://friend.example"  # of the one foreign site that is allowed
MAX_PAYLOAD = 100_000
MAX_NAMESPACES = 10
HASTE = (2.0, 0.4)  # the seconds of PATIENCE and WORD of a hasty process, see fanout/relay.py
UNKNOWN_SID = '{"code":1,"message":"Session ID unknown"}'


class ContractApp:
    """One server process; `server` is that of `server_command`. Use as a context manager.

    A hasty one soon gives up waiting for another process, see HASTE.
    """

    def __init__(self, folder: Path, server: str, redis_url: str | None = None, hasty: bool = False) -> None:
        self.server, self.port = server, free_port()
        env = {} if redis_url is None else {"REDIS_URL": redis_url}
        env |= {"HASTY": "1"} if hasty else {}
        command = server_command(server, self.port, "channels_socketio.tests.support.contract_app:application")
        self.process = Process(command, folder / f"arena-{self.port}.log", env)

    def __enter__(self) -> "ContractApp":
        self.process.start()
        wait_until(lambda: accepts_connections(self.port), f"the arena was open: {self.process.output()}", 30)
        return self

    def __exit__(self, *details: object) -> None:
        self.process.kill()

    async def stats(self) -> dict[str, int]:
        """Return the numbers of what is alive in the process."""
        async with RawClient(self.port, "/stats") as raw_client:
            return dict(json.loads((await raw_client.ask("GET")).body))

    async def settled(self, **expected: int) -> dict[str, int]:
        """Wait for the process to have these numbers, and return those it has."""
        deadline = time.monotonic() + SECONDS
        while not expected.items() <= (numbers := await self.stats()).items() and time.monotonic() < deadline:
            pass
        return numbers

    def errors(self) -> list[str]:
        """Return the lines of the log that speak of errors."""
        return [line for line in self.process.output().splitlines() if "Traceback" in line or "ERROR" in line]


def login_session(name: str) -> str:
    """Return the header with the cookie of a login session."""
    salt = "django.contrib.sessions.backends.signed_cookies"
    return f"Cookie: sessionid={signing.dumps({'name': name}, key=SECRET_KEY, salt=salt, compress=True)}"


async def joined(raw_client: RawClient) -> str:
    """Open a session, connect to the main namespace and return the engine id."""
    sid = await raw_client.open()
    assert (await raw_client.post(sid, "40")).pair == (200, "ok")
    assert (await raw_client.poll(sid)).text.startswith('40{"sid":"')
    return sid


async def assert_alive(raw_client: RawClient, sid: str) -> None:
    """Check that a session goes on as if nothing had been."""
    assert (await raw_client.post(sid, '427["echo","alive"]')).pair == (200, "ok")
    assert (await raw_client.poll(sid)).text == '42["echoed","alive"]\x1e437["alive"]'


async def assert_gone(raw_client: RawClient, sid: str) -> None:
    """Check that a session is unknown."""
    assert (await raw_client.poll(sid)).pair == (400, UNKNOWN_SID)
    assert (await raw_client.post(sid, "3")).pair == (400, UNKNOWN_SID)
