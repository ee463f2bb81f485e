"""The admin's list of live connections."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db.models.functions import Now
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from chat.live_connections import write
from chat.models import LoginSession, ServerProcess
from chat.tests.people import holder, row_of
from chat.tests.test_live_connections import a_row

pytestmark = pytest.mark.django_db

LIST = reverse("admin:chat_liveconnection_changelist")


@pytest.fixture
def session() -> LoginSession:
    """A visitor with two connections; two others have one each, of which one is a user's and by polling."""
    found = row_of(holder(4711))
    user = get_user_model().objects.create_user("ada")
    rows = [
        a_row("p", 1, login_session=found.pk, user_agent="<b>Browser</b>"),
        a_row("p", 2, login_session=found.pk, rooms="lobby tea", address="2001:db8::1"),
        a_row("p", 3, login_session=row_of(holder(4712)).pk, user=user.pk, transport="polling"),
        a_row("p", 4, login_session=999_999),
    ]
    write("p", rows, [], False)
    return found


def ids(client: Client, **query: str) -> set[str]:
    """Return the connections in the list."""
    answer = client.get(LIST, query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"c1", "c2", "c3", "c4"}),
        ({"q": "4711"}, {"c1", "c2"}),
        ({"q": "ad"}, {"c3"}),
        ({"q": "2001:db8::1"}, {"c2"}),
        ({"q": "nobody"}, set()),
        ({"by": "polling"}, {"c3"}),
        ({"at": "p"}, {"c1", "c2", "c3", "c4"}),
        ({"at": "q"}, set()),
    ],
)
@pytest.mark.usefixtures("session")
def test_what_the_list_finds(admin_client: Client, query: dict[str, str], found: set[str]) -> None:
    assert ids(admin_client, **query) == found


@pytest.mark.usefixtures("session")
def test_what_clients_say_of_themselves_is_text(admin_client: Client) -> None:
    assert "&lt;b&gt;Browser&lt;/b&gt;" in admin_client.get(LIST).content.decode()


@pytest.mark.usefixtures("session")
def test_the_list_costs_as_many_queries_for_many_as_for_few(
    admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    write("p", [a_row("p", number) for number in range(10, 60)], [], False)
    with django_assert_max_num_queries(8):
        admin_client.get(LIST)


@pytest.mark.usefixtures("session")
def test_what_a_dead_process_left_behind_is_not_shown(admin_client: Client) -> None:
    ServerProcess.objects.update(heartbeat=Now() - timedelta(minutes=1))
    assert ids(admin_client) == set()


def test_a_login_session_shows_its_connections(admin_client: Client, session: LoginSession) -> None:
    page = admin_client.get(reverse("admin:chat_loginsession_change", args=[session.pk])).content.decode()
    for pk in ("c1", "c2"):
        assert reverse("admin:chat_liveconnection_change", args=[pk]) in page
    assert reverse("admin:chat_liveconnection_change", args=["c3"]) not in page


def test_a_connection_has_a_page_on_which_nothing_can_be_changed(admin_client: Client, session: LoginSession) -> None:
    path = reverse("admin:chat_liveconnection_change", args=["c2"])
    page = admin_client.get(path).content.decode()
    assert "lobby tea" in page
    assert reverse("admin:chat_loginsession_change", args=[session.pk]) in page
    assert admin_client.post(path, {"rooms": "other"}).status_code == 403


def test_ending_asks_first_then_ends_the_login_sessions_and_is_recorded(
    admin_client: Client, session: LoginSession
) -> None:
    form: dict[str, Any] = {"action": "end_sessions", "_selected_action": ["c1", "c2"]}
    admin_client.post(LIST, form)
    assert LoginSession.objects.filter(pk=session.pk).exists()
    admin_client.post(LIST, form | {"confirmed": "yes", "reason": "tea"})
    assert not LoginSession.objects.filter(pk=session.pk).exists()
    assert LoginSession.objects.filter(visitor__name=4712).exists()
    assert "tea" in LogEntry.objects.latest("pk").change_message


@pytest.mark.usefixtures("session")
def test_ending_needs_the_permission(client: Client) -> None:
    user = get_user_model().objects.create_user("mod", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_liveconnection"))
    client.force_login(user)
    assert "end_sessions" not in client.get(LIST).content.decode()
    client.post(LIST, {"action": "end_sessions", "_selected_action": ["c1"], "confirmed": "yes"})
    assert LoginSession.objects.filter(visitor__name=4711).exists()
