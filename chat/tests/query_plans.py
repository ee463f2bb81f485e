"""Many rows in little time, and what a database does to answer a query.

As a program it fills the database of the settings: `python -m chat.tests.query_plans 1000000`.
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import django
from django.db import connection

ROOMS = 20
DAYS = 400
# One row for each number from 1 to %(rows)s, by a recursive query that both databases know.
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %(rows)s) "
VISITORS = (
    "INSERT INTO chat_visitor (id, name, first_seen, last_seen, address, banned_until, muted_until) "
    + NUMBERS
    + "SELECT "
    "n, n, {moment}, {moment}, '192.0.2.' || (n %% 250) || '/32', "
    "CASE WHEN n %% 1000 = 0 THEN {forever} END, CASE WHEN n %% 1000 = 1 THEN {forever} END FROM numbers"
)
SESSIONS = (
    "INSERT INTO chat_loginsession (session_key, session_data, expire_date, visitor_id) " + NUMBERS + "SELECT "
    "'key' || n, '', CASE WHEN n %% 2 = 0 THEN {moment} ELSE {ahead} END, n FROM numbers"
)
# Two thirds of all messages are said in the lobby, each hundredth is deleted.
ROOM = "CASE WHEN n %% 3 = 0 THEN n %% {rooms} + 1 ELSE 1 END"
MESSAGES = (
    "INSERT INTO chat_message (room_id, seq, visitor_id, client_id, name, text, at, deletion) "
    + NUMBERS
    + "SELECT "
    + ROOM
    + ", n, n %% %(visitors)s + 1, {uuid}, 'x', 'message ' || n, {moment}, "
    "CASE WHEN n %% 100 = 0 THEN n END FROM numbers"
)
DIALECTS = {
    "sqlite": {
        "moment": "strftime('%%Y-%%m-%%d %%H:%%M:%%f', '2025-01-01', (n * 86400.0 * {days} / %(rows)s) || ' seconds')",
        "forever": "'9999-01-01 00:00:00'",
        "uuid": "printf('%%032x', n)",
    },
    "postgresql": {
        "moment": "timestamptz '2025-01-01 00:00Z' + n * interval '{days} days' / %(rows)s",
        "forever": "timestamptz '9999-01-01 00:00Z'",
        "uuid": "lpad(to_hex(n), 32, '0')::uuid",
    },
}


def fill(rows: int) -> None:
    """Put so many messages into an empty database, and a tenth of visitors and of login sessions."""
    visitors = max(rows // 10, 1)
    parts = {name: part.replace("{days}", str(DAYS)) for name, part in DIALECTS[connection.vendor].items()}
    with connection.cursor() as cursor:
        for number in range(1, ROOMS + 1):
            slug = "lobby" if number == 1 else f"room-{number}"
            cursor.execute(
                "INSERT INTO chat_room (id, slug, head, deletions) VALUES (%s, %s, %s, %s)", [number, slug, rows, rows]
            )
        parts["ahead"] = parts["moment"].replace("2025", "2125")
        for statement, count in ((VISITORS, visitors), (SESSIONS, visitors), (MESSAGES, rows)):
            cursor.execute(
                statement.replace("{rooms}", str(ROOMS)).format(**parts), {"rows": count, "visitors": visitors}
            )
        if connection.vendor != "sqlite":  # where sites have no statistics: nothing there collects them by itself
            cursor.execute("ANALYZE")


def explain(statement: str) -> Iterator[tuple[str, str, float]]:
    """Yield for each table that a query reads: its name, how it is read, and how many rows that took.

    "Seq Scan" is what no index answers; PostgreSQL, which reads short tables so rather than by an index, is told not
    to. SQLite does not tell how many rows.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("EXPLAIN QUERY PLAN " + statement)
            lines = [line[3] for line in cursor.fetchall() if " chat_" in line[3]]
            yield from ((line.split()[1], line if "USING" in line else "Seq Scan", 0) for line in lines)
        else:
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statement)
            (found,) = cursor.fetchone()
            yield from (node for node in nodes(found[0]["Plan"]) if node[0].startswith("chat_"))


def nodes(plan: dict[str, Any]) -> Iterator[tuple[str, str, float]]:
    """Yield the parts of PostgreSQL's plan that read tables."""
    if "Relation Name" in plan:
        dropped = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        yield plan["Relation Name"], plan["Node Type"], (plan["Actual Rows"] + dropped) * plan["Actual Loops"]
    for part in plan.get("Plans", ()):
        yield from nodes(part)


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    django.setup()
    fill(int(sys.argv[1]))
