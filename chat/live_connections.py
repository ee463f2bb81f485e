"""The live connections of this process, written into the database for the admin: a second late, in nobody's way.

One task for each process, which lives while there are connections. Once a second it writes what has changed, in a
thread of its own: connecting costs no query, and a database that is stuck holds up nothing but the list. Many changes
are many short transactions with rests between: SQLite lets only one at a time write, and messages wait for it.
What waits meanwhile is which connections are to be written, not what they were (see the library's `tracker`).

Each transaction begins with the process's heartbeat, which vouches for its rows. When it finds that other processes
took this one for dead, it writes everything anew. Everybody removes those whose heartbeat is too old, with their rows.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.models.functions import Now

from channels_socketio import PerLoop, current_runtime
from chat.database import DatabaseThread
from chat.models import LiveConnection, ServerProcess
from chat.rooms import room_of
from chat.sql import WRITE_CONNECTION

if TYPE_CHECKING:
    from channels_socketio import Connection

INTERVAL = 1.0
ROOMS_LENGTH = 500
AGENT_LENGTH = 200
ADDRESS_LENGTH = 50
AT_ONCE = 50  # rows in one transaction
REST = 0.02  # seconds between two

Row = tuple[Any, ...]

logger = logging.getLogger(__name__)
thread = DatabaseThread("chat-live-connections")


class LiveConnections:
    """Writes the connections of one event loop."""

    def __init__(self) -> None:
        self._runtime = runtime = current_runtime()
        self._task: asyncio.Task[None] | None = None
        self._beats_at = 0.0
        self._registered = False
        self._failing = False
        runtime.on_shutdown.append(self._end)
        runtime.tracker.follow(self._start)

    def _start(self) -> None:
        if self._task is None and not self._runtime.closing:
            self._task = asyncio.create_task(self._work())

    async def _work(self) -> None:
        """Write until there is nobody left to be written."""
        try:
            while not self._runtime.tracker.empty:
                await asyncio.sleep(settings.CHAT_HEARTBEAT if self._failing else INTERVAL)
                await self._write_due()
            await self._remove()
        finally:
            self._task = None
        if not self._runtime.tracker.empty:
            self._start()  # somebody came while it was removed

    async def _write_due(self) -> None:
        present, gone = self._runtime.tracker.take()
        now = self._runtime.now()
        beats = now >= self._beats_at
        if not (present or gone or beats):
            return
        if beats:
            self._beats_at = now + settings.CHAT_HEARTBEAT
        for first in range(0, max(len(present), len(gone), 1), AT_ONCE):
            if first:
                await asyncio.sleep(REST)
            part = slice(first, first + AT_ONCE)
            if not await self._write(present[part], gone[part], beats and first == 0):
                break  # everything is written anew

    async def _write(self, present: Sequence[str], gone: Sequence[str], sweeps: bool) -> bool:
        """Write some connections; return whether the rows of all others are still what they were."""
        process, connections = self._runtime.process, self._runtime.connections
        rows = [row_of(process, connections[sid]) for sid in present if sid in connections]
        try:
            known = await thread.run(write, process, rows, [id_of(sid) for sid in gone], sweeps)
        except Exception as error:
            # Whatever it was, it is written again, everything: what of this was stored cannot be known.
            self._fail(error)
            return False
        self._failing = False
        lost = self._registered and not known
        if lost:
            self._runtime.tracker.forget()
        self._registered = True
        return not lost

    async def _remove(self) -> None:
        """Delete this process and its connections; a failure is left to the others, who find it dead."""
        self._registered = False
        try:
            await thread.run(ServerProcess.objects.filter(pk=self._runtime.process).delete)
        except DatabaseError as error:
            self._fail(error)

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await self._remove()

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            expected = isinstance(error, DatabaseError)
            logger.error("Live connections cannot be written, trying again: %s", error, exc_info=not expected)
        self._failing = True
        self._registered = False
        self._beats_at = 0.0
        self._runtime.tracker.forget()


def write(process: str, rows: Sequence[Row], gone: Sequence[str], sweeps: bool) -> bool:
    """Vouch for this process, write and delete rows of connections, and remove dead processes if that is wanted.

    Returns whether the process was in the database; if not, it has no other rows there.
    """
    with transaction.atomic():
        known = ServerProcess.objects.filter(pk=process).update(heartbeat=Now()) > 0
        if not known:
            ServerProcess.objects.create(pk=process, name=f"{socket.gethostname()[:80]}:{os.getpid()}")
        LiveConnection.objects.filter(pk__in=gone).delete()
        if rows:
            with connection.cursor() as cursor:
                cursor.executemany(WRITE_CONNECTION, rows)
    if sweeps:
        ServerProcess.objects.filter(heartbeat__lt=ServerProcess.oldest_heartbeat()).delete()
    return known


def row_of(process: str, found: "Connection") -> Row:
    """Return the values for WRITE_CONNECTION."""
    scope = found.scope
    session, user = scope.get("session"), scope.get("user")
    rooms = " ".join(sorted(room_of(each.kwargs) for each in found.sockets.values() if each.connected))
    return (
        id_of(found.engine.sid),
        process,
        getattr(session, "lasting_id", None),
        user.pk if user is not None and user.is_authenticated else None,
        rooms[:ROOMS_LENGTH],
        found.transport.name,
        found.handshake.address[:ADDRESS_LENGTH],
        agent_of(scope)[:AGENT_LENGTH],
        connection.ops.adapt_datetimefield_value(datetime.fromtimestamp(found.since, UTC)),
    )


def id_of(sid: str) -> str:
    """Return what tells connections apart and opens none."""
    return sha256(sid.encode()).hexdigest()[:32]


def agent_of(scope: Any) -> str:
    """Return what the client calls itself, without what the database does not take."""
    agent = next((value for name, value in scope.get("headers", ()) if name == b"user-agent"), b"")
    return str(agent.decode("latin-1").replace("\0", ""))


keep_live_connections = PerLoop(LiveConnections)  # call it: the connections of the event loop are written from then on
