"""Lists of the admin whose price does not grow with their tables.

`LIST_ROWS=1000000 pytest chat/tests/test_admin_lists.py` is the same with a million messages.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from channels_socketio.tests.support.processes import ROOT
from chat.admin import lists, messages
from chat.tests.postgres import Postgres
from chat.tests.query_plans import explain, fill

ROWS = int(os.environ.get("LIST_ROWS", "50000"))
MOST_QUERIES = 9
MOST_ROWS = 2 * lists.MOST + 500  # that one query may read, beside those in which words are looked for
MOST_STEPS = 30_000  # of SQLite's machine, for a whole page
STEPS_FOR_A_WORD = 12  # beside these, for each message in which words are looked for
STEP = 1000

PAGES = [
    "loginsession/",
    "loginsession/?life=live",
    "loginsession/?life=expired",
    "loginsession/?q=4711",
    "loginsession/?q=adm",
    "loginsession/?expire_date__year=2025&expire_date__month=3&expire_date__day=4",
    "loginsession/?p=9",
    "visitor/",
    "visitor/?status=banned",
    "visitor/?status=muted",
    "visitor/?q=4711",
    "visitor/?q=192.0.2.17",
    "visitor/?q=adm",
    "visitor/?first_seen__year=2025&first_seen__month=3&first_seen__day=4",
    "room/",
    "room/?q=room-1",
    "message/",
    "message/?p=9",
    "message/?deleted=yes",
    "message/?at__year=2025",
    "message/?at__year=2025&at__month=3&at__day=4",
    "message/?q=lobby",
    "message/?q=room-7",
    "message/?q=lobby+4711",
    "message/?q=lobby+no+such+words",
    "message/?q=room-7+message",
    "message/?q=lobby&at__year=2025&at__month=3&at__day=4",
    "message/?q=lobby&deleted=yes",
    "message/?visitor__id__exact=7",
    "message/?o=4",
]


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A database with many rows, which are gone afterwards."""
    with django_db_blocker.unblock():
        fill(ROWS)
        yield
        with connection.cursor() as cursor:
            for table in ("message", "loginsession", "visitor", "room"):
                cursor.execute(f"DELETE FROM chat_{table}")


@pytest.fixture
def moderator(filled: None, db: None, client: Client) -> Client:
    """A browser of somebody who may see everything."""
    client.force_login(get_user_model().objects.create_superuser("admin"))
    return client


class Steps:
    """Counts the instructions that SQLite runs."""

    count = 0

    def __enter__(self) -> "Steps":
        if connection.vendor == "sqlite":  # PostgreSQL tells in its plan how many rows it reads
            connection.ensure_connection()
            connection.connection.set_progress_handler(self._note, STEP)
        return self

    def __exit__(self, *details: object) -> None:
        if connection.vendor == "sqlite":
            connection.connection.set_progress_handler(None, STEP)

    def _note(self) -> int:
        self.count += STEP
        return 0


@pytest.mark.parametrize("page", PAGES)
def test_a_list_reads_parts_of_indexes(moderator: Client, page: str) -> None:
    words = messages.NEWEST if page.endswith(("words", "+message")) else 0
    with CaptureQueriesContext(connection) as captured, Steps() as steps:
        assert moderator.get(f"/admin/chat/{page}").status_code == 200
    assert 3 <= len(captured) <= MOST_QUERIES
    assert steps.count <= MOST_STEPS + words * STEPS_FOR_A_WORD
    queries = [query["sql"] for query in captured if re.match("SELECT.* FROM", query["sql"])]
    for table, how, rows in (found for query in queries for found in explain(query)):
        # A room's table is short, and the planner knows.
        assert table == "chat_room" or how != "Seq Scan", (table, queries)
        assert rows <= MOST_ROWS + words, (how, rows, queries)


@pytest.mark.parametrize(
    "page", ["loginsession/?q=4711", "visitor/?q=192.0.2.17", "room/?q=room-1", "message/?q=lobby+7"]
)
def test_what_is_searched_is_found(moderator: Client, page: str) -> None:
    assert moderator.get(f"/admin/chat/{page}").context["cl"].result_count > 0


def test_a_list_says_that_there_are_more(moderator: Client) -> None:
    answer = moderator.get("/admin/chat/message/")
    assert answer.context["cl"].result_count == lists.MOST
    assert "There are more than these 1000" in answer.content.decode()
    assert moderator.get("/admin/chat/message/?p=10").status_code == 200
    assert moderator.get("/admin/chat/message/?p=11").status_code == 302


@pytest.mark.parametrize(
    "query", ["text__icontains=x", "name=x", "at__month=3", "at__year=2025&at__day=3", "room__slug=x"]
)
def test_an_address_cannot_ask_for_what_no_index_answers(admin_client: Client, query: str) -> None:
    assert admin_client.get(f"/admin/chat/message/?{query}").status_code == 400


@pytest.mark.skipif(connection.vendor != "sqlite", reason="this is what runs it with PostgreSQL")
def test_the_same_on_postgresql(postgres: Postgres) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "chat/tests/test_admin_lists.py"]
    env = os.environ | {"DATABASE_URL": postgres.url}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
