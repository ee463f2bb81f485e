"""The admin's pages of login sessions, and what is the same for visitors."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.auth.models import Permission
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.signals import post_delete
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from chat.admin.sessions import without_secrets
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore
from chat.tests.people import holder, row_of

pytestmark = pytest.mark.django_db

LIST = reverse("admin:chat_loginsession_changelist")
VISITORS = reverse("admin:chat_visitor_changelist")
EXPIRED = timedelta(minutes=-5)


def detail(session: SessionStore) -> str:
    """Return the address of the login session's page."""
    return reverse("admin:chat_loginsession_change", args=[row_of(session).pk])


def names_on(client: Client, path: str, **query: str) -> set[int | None]:
    """Return the names of the login sessions that the list shows."""
    answer = client.get(path, query)
    assert answer.status_code == 200
    rows = answer.context["cl"].result_list
    return {row.name if isinstance(row, Visitor) else row.visitor and row.visitor.name for row in rows}


def user_session(username: str) -> SessionStore:
    """Return the session of a new user without a name."""
    session = SessionStore()
    session[SESSION_KEY] = str(get_user_model().objects.create_user(username).pk)
    session.create()
    return session


def test_the_list_shows_who_may_come_in(admin_client: Client) -> None:
    holder(4711)
    holder(4712, EXPIRED)
    page = admin_client.get(LIST).content.decode()
    assert '<td class="field-name">4711</td>' in page
    columns = re.findall(r"column-(\w+)", page)
    for column in ("name", "user", "first_seen", "last_seen", "expire_date", "live"):
        assert column in columns
    assert page.count("icon-yes") == 2  # 4711 and the admin's own
    assert page.count("icon-no.") == 1


def test_the_list_can_be_narrowed_to_the_live_or_the_expired(admin_client: Client) -> None:
    holder(1)
    holder(2, EXPIRED)
    assert names_on(admin_client, LIST) == {1, 2, None}
    assert names_on(admin_client, LIST, life="live") == {1, None}
    assert names_on(admin_client, LIST, life="expired") == {2}


@pytest.mark.parametrize(
    ("term", "found"),
    [
        ("42", {42}),
        ("420", {420}),
        ("4", set()),
        ("4%", set()),
        ("%", set()),
        ("9" * 40, set()),
        ("ada", {None}),
        ("ada_lovelace", {None}),
        ("lovelace", set()),
        ("nobody", set()),
        ("42 ada", set()),
    ],
)
def test_login_sessions_are_found_by_name_and_username(admin_client: Client, term: str, found: set[Any]) -> None:
    holder(42)
    holder(420)
    user_session("ada_lovelace")
    assert names_on(admin_client, LIST, q=term) == found


def test_visitors_are_found_by_name_and_username(admin_client: Client) -> None:
    session = holder(42)
    session[SESSION_KEY] = str(get_user_model().objects.create_user("ada").pk)
    session.save()
    holder(420)
    Visitor.objects.create(name=None)
    assert names_on(admin_client, VISITORS) == {42, 420, None}
    assert names_on(admin_client, VISITORS, q="42") == names_on(admin_client, VISITORS, q="ada") == {42}


@pytest.mark.parametrize("path", [LIST, VISITORS])
def test_a_list_asks_as_often_for_many_rows_as_for_few(admin_client: Client, path: str) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            admin_client.get(path)
        return len(captured)

    def people(first: int) -> None:
        for number in range(first, first + 5):
            session = holder(number)
            session[SESSION_KEY] = str(get_user_model().objects.create_user(f"user{number}").pk)
            session.save()
            user_session(f"unnamed{number}")
            Visitor.objects.create(name=None)

    people(1)
    few = queries()
    people(101)
    assert queries() == few


def test_the_page_of_a_login_session_shows_its_data(admin_client: Client) -> None:
    session = holder(42)
    session["nested"] = {"list": [1, "two"]}
    session.save()
    page = unescape(admin_client.get(detail(session)).content.decode())
    assert '"name": 42' in page
    assert '"list": [\n      1,\n      "two"\n    ]' in page


def test_markup_in_the_data_is_text(admin_client: Client) -> None:
    session = holder(42)
    session["<img src=x>"] = "</pre><script>alert(1)</script>"
    session.save()
    page = admin_client.get(detail(session)).content.decode()
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "&lt;/pre&gt;&lt;script&gt;alert(1)" in page


def test_secrets_in_the_data_are_masked(admin_client: Client) -> None:
    mine = LoginSession.objects.get()
    data = SessionStore(mine.session_key)
    data.update({"api_token": "s3cret1", "nested": [{"PASSWORD": "s3cret2", "colour": "red"}]})
    data.save()
    page = unescape(admin_client.get(reverse("admin:chat_loginsession_change", args=[mine.pk])).content.decode())
    assert '"_auth_user_hash": "***"' in page
    assert str(data["_auth_user_hash"]) not in page
    assert "s3cret" not in page
    assert '"colour": "red"' in page


@pytest.mark.parametrize("key", ["_auth_user_hash", "Token", "client_secret", "password1", "csrf_token", "session_key"])
def test_keys_that_name_a_secret(key: str) -> None:
    assert without_secrets([{key: ["x"], "other": ("y",)}]) == [{key: "***", "other": ["y"]}]


def test_no_page_shows_a_session_key(admin_client: Client) -> None:
    session = holder(42)
    keys = list(LoginSession.objects.values_list("session_key", flat=True))
    row, visitor = row_of(session), row_of(session).visitor_id
    pages = [LIST, VISITORS, detail(session), reverse("admin:chat_visitor_change", args=[visitor])]
    pages += [reverse(f"admin:chat_loginsession_{page}", args=[row.pk]) for page in ("delete", "history")]
    pages += ["/admin/", "/admin/auth/user/"]
    for path in pages:
        answer = admin_client.get(path)
        assert answer.status_code == 200
        assert not [key for key in keys if key in answer.content.decode()]


@pytest.mark.parametrize("model", ["loginsession", "visitor"])
def test_nothing_can_be_added_or_changed(admin_client: Client, model: str) -> None:
    session = holder(42)
    row = row_of(session)
    pk = row.pk if model == "loginsession" else row.visitor_id
    assert admin_client.get(reverse(f"admin:chat_{model}_add")).status_code == 403
    page = reverse(f"admin:chat_{model}_change", args=[pk])
    assert 'name="_save"' not in admin_client.get(page).content.decode()
    assert admin_client.post(page, {"expire_date_0": "2100-01-01", "name": "1"}).status_code == 403
    assert row_of(session).expire_date == row.expire_date


def test_a_visitor_cannot_be_deleted(admin_client: Client) -> None:
    pk = row_of(holder(42)).visitor_id
    assert admin_client.post(reverse("admin:chat_visitor_delete", args=[pk]), {"post": "yes"}).status_code == 403


def end(client: Client, *sessions: SessionStore) -> Any:
    """Tick the login sessions in the list, end them and say yes."""
    rows = [str(row_of(session).pk) for session in sessions]
    return client.post(LIST, {"action": "end_sessions", "_selected_action": rows, "confirmed": "yes"}, follow=True)


def test_ending_login_sessions(admin_client: Client) -> None:
    deleted = set()

    def note(instance: LoginSession, **signal: Any) -> None:
        deleted.add(instance.visitor_id)

    one, two, other = holder(1), holder(2), holder(3)
    post_delete.connect(note, sender=LoginSession)
    try:
        answer = end(admin_client, one, two)
    finally:
        post_delete.disconnect(note, sender=LoginSession)
    assert "Ended. (2 login sessions)" in answer.content.decode()
    assert deleted == {one["visitor"], two["visitor"]}
    assert SessionStore(one.session_key).get("name") is None
    assert SessionStore(other.session_key)["name"] == 3
    assert LogEntry.objects.count() == 2
    assert not LogEntry.objects.filter(object_repr__contains=str(one.session_key))


def test_ending_ones_own_login_session_leads_to_the_login(admin_client: Client) -> None:
    answer = end(admin_client, SessionStore(admin_client.cookies["sessionid"].value))
    assert answer.redirect_chain[-1][0].startswith("/admin/login/")
    assert not LoginSession.objects.exists()


def test_there_is_one_action_for_ending(admin_client: Client) -> None:
    actions = admin_client.get(LIST).context["action_form"].fields["action"].choices
    assert [name for name, _ in actions if name] == ["end_sessions", "ban", "unban", "mute", "unmute"]


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


def test_who_may_only_look_cannot_end(staff: Callable[..., Client]) -> None:
    client, session = staff("view_loginsession"), holder(1)
    assert client.get(detail(session)).status_code == 200
    end(client, session)
    assert row_of(session).live


def test_who_may_delete_can_end(staff: Callable[..., Client]) -> None:
    client, session = staff("view_loginsession", "delete_loginsession"), holder(1)
    assert "Ended. (1 login session)" in end(client, session).content.decode()


def test_without_permission_there_is_nothing_to_see(staff: Callable[..., Client]) -> None:
    client, session = staff(), holder(1)
    assert client.get(LIST).status_code == client.get(detail(session)).status_code == 403
    assert client.get(VISITORS).status_code == 403


def test_djangos_own_sessions_are_not_in_the_admin() -> None:
    assert not admin.site.is_registered(Session)
    assert admin.site.is_registered(LoginSession)


def test_deleting_a_user_in_the_admin_ends_the_login_sessions(admin_client: Client) -> None:
    session = user_session("ada")
    path = reverse("admin:auth_user_delete", args=[row_of(session).user_id])
    assert admin_client.post(path, {"post": "yes"}).status_code == 302
    assert not LoginSession.objects.filter(session_key=session.session_key).exists()
