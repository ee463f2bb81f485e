"""What is erased is gone, and the log goes on as if it had been deleted: on both databases."""

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.utils import timezone

from channels_socketio.history.log import Position
from channels_socketio.tests.support.processes import ROOT
from chat import erasure, log, moderation, services
from chat.models import LiveConnection, LoginSession, Message, Room, ServerProcess, Visitor
from chat.services import Announcement, Draft, Receipt, commit, delete_message
from chat.tests.people import at_once, holder, log_in
from chat.tests.site import Site

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)
SECRET = "the secret of the pot"  # in many pages: a long message has some of its own
LONG = SECRET * 80


@pytest.fixture(autouse=True)
def announced(monkeypatch: pytest.MonkeyPatch) -> list[Announcement]:
    """What is announced."""
    heard: list[Announcement] = []
    monkeypatch.setattr(services, "announce", heard.append)
    return heard


@pytest.fixture
def few_on_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that show three messages, and transactions for two."""
    monkeypatch.setattr(erasure, "ON_PAGES", 3)
    monkeypatch.setattr(erasure, "BATCH", 2)


def run(*arguments: str) -> str:
    """Run a command and return what it printed."""
    output = StringIO()
    call_command(*arguments, stdout=output)
    return output.getvalue()


def say(text: str, days_ago: float = 0, visitor: int | None = None, room: str = "tea", name: str = "42") -> int:
    """Store a message as if it had been said some days ago; return its number."""
    client_id = uuid4()
    (outcome,) = commit([Draft(room, name, text, visitor, client_id)]).outcomes
    assert isinstance(outcome, Receipt)
    Message.objects.filter(client_id=client_id).update(at=timezone.now() - days_ago * DAY)
    return outcome.seq


def rows(room: str = "tea") -> list[tuple[Any, ...]]:
    """Return number, name, text and number of the deletion of each row of a room."""
    return list(Message.objects.filter(room__slug=room).order_by("seq").values_list("seq", "name", "text", "deletion"))


def shown(room: str = "tea") -> list[int]:
    """Return the numbers of the messages that a page gets."""
    return [item.position.seq for item in log.older(room, None, 100)[0]]


def deleted(announced: list[Announcement]) -> list[int | None]:
    """Return the numbers of the messages whose deletion was announced."""
    return [announcement.item.deletes for announcement in announced]


def test_old_messages_go_and_newer_ones_stay(announced: list[Announcement]) -> None:
    for days in (100, 91, 89, 0):
        say("hello", days)
    say("elsewhere", 91, room="lobby")
    before = timezone.now() - 90 * DAY
    assert run("clearmessages", "--older-than", "90").startswith("Cleared 3 message(s) from before ")
    assert (shown(), shown("lobby")) == ([3, 4], [])
    assert not Message.objects.filter(at__lt=before).exclude(name="", text="").exists()
    assert run("clearmessages", "--older-than", "90").startswith("Cleared 0 message(s)")


def test_what_open_pages_may_show_is_deleted_before_their_eyes_and_the_rest_is_removed(
    few_on_pages: None, announced: list[Announcement]
) -> None:
    for _ in range(8):
        say("old", 100)
    assert erasure.clear_messages(timezone.now() - 90 * DAY) == 8
    assert deleted(announced) == [6, 7, 8]
    assert rows() == [(6, "", "", 1), (7, "", "", 2), (8, "", "", 3)]
    assert say("new") == 9


def test_a_message_that_a_browser_may_send_again_is_still_known(few_on_pages: None) -> None:
    visitor = Visitor.objects.create().pk
    draft = Draft("tea", "42", "hello", visitor)
    (receipt,) = commit([draft]).outcomes
    Message.objects.update(at=timezone.now() - 2 * DAY)
    for _ in range(5):
        say("new")
    assert erasure.clear_messages(timezone.now() - DAY) == 1
    (repeat,) = commit([draft]).outcomes
    assert isinstance(receipt, Receipt)
    assert isinstance(repeat, Receipt)
    assert repeat.seq == receipt.seq == 1
    assert rows()[0] == (1, "42", "", 1)
    Message.objects.filter(seq=1).update(at=timezone.now() - 8 * DAY)
    erasure.clear_messages(timezone.now() - DAY)
    assert rows()[0] == (1, "", "", 1)


def test_clocks_that_differ_keep_no_message_for_ever(few_on_pages: None) -> None:
    for days in (100, 80, 100, 80, 100, 80):
        say("hello", days)
    before = timezone.now() - 90 * DAY
    while erasure.clear_messages(before):
        pass
    Message.objects.filter(at__gte=before).update(at=before - DAY)
    erasure.clear_messages(before)
    assert shown() == []


@pytest.mark.parametrize("seq", range(10))
def test_a_client_that_was_away_gets_what_is_left_and_no_more(few_on_pages: None, seq: int) -> None:
    """Whatever it had got before, whether it asks in one page or in several."""
    for number in range(1, 10):
        say(str(number), 100 if number < 8 else 0)
    delete_message("tea", 2)
    erasure.clear_messages(timezone.now() - 90 * DAY)
    end = log.positions(["tea"])["/rooms/tea"]
    assert end == (9, 2)
    for limit in (1, 2, 100):
        position, got = Position(seq, 0), list[Any]()
        while position != end:
            page = log.after("tea", position, limit)
            assert page.position != position
            got += page.items
            position = page.position
        assert [item.deletes for item in got if item.deletes] == [2, 7]
        assert sorted(item.data["seq"] for item in got if not item.deletes) == [
            number for number in (8, 9) if number > seq
        ]
    newest = log.newest("tea")
    assert (newest.before, [item.position.seq for item in newest.items], newest.position) == ((7, 2), [8, 9], end)


def test_the_numbers_of_pages_and_browsers_are_those_of_the_page() -> None:
    assert f"const KEPT_READING = {erasure.ON_PAGES};" in (ROOT / "static" / "chat" / "log.js").read_text()
    days = erasure.REPEATS.days
    assert f"const OUTBOX_MS = {days} * 24 * 3600_000;" in (ROOT / "static" / "chat" / "outbox.js").read_text()


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "x", "", "1000000", "٣"])
def test_days_that_are_none_are_one_line(days: str) -> None:
    say("old", 100)
    with pytest.raises(
        CommandError, match=r"--older-than: expected a whole number of days from 1 to 36500, got '"
    ) as error:
        run("clearmessages", f"--older-than={days}")
    assert "\n" not in str(error.value)
    assert shown() == [1]


def test_a_visitor_is_forgotten(announced: list[Announcement], caplog: pytest.LogCaptureFixture) -> None:
    session, other = holder(42), holder(43)
    pk = session["visitor"]
    say("mine", visitor=pk)
    say("not mine", visitor=other["visitor"], name="43")
    say("mine too", visitor=pk)
    say("deleted", visitor=pk)
    say("mine elsewhere", visitor=pk, room="lobby")
    delete_message("tea", 4)
    announced.clear()
    caplog.set_level("INFO", "chat.erasure")
    line = f"Forgot visitor {pk}: 4 message(s), 1 login session(s)."
    assert run("forget", str(pk)) == f"{line}\n"
    assert caplog.messages == [line]
    assert rows() == [(1, "", "", 2), (2, "43", "not mine", None), (3, "", "", 3), (4, "", "", 1)]
    assert rows("lobby") == [(1, "", "", 1)]
    assert sorted((item.data["room"], item.data["seq"]) for _, item in announced) == [
        ("lobby", 1),
        ("tea", 1),
        ("tea", 3),
    ]
    assert not Visitor.objects.filter(pk=pk).exists()
    assert [row.session_key for row in LoginSession.objects.all()] == [other.session_key]
    assert holder(42)["visitor"] != pk


def test_forgetting_is_recorded_without_the_name(admin_user: Any) -> None:
    pk = holder(42)["visitor"]
    LogEntry.objects.log_actions(admin_user.pk, moderation.mute([pk]), 2, "Muted.", single_object=False)
    assert LogEntry.objects.get().object_repr == "42"
    run("forget", str(pk), "--by", admin_user.username)
    entries = LogEntry.objects.order_by("pk").values_list("object_id", "object_repr", "change_message", "user")
    name = f"Visitor {pk}"
    assert list(entries) == [(str(pk), name, "Muted.", admin_user.pk), (str(pk), name, "Forgotten.", admin_user.pk)]


def test_forgetting_takes_many_transactions_and_goes_on_after_an_interruption(
    few_on_pages: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pk = holder(42)["visitor"]
    for number in range(5):
        say(str(number), visitor=pk)
    with monkeypatch.context() as patch:
        patch.setattr(
            erasure, "remove", lambda visitor, by: 1 / 0 if Message.objects.exclude(text="").count() < 5 else False
        )
        with pytest.raises(ZeroDivisionError):
            erasure.forget(pk)
    assert sum(text != "" for _, _, text, _ in rows()) == 3
    assert erasure.forget(pk) == (3, 0)
    assert {row[1:3] for row in rows()} == {("", "")}
    assert sorted(row[3] for row in rows()) == [1, 2, 3, 4, 5]


def test_nothing_is_stored_for_a_visitor_who_is_being_forgotten() -> None:
    """However sending and forgetting meet: each message is refused or erased, and nothing hangs."""
    pk = holder(42)["visitor"]

    def work(number: int) -> Any:
        if number == 0:
            return erasure.forget(pk)
        return [commit([Draft(f"room-{index % 3}", "42", "hello", pk)]).outcomes[0] for index in range(20)]

    (erased, _), *outcomes = at_once(4, work)
    stored = [outcome for each in outcomes for outcome in each if isinstance(outcome, Receipt)]
    assert Message.objects.count() == len(stored) == erased
    assert not Message.objects.exclude(name="", text="", visitor=None).exists()
    assert not Visitor.objects.filter(pk=pk).exists()
    refused = {outcome.code for each in outcomes for outcome in each if not isinstance(outcome, Receipt)}
    assert refused <= {"muted", "no session"}


def test_an_export_has_every_row_and_column_of_the_visitor(admin_user: Any) -> None:
    session = holder(42)
    pk = session["visitor"]
    user = log_in(session, "ada")
    Visitor.objects.filter(pk=pk).update(address="192.0.2.7/32")
    say("grüße", visitor=pk)
    say("not mine")
    LogEntry.objects.log_actions(admin_user.pk, moderation.mute([pk]), 2, "Muted. Reason: noise", single_object=False)
    process = ServerProcess.objects.create(id="p", name="p")
    LiveConnection.objects.create(
        id="c",
        process=process,
        login_session=LoginSession.objects.get(),
        user=user,
        rooms="tea",
        transport="websocket",
        address="192.0.2.7",
        user_agent="browser",
        since=datetime(2026, 11, 1, tzinfo=UTC),
    )
    printed = run("export", str(pk))
    assert "grüße" in printed
    assert str(session.session_key) not in printed
    data = json.loads(printed)
    visitor = data["visitor"]
    assert set(visitor) == {field.name for field in Visitor._meta.fields}
    assert (visitor["id"], visitor["name"], visitor["address"]) == (pk, 42, "192.0.2.7/32")
    (login,) = data["login_sessions"]
    assert login["user__username"] == "ada"
    (live,) = data["live_connections"]
    assert live == {
        "rooms": "tea",
        "transport": "websocket",
        "address": "192.0.2.7",
        "user_agent": "browser",
        "since": "2026-11-01T00:00:00Z",
    }
    (message,) = data["messages"]
    assert (message["room__slug"], message["seq"], message["name"], message["text"]) == ("tea", 1, "42", "grüße")
    assert UUID(message["client_id"])
    assert [entry["change_message"] for entry in data["moderation"]] == ["Muted. Reason: noise"]


@pytest.mark.parametrize("command", ["forget", "export"])
@pytest.mark.parametrize(
    ("visitor", "line"),
    [
        ("ada", "VISITOR: expected the ID of a visitor, a whole number above 0, got 'ada'."),
        ("0", "VISITOR: expected the ID of a visitor, a whole number above 0, got '0'."),
        ("9" * 30, "VISITOR: expected the ID of a visitor, a whole number above 0, got '9"),
        ("4711", "VISITOR: expected the ID of a visitor who is stored, got 4711."),
    ],
)
def test_a_visitor_who_is_none_is_one_line(command: str, visitor: str, line: str) -> None:
    with pytest.raises(CommandError) as error:
        run(command, visitor)
    assert str(error.value).startswith(line)


def test_a_user_who_is_none_forgets_nobody() -> None:
    pk = holder(42)["visitor"]
    assert not get_user_model().objects.exists()
    with pytest.raises(CommandError, match=r"^--by: expected the name of a user, got 'nobody'\.$"):
        run("forget", str(pk), "--by", "nobody")
    assert LoginSession.objects.filter(visitor=pk).exists()


def test_texts_that_were_deleted_before_are_overwritten_by_a_migration() -> None:
    say("one")
    say("two")
    delete_message("tea", 1)
    call_command("migrate", "chat", "0004", verbosity=0)
    Message.objects.filter(seq=1).update(text="one")
    call_command("migrate", "chat", verbosity=0)
    assert rows() == [(1, "42", "", 1), (2, "42", "two", None)]
    assert Room.objects.get().deletions == 1


def bytes_on_disk(folder: Path) -> bytes:
    """Return the contents of all of SQLite's files."""
    return b"".join(path.read_bytes() for path in sorted(folder.glob("site.sqlite3*")))


@pytest.mark.parametrize(
    "command", [("clearmessages", "--older-than", "30"), ("forget", "1")], ids=lambda each: each[0]
)
def test_erased_text_is_in_no_file_of_sqlite(own_site: Site, tmp_path: Path, command: tuple[str, ...]) -> None:
    own_site.new_cookie()  # makes the visitor 1
    own_site.manage("say", LONG)
    own_site.run(
        "from datetime import timedelta\n"
        "from django.utils import timezone\n"
        "from chat.models import Message\n"
        "Message.objects.update(visitor=1, at=timezone.now() - timedelta(days=40))"
    )
    assert bytes_on_disk(tmp_path).count(SECRET.encode()) >= 80
    own_site.manage(*command)
    assert SECRET.encode() not in bytes_on_disk(tmp_path)
