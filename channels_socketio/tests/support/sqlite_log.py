"""A log for tests, in an SQLite file that several processes may share, or in memory."""

import sqlite3
from collections.abc import Collection, Mapping
from typing import Any

from channels_socketio.history.log import NEWEST, Item, Page, Position

TABLE = "CREATE TABLE IF NOT EXISTS steps (namespace, seq, deletions, deletes, data)"
ENTRIES = """
    SELECT seq, deletions, deletes, data FROM steps AS entry WHERE namespace = ? AND deletes IS NULL AND seq > ?
    AND NOT EXISTS (SELECT 1 FROM steps WHERE namespace = entry.namespace AND deletes = entry.seq)
"""
DELETIONS = "SELECT seq, deletions, deletes, data FROM steps WHERE namespace = ? AND deletes NOTNULL AND deletions > ?"


class SQLiteLog:
    """Entries say `entry` with their data, deletions `deleted` with the number of the entry.

    `readings` counts what was asked; while `broken`, asking raises OSError.
    """

    def __init__(self, path: str = ":memory:") -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        self._database.execute("PRAGMA journal_mode = wal")
        self._database.execute("PRAGMA synchronous = off")  # nobody pulls the plug
        self._database.execute(TABLE)
        self.readings = 0
        self.broken = False

    def append(self, data: Any, namespace: str = "/") -> Item:
        """Commit an entry."""
        return self._commit(namespace, None, data)

    def delete(self, seq: int, namespace: str = "/") -> Item:
        """Commit a deletion."""
        return self._commit(namespace, seq, seq)

    def end(self, namespace: str = "/") -> Position:
        """Return where the log ends."""
        sql = "SELECT ifnull(max(seq), 0), ifnull(max(deletions), 0) FROM steps WHERE namespace = ?"
        return Position(*self._database.execute(sql, [namespace]).fetchone())

    def items(self, namespace: str = "/") -> list[Item]:
        """Return everything in the order of commit."""
        sql = "SELECT seq, deletions, deletes, data FROM steps WHERE namespace = ? ORDER BY rowid"
        return self._items(sql, namespace)

    async def newest(self, namespace: str) -> Page:
        """Part of Log."""
        self._count()
        items = self._items(f"{ENTRIES} ORDER BY seq DESC LIMIT ?", namespace, 0, NEWEST)[::-1]
        end = self.end(namespace)
        before = Position(items[0].position.seq - 1 if items else end.seq, end.deletions)
        return Page(before, items, end)

    async def after(self, namespace: str, position: Position, limit: int) -> Page:
        """Part of Log."""
        self._count()
        end = self.end(namespace)
        deletions = self._items(f"{DELETIONS} ORDER BY deletions LIMIT ?", namespace, position.deletions, limit)
        entries = self._items(f"{ENTRIES} ORDER BY seq LIMIT ?", namespace, position.seq, limit)
        behind = Position(
            entries[-1].position.seq if len(entries) == limit else end.seq,
            deletions[-1].position.deletions if len(deletions) == limit else end.deletions,
        )
        return Page(position, [*deletions, *entries], behind)

    async def positions(self, namespaces: Collection[str]) -> Mapping[str, Position]:
        """Part of Log."""
        self._count()
        return {namespace: self.end(namespace) for namespace in namespaces}

    def _count(self) -> None:
        self.readings += 1
        if self.broken:
            raise OSError("the log is broken")

    def _commit(self, namespace: str, deletes: int | None, data: Any) -> Item:
        self._database.execute("BEGIN IMMEDIATE")
        seq, deletions = self.end(namespace)
        seq, deletions = (seq + 1, deletions) if deletes is None else (seq, deletions + 1)
        row = (namespace, seq, deletions, deletes, data)
        self._database.execute("INSERT INTO steps VALUES (?, ?, ?, ?, ?)", row)
        self._database.execute("COMMIT")
        return to_item(row[1:])

    def _items(self, sql: str, *values: Any) -> list[Item]:
        return [to_item(row) for row in self._database.execute(sql, values)]


def to_item(row: tuple[int, int, int | None, Any]) -> Item:
    """Return a row as an item."""
    seq, deletions, deletes, data = row
    return Item(Position(seq, deletions), "entry" if deletes is None else "deleted", data, deletes)
