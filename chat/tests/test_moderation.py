"""What moderators do, as far as the database knows: each deed, again, and at the doors."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from channels_socketio.exceptions import Refused
from chat import moderation, services
from chat.bans import ban_list
from chat.models import FOREVER, AddressBan, LoginSession, Message, Visitor
from chat.services import Announcement, Draft, Receipt, commit
from chat.sessions import SessionStore
from chat.tests.people import holder

pytestmark = pytest.mark.django_db(transaction=True)

HERE, THERE = "192.0.2.7", "198.51.100.1"
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def fresh_list() -> Iterator[None]:
    """A list of bans that other tests have not read."""
    ban_list.forget()
    yield
    ban_list.forget()


def visitor(name: int = 42, address: str = "") -> int:
    """Return a new visitor with a login session."""
    pk: int = holder(name)["visitor"]
    Visitor.objects.filter(pk=pk).update(address=address)
    return pk


def say(pk: int, text: str = "hello") -> Receipt | Refused:
    """Return what a visitor gets for a message."""
    return commit([Draft("tea", "42", text, pk)]).outcomes[0]


def refusal(pk: int) -> tuple[str, str]:
    """Return code and message of the refusal of a visitor's message."""
    outcome = say(pk)
    assert isinstance(outcome, Refused)
    return outcome.code, outcome.message


def test_a_muted_visitor_is_refused_until_the_time_is_over() -> None:
    pk, other = visitor(1), visitor(2)
    until = timezone.now() + HOUR
    for _ in range(2):
        assert [found.pk for found in moderation.mute([pk], until)] == [pk]
    assert refusal(pk) == ("muted", f"You are muted until {until:%Y-%m-%d %H:%M} UTC.")
    assert isinstance(say(other), Receipt)
    Visitor.objects.filter(pk=pk).update(muted_until=timezone.now())
    assert isinstance(say(pk), Receipt)


def test_a_visitor_who_is_muted_for_ever_speaks_again_when_a_moderator_says_so() -> None:
    pk = visitor()
    moderation.mute([pk])
    assert refusal(pk) == ("muted", "You are muted.")
    for _ in range(2):
        moderation.unmute([pk])
    assert isinstance(say(pk), Receipt)


def test_a_repeat_of_what_was_said_before_gets_the_first_receipt() -> None:
    pk, client_id = visitor(), uuid4()
    draft = Draft("tea", "42", "hello", pk, client_id)
    (first,) = commit([draft]).outcomes
    moderation.mute([pk])
    assert commit([draft]).outcomes == [first]


def test_of_a_batch_only_the_messages_of_the_muted_are_refused() -> None:
    muted, other = visitor(1), visitor(2)
    moderation.mute([muted])
    drafts = [Draft("tea", "x", str(number), pk) for number, pk in enumerate([muted, other, muted, other])]
    outcomes = commit(drafts).outcomes
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [False, True, False, True]
    assert list(Message.objects.order_by("seq").values_list("seq", "text")) == [(1, "1"), (2, "3")]


def test_looking_who_is_muted_costs_no_query() -> None:
    pk = visitor()

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            say(pk)
        return len([query for query in captured if "chat_visitor" in query["sql"] and "INSERT" not in query["sql"]])

    assert queries() == 1
    moderation.mute([pk])
    assert queries() == 1


def test_a_banned_visitor_is_refused_and_keeps_the_login_session() -> None:
    pk = visitor()
    for _ in range(2):
        assert [found.pk for found in moderation.ban([pk])] == [pk]
    assert Visitor.objects.get(pk=pk).banned_until == FOREVER
    assert refusal(pk) == ("banned", "Banned.")
    assert LoginSession.objects.filter(visitor=pk).exists()
    assert not AddressBan.objects.exists()
    for _ in range(2):
        moderation.unban([pk])
    assert isinstance(say(pk), Receipt)


def test_a_ban_with_address_is_made_and_lifted_with_it() -> None:
    pks = [visitor(1, "192.0.2.7/32"), visitor(2, "192.0.2.7/32"), visitor(3, "2001:db8::/64"), visitor(4)]
    until = timezone.now() + HOUR
    for _ in range(2):
        moderation.ban(pks, until, with_address=True, reason="spam")
    made = AddressBan.objects.order_by("network").values_list("network", "until", "reason")
    assert list(made) == [("192.0.2.7/32", until, "spam"), ("2001:db8::/64", until, "spam")]
    moderation.unban(pks[:1])
    assert AddressBan.objects.count() == 2
    moderation.unban(pks[:1], with_address=True)
    assert [ban.network for ban in AddressBan.objects.all()] == ["2001:db8::/64"]


def test_who_is_gone_is_nobody() -> None:
    assert moderation.ban([4711]) == moderation.unban([4711]) == moderation.mute([4711]) == []
    assert moderation.unban_addresses(["192.0.2.7/32"]) == 0


def test_what_is_taken_back_with_the_transaction_is_not_done() -> None:
    pk = visitor(1, "192.0.2.7/32")
    with transaction.atomic():
        moderation.ban([pk], with_address=True)
        transaction.set_rollback(True)
    assert isinstance(say(pk), Receipt)
    assert Client(REMOTE_ADDR=HERE).get("/").status_code == 200


def test_a_ban_costs_as_many_queries_for_many_as_for_few() -> None:
    def queries(first: int, count: int) -> int:
        pks = [visitor(number, "192.0.2.7/32") for number in range(first, first + count)]
        with CaptureQueriesContext(connection) as captured:
            moderation.ban(pks, with_address=True)
            moderation.mute(pks)
        return len(captured)

    queries(0, 1)
    assert queries(10, 2) == queries(20, 8)


def test_from_a_banned_address_there_is_no_page_and_no_new_login_session() -> None:
    moderation.ban_address("192.0.2.0/24")
    for _ in range(2):
        answer = Client(REMOTE_ADDR=HERE).get("/")
        assert answer.status_code == 403
        assert "You are banned" in answer.content.decode()
        assert not answer.cookies
        assert answer["Cache-Control"] == "no-store"
    assert not LoginSession.objects.exists()
    assert Client(REMOTE_ADDR=THERE).get("/").status_code == 200
    assert Client(REMOTE_ADDR=HERE).get("/admin/login/").status_code == 200
    moderation.unban_addresses(["192.0.2.0/24"])
    assert Client(REMOTE_ADDR=HERE).get("/").status_code == 200


def test_a_banned_visitor_gets_neither_page_nor_messages() -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.get("/")
    moderation.ban([Visitor.objects.get().pk])
    assert client.get("/").status_code == client.get("/rooms/tea/").status_code == 403
    answer = client.get("/rooms/tea/messages")
    assert (answer.status_code, answer.json()) == (403, {"code": 4, "message": "Banned."})
    client.cookies.clear()
    assert client.get("/").status_code == 200


def test_who_throws_the_cookie_away_stays_banned_with_the_address() -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.get("/")
    moderation.ban([Visitor.objects.get().pk], with_address=True)
    client.cookies.clear()
    assert client.get("/").status_code == 403
    assert LoginSession.objects.count() == 1


def test_the_address_of_the_last_page_is_kept() -> None:
    client = Client(REMOTE_ADDR=HERE)
    client.get("/")
    assert Visitor.objects.get().address == "192.0.2.7/32"
    Visitor.objects.update(last_seen=timezone.now() - HOUR)
    client.get("/", REMOTE_ADDR="2001:db8::1")
    assert Visitor.objects.get().address == "2001:db8::/64"


def test_messages_are_deleted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Announcement] = []
    monkeypatch.setattr(services, "announce", told.append)
    commit([Draft(room, "42", "x") for room in ("tea", "milk", "tea")])
    messages = list(Message.objects.select_related("room"))
    assert len(moderation.delete_messages(messages[1:])) == 2
    assert moderation.delete_messages(messages) == messages[:1]
    assert len(told) == 3


def test_login_sessions_are_ended() -> None:
    session, other = holder(1), holder(2)
    rows = list(LoginSession.objects.filter(visitor=session["visitor"]))
    assert moderation.end_login_sessions(rows) == 1
    assert SessionStore(session.session_key).get("name") is None
    assert SessionStore(other.session_key)["name"] == 2


def test_an_announcement_is_a_message_that_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Announcement] = []
    monkeypatch.setattr(services, "announce", told.append)
    announcement = uuid4()
    first = moderation.announce("tea", "We restart.", announcement)
    assert first is not None
    assert moderation.announce("tea", "We restart.", announcement) is None
    second = moderation.announce("tea", "We are back.")
    assert second is not None
    assert (first.seq, second.seq) == (1, 2)
    assert [announcements.item.data["msg"] for announcements in told] == [
        "announcement: We restart.",
        "announcement: We are back.",
    ]
