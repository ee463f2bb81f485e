"""`GET /rooms/<slug>/messages`: older messages as JSON, page by page."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from channels_socketio.history.log import REPLAY_BYTES
from chat.models import LoginSession, Room
from chat.services import Draft, commit, delete_message
from chat.tests.people import holder, visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def guest(client: Client) -> Client:
    """A browser with a login session that carries a name."""
    client.cookies["sessionid"] = visit().session_key or ""
    return client


def say(count: int, room: str = "tea") -> list[dict[str, Any]]:
    """Store messages and return their events."""
    drafts = [Draft(room, "42", f"<b>text</b> {number} ☕") for number in range(1, count + 1)]
    return [announcements.item.data for announcements in commit(drafts).announcements]


def ask(client: Client, room: str = "tea", **query: str | int) -> dict[str, Any]:
    """Return the JSON of a page."""
    answer = client.get(f"/rooms/{room}/messages", query)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Cache-Control"] == "no-store"
    page: dict[str, Any] = answer.json()
    return page


@pytest.mark.parametrize("room", ["lobby", "tea", "a" * 50])
def test_the_newest_are_the_events_newest_last(guest: Client, room: str) -> None:
    events = say(60, room)
    assert ask(guest, room) == {"room": room, "messages": events[10:], "before": 11}


def test_paging_to_the_beginning(guest: Client) -> None:
    events = say(7)
    pages, before = [], 8
    while before:
        page = ask(guest, before=before, limit=3)
        pages.append(page["messages"])
        before = page["before"]
    assert pages == [events[4:], events[1:4], events[:1]]


@pytest.mark.parametrize("character", ["文", '"', "☕", "x"])
def test_pages_of_long_messages_are_bounded_in_bytes_and_have_each_once(guest: Client, character: str) -> None:
    drafts = [Draft("tea", "42", character * 2000) for _ in range(60)]
    events = [announcements.item.data for announcements in commit(drafts).announcements]
    delete_message("tea", 30)
    found: list[Any] = []
    before: int | None = 61
    while before:
        answer = guest.get("/rooms/tea/messages", {"before": before, "limit": 100})
        assert len(answer.content) <= REPLAY_BYTES + 1000
        page = answer.json()
        assert page["messages"]
        found = page["messages"] + found
        before = page["before"]
    assert found == events[:29] + events[30:]


def test_a_page_has_at_least_one_message(guest: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("channels_socketio.history.log.REPLAY_BYTES", 10)
    events = say(2)
    assert ask(guest) == {"room": "tea", "messages": events[1:], "before": 2}
    assert ask(guest, before=2) == {"room": "tea", "messages": events[:1], "before": None}


def test_limits_at_their_ends(guest: Client) -> None:
    events = say(101)
    assert ask(guest, limit=1) == {"room": "tea", "messages": events[-1:], "before": 101}
    assert ask(guest, limit=100) == {"room": "tea", "messages": events[1:], "before": 2}
    assert ask(guest, before=1) == {"room": "tea", "messages": [], "before": None}
    assert ask(guest, before=2**63 - 1, limit=1)["messages"] == events[-1:]


def test_deleted_messages_are_left_out(guest: Client) -> None:
    say(4)
    for seq in (1, 3):
        delete_message("tea", seq)
    page = ask(guest, limit=2)
    assert ([message["seq"] for message in page["messages"]], page["before"]) == ([2, 4], None)


def test_a_room_nobody_has_written_in_is_empty_and_is_not_made(guest: Client) -> None:
    assert ask(guest) == {"room": "tea", "messages": [], "before": None}
    assert not Room.objects.exists()


@pytest.mark.parametrize("name", ["before", "limit"])
@pytest.mark.parametrize(
    "value", ["", "0", "-1", "1.5", "1e3", "ten", "٣", " 1", "1_0", "0x1", "9223372036854775808", "9" * 5000, "\x00"]
)
def test_what_is_no_number_is_a_bad_request_that_says_what_was_expected(guest: Client, name: str, value: str) -> None:
    answer = guest.get("/rooms/tea/messages", {name: value})
    assert answer.status_code == 400
    greatest = {"before": 2**63 - 1, "limit": 100}[name]
    message = f"{name}: expected a whole number from 1 to {greatest}, got {value[:50]!r}."
    assert answer.json() == {"code": 3, "message": message}


def test_more_than_the_most_is_a_bad_request(guest: Client) -> None:
    assert guest.get("/rooms/tea/messages", {"limit": 101}).status_code == 400


@pytest.mark.parametrize("slug", ["A", "tea_time", "a" * 51, "é", "a%0A"])
def test_what_is_no_slug_is_not_found(guest: Client, slug: str) -> None:
    assert guest.get(f"/rooms/{slug}/messages").status_code == 404


@pytest.mark.parametrize(
    ("cookie", "message"),
    [
        (None, "No cookie transmitted."),
        ("a" * 32, "Session unknown or expired."),
        ("junk", "Session unknown or expired."),
    ],
)
def test_without_a_login_session_there_is_nothing_and_none_is_made(
    client: Client, cookie: str | None, message: str
) -> None:
    say(1)
    if cookie:
        client.cookies["sessionid"] = cookie
    answer = client.get("/rooms/tea/messages")
    assert (answer.status_code, answer.json()) == (403, {"code": 4, "message": message})
    assert "sessionid" not in answer.cookies or not answer.cookies["sessionid"].value
    assert not LoginSession.objects.exists()


def test_an_ended_login_session_is_refused(client: Client) -> None:
    session = holder(42)
    client.cookies["sessionid"] = session.session_key or ""
    session.flush()
    assert client.get("/rooms/tea/messages").status_code == 403


def test_nothing_can_be_posted(guest: Client) -> None:
    assert guest.post("/rooms/tea/messages").status_code == 405


def test_a_page_costs_the_same_however_long_it_is(
    guest: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    say(200)
    # The login session, the room, the messages; the list of banned addresses if it is older than a second.
    with django_assert_max_num_queries(4):
        ask(guest, limit=100)
