"""Processes that serve `support/contract_app.py`, and what their visitors do."""

import json
import time
from pathlib import Path

from django.core import signing

from channels_socketio.tests.support.processes import AppProcess
from channels_socketio.tests.support.raw_client import SECONDS, RawClient

APPLICATION = "channels_socketio.tests.support.contract_app:application"
SECRET_KEY = "no secret, for tests only"
ORIGIN = "https://friend.example"  # of the one foreign site that is allowed
MAX_PAYLOAD = 100_000
MAX_NAMESPACES = 10
HASTE = (2.0, 0.4)  # the seconds of PATIENCE and WORD of a hasty process, see fanout/relay.py
UNKNOWN_SID = '{"code":1,"message":"Session ID unknown"}'


class ContractApp(AppProcess):
    """One server process; a hasty one soon gives up waiting for another process, see HASTE."""

    def __init__(self, folder: Path, server: str, redis_url: str | None = None, hasty: bool = False) -> None:
        env = {} if redis_url is None else {"REDIS_URL": redis_url}
        env |= {"HASTY": "1"} if hasty else {}
        super().__init__(APPLICATION, folder, server, env)

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
