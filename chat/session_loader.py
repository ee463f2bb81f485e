"""Reading login sessions for sockets: handshakes that wait at the same time share one query and one thread hop.

A crowd that reconnects after a restart then costs a few queries instead of thousands. Nobody waits for a timer:
while one query runs, whoever comes waits for the next.
"""

import asyncio
from collections.abc import Collection

from channels_socketio import PerLoop
from chat.bans import ban_list
from chat.database import in_kept_thread
from chat.models import LoginSession

MOST = 200  # keys in one query; databases bound the number of parameters


class SessionLoader:
    """Reads the login sessions that one event loop asks for."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[LoginSession | None]] = {}
        self._worker: asyncio.Task[None] | None = None

    async def find(self, session_key: str | None) -> LoginSession | None:
        """Return the live row under a key with its visitor, None without one. Raises what the database raises."""
        if session_key is None:
            return None
        if (future := self._waiting.get(session_key)) is None:
            future = self._waiting[session_key] = asyncio.get_running_loop().create_future()
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        return await asyncio.shield(future)

    async def _work(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[:MOST]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            self._worker = None

    async def _answer(self, waiting: "dict[str, asyncio.Future[LoginSession | None]]") -> None:
        try:
            rows = await in_kept_thread(read)(list(waiting))
        except Exception as error:  # each of those who wait has it raised
            for future in waiting.values():
                future.set_exception(error)
        else:
            for key, future in waiting.items():
                future.set_result(rows.get(key))


def read(session_keys: Collection[str]) -> dict[str, LoginSession]:
    """As find_live(), after a look, now and then, at who is banned: that spares handshakes another thread hop."""
    ban_list.refresh()
    return find_live(session_keys)


def find_live(session_keys: Collection[str]) -> dict[str, LoginSession]:
    """Return the live rows with these keys, each with its visitor, by key."""
    rows = LoginSession.objects.live().select_related("visitor").filter(session_key__in=session_keys)
    return {row.session_key: row for row in rows}


session_loader = PerLoop(SessionLoader)
