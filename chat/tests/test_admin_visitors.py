"""What moderators do in the admin, wherever visitors are listed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat.admin import confirming
from chat.models import FOREVER, AddressBan, LoginSession, Message, Visitor
from chat.services import Draft, commit
from chat.tests.people import holder, row_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


@pytest.fixture
def staff() -> Callable[..., Client]:
    """Return a browser of a staff member who has the named permissions only."""

    def make(*codenames: str) -> Client:
        user = get_user_model().objects.create_user("grace", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return make


def visitor(name: int = 42, address: str = "192.0.2.7/32") -> int:
    """Return a new visitor with a login session."""
    pk: int = holder(name)["visitor"]
    Visitor.objects.filter(pk=pk).update(address=address)
    return pk


def act(client: Client, action: str, *pks: int, model: str = "visitor", **fields: str) -> Any:
    """Choose an action for objects; with `confirmed`, also say yes."""
    data = {"action": action, "_selected_action": [str(pk) for pk in pks], **fields}
    return client.post(f"/admin/chat/{model}/", data, follow=True)


def until(moment: Any) -> dict[str, str]:
    """Return the fields of a time."""
    return {"until_0": f"{moment:%Y-%m-%d}", "until_1": f"{moment:%H:%M:%S}"}


def test_an_action_asks_before_anything_is_done(admin_client: Client) -> None:
    pk = visitor()
    for action in ("ban", "unban", "mute", "unmute"):
        page = act(admin_client, action, pk)
        assert page.status_code == 200
        assert 'name="confirmed"' in page.content.decode()
        assert "<li>42</li>" in page.content.decode()
    assert not Visitor.objects.get(pk=pk).banned
    assert not LogEntry.objects.exists()


def test_banning_and_lifting_the_ban(admin_client: Client) -> None:
    pks = [visitor(1), visitor(2), visitor(3)]
    moment = (timezone.now() + DAY).replace(microsecond=0)
    answer = act(admin_client, "ban", *pks[:2], confirmed="yes", reason="spam", **until(moment))
    assert "(2 visitors)" in answer.content.decode()
    assert list(Visitor.objects.order_by("pk").values_list("banned_until", flat=True)) == [moment, moment, None]
    assert not AddressBan.objects.exists()
    entries = LogEntry.objects.order_by("object_id")
    assert [(entry.object_id, entry.object_repr) for entry in entries] == [(str(pks[0]), "1"), (str(pks[1]), "2")]
    for entry in entries:
        assert entry.content_type == ContentType.objects.get_for_model(Visitor)
        assert entry.action_flag == CHANGE
        assert entry.user.username == "admin"
        assert entry.change_message.endswith("Reason: spam")
    act(admin_client, "unban", *pks, confirmed="yes")
    assert not Visitor.objects.exclude(banned_until=None).exists()
    assert LogEntry.objects.count() == 5


def test_banning_with_the_address_and_for_ever(admin_client: Client) -> None:
    pk = visitor()
    act(admin_client, "ban", pk, confirmed="yes", with_address="on", reason="spam")
    assert Visitor.objects.get(pk=pk).banned_until == FOREVER
    ban = AddressBan.objects.get()
    assert (ban.network, ban.until, ban.reason) == ("192.0.2.7/32", FOREVER, "spam")
    assert "with the address: for ever" in LogEntry.objects.get().change_message
    act(admin_client, "unban", pk, confirmed="yes", with_address="on")
    assert not AddressBan.objects.exists()


def test_muting_and_letting_speak(admin_client: Client) -> None:
    pk = visitor()
    act(admin_client, "mute", pk, confirmed="yes")
    act(admin_client, "mute", pk, confirmed="yes")
    assert Visitor.objects.get(pk=pk).muted_until == FOREVER
    act(admin_client, "unmute", pk, confirmed="yes")
    assert Visitor.objects.get(pk=pk).muted_until is None
    assert LogEntry.objects.count() == 3


def test_a_time_that_is_over_or_none_is_asked_for_again(admin_client: Client) -> None:
    pk = visitor()
    for fields in (until(timezone.now() - DAY), {"until_0": "tomorrow", "until_1": "12:00"}, {"reason": "x" * 201}):
        page = act(admin_client, "ban", pk, confirmed="yes", **fields).content.decode()
        assert 'class="errorlist"' in page
        assert 'name="confirmed"' in page
    assert not Visitor.objects.get(pk=pk).banned


@pytest.mark.parametrize("model", ["loginsession", "message"])
def test_visitors_are_moderated_where_they_are_seen(admin_client: Client, model: str) -> None:
    session = holder(42)
    commit([Draft("tea", "42", "x", session["visitor"]), Draft("tea", "42", "y", session["visitor"])])
    commit([Draft("tea", "server", "z")])
    rows = Message.objects.values_list("pk", flat=True) if model == "message" else [row_of(session).pk]
    act(admin_client, "ban", *rows, model=model, confirmed="yes")
    assert row_of(session).visitor.banned  # type: ignore[union-attr]
    entry = LogEntry.objects.get()
    assert entry.content_type == ContentType.objects.get_for_model(Visitor)
    assert entry.object_id == str(session["visitor"])


@pytest.mark.parametrize(("action", "permission"), [("ban", "ban_visitor"), ("mute", "mute_visitor")])
def test_moderating_needs_its_permission(staff: Callable[..., Client], action: str, permission: str) -> None:
    pk = visitor()
    looks = ("view_visitor", "change_visitor", "delete_visitor")
    client = staff(*looks)
    for name in (action, f"un{action}"):
        act(client, name, pk, confirmed="yes")
    assert not LogEntry.objects.exists()
    user = get_user_model().objects.get(username="grace")
    user.user_permissions.set(Permission.objects.filter(codename__in=[*looks, permission]))
    actions = client.get("/admin/chat/visitor/").context["action_form"].fields["action"].choices
    assert [name for name, _ in actions if name] == [action, f"un{action}"]
    act(client, action, pk, confirmed="yes")
    assert LogEntry.objects.count() == 1
    found = Visitor.objects.get(pk=pk)
    assert (found.banned, found.muted) == (action == "ban", action == "mute")


def test_an_action_costs_as_many_queries_for_many_as_for_few(admin_client: Client) -> None:
    def queries(first: int, count: int) -> int:
        pks = [visitor(number) for number in range(first, first + count)]
        with CaptureQueriesContext(connection) as captured:
            act(admin_client, "ban", *pks, confirmed="yes", with_address="on")
        return len(captured)

    queries(0, 1)
    assert queries(10, 2) == queries(20, 10)


def test_too_many_at_once_are_refused(admin_client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "MOST", 2)
    pks = [visitor(number) for number in range(3)]
    page = act(admin_client, "ban", *pks, confirmed="yes").content.decode()
    assert "Choose at most 2 at a time." in page
    assert not Visitor.objects.exclude(banned_until=None).exists()


def test_the_list_shows_who_is_banned_or_muted(admin_client: Client) -> None:
    banned, muted, both = visitor(1), visitor(2), visitor(3)
    visitor(4)
    act(admin_client, "ban", banned, both, confirmed="yes")
    act(admin_client, "mute", muted, both, confirmed="yes")

    def names(query: str) -> set[int | None]:
        rows = admin_client.get(f"/admin/chat/visitor/?{query}").context["cl"].result_list
        return {row.name for row in rows}

    assert names("status=banned") == {1, 3}
    assert names("status=muted") == {2, 3}
    assert names("q=192.0.2.7") == {1, 2, 3, 4}
    for model in ("visitor", "loginsession"):
        page = admin_client.get(f"/admin/chat/{model}/").content.decode()
        assert "banned: for ever, muted: for ever" in page


@pytest.mark.parametrize("model", ["visitor", "loginsession"])
def test_the_page_of_one_shows_what_was_said_and_offers_the_actions(admin_client: Client, model: str) -> None:
    session = holder(42)
    commit([Draft(room, "42", f"<b>{room}</b>", session["visitor"]) for room in ("tea", "milk")])
    pk = session["visitor"] if model == "visitor" else row_of(session).pk
    page = admin_client.get(f"/admin/chat/{model}/{pk}/change/").content.decode()
    for room in ("tea", "milk"):
        assert f"&lt;b&gt;{room}&lt;/b&gt;" in page
        assert f">{room}</a>" in page
    assert f"visitor__id__exact={session['visitor']}" in page
    assert '<button name="action" value="ban">Ban</button>' in page
    assert str(LoginSession.objects.get(visitor=session["visitor"]).session_key) not in page


def test_the_page_of_one_offers_no_action_without_permission(staff: Callable[..., Client]) -> None:
    pk = visitor()
    page = staff("view_visitor").get(f"/admin/chat/visitor/{pk}/change/").content.decode()
    assert "<button name=" not in page
