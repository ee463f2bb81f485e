"""One or two server processes of the chat with one database, to be killed and started again."""

import asyncio
import re
import signal
import sqlite3
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple, Self
from uuid import UUID

from channels_socketio.tests.support.processes import Redis, accepts_connections, wait_until
from chat.tests.postgres import Postgres
from chat.tests.site import Site

QUERY = (
    "SELECT slug, seq, client_id, name, text FROM chat_message JOIN chat_room ON room_id = chat_room.id ORDER BY seq"
)
RECORD = re.compile(r"^(?=\d{4}-\d\d-\d\d )", re.MULTILINE)  # a line of the log, with its traceback
WITHOUT_REDIS = re.compile("channels_redis|ConnectionError")


class Row(NamedTuple):
    """A stored message."""

    seq: int
    id: str
    name: str
    text: str


class Cluster:
    """With the layer "redis" two servers and a layer that loses and repeats news, with "memory" one server.

    `database` is "sqlite" or "postgresql". Use as a context manager; the servers then run.
    """

    def __init__(self, folder: Path, database: str, layer: str, seed: str) -> None:
        self.database, self.layer = database, layer
        self.redis: Redis | None = None
        self.sites: list[Site] = []
        self._folder = folder
        self._seed = seed

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            env = {"LIMITS": "off", "DJANGO_SETTINGS_MODULE": "chat.tests.faults_settings", "LOSSES": self._seed}
            self.url = f"sqlite:///{self._folder / 'site.sqlite3'}"
            if self.database == "postgresql":
                postgres = Postgres(self._folder)
                stack.callback(postgres.remove)
                self.url = postgres.start().url
            if self.layer == "redis":
                self.redis = Redis(self._folder).start()
                stack.callback(self.redis.stop)
                env["REDIS_URL"] = self.redis.url
            for number in range(1 if self.redis is None else 2):
                folder = self._folder / f"server-{number}"
                folder.mkdir()
                site = Site(folder, "serve", env | {"DATABASE_URL": self.url})
                stack.callback(site.stop, signal.SIGKILL)
                self.sites.append(site.start())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    async def kill(self, site: Site) -> None:
        """Kill a server, and start it again on the same port."""
        await asyncio.to_thread(site.stop, signal.SIGKILL)
        site.process.start()
        await asyncio.to_thread(wait_until, lambda: accepts_connections(site.port), "the server was back", 60)

    async def restart_redis(self) -> None:
        """Stop Redis, and start it again."""
        if self.redis is not None:
            await asyncio.to_thread(self.redis.stop)
            await asyncio.to_thread(self.redis.start)

    def log(self, rooms: list[str]) -> dict[str, list[Row]]:
        """Return what is stored in these rooms, past all of the product's code."""
        found: dict[str, list[Row]] = {room: [] for room in rooms}
        for slug, seq, client_id, name, text in self._query():
            if slug in found:
                found[slug].append(Row(seq, str(UUID(str(client_id))), name, text))
        return found

    def errors(self) -> list[str]:
        """Return what the servers have logged as errors, without what is said of a Redis that is not there."""
        records = [record for site in self.sites for record in RECORD.split(site.process.output())]
        errors = [record for record in records if " ERROR " in record.partition("\n")[0]]
        return [error for error in errors if not WITHOUT_REDIS.search(error.partition("\n")[0])]

    def _query(self) -> list[tuple[str, int, object, str, str]]:
        if self.database == "sqlite":
            with closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                return connection.execute(QUERY).fetchall()
        import psycopg  # only PostgreSQL needs it

        with psycopg.connect(self.url) as connection:
            return connection.execute(QUERY).fetchall()
