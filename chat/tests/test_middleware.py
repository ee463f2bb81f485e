"""When a login session begins, when it is renewed, and when nothing happens."""

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone
from pytest_django import Settings

from chat.middleware import page
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore
from chat.tests.people import age, at_once, holder, row_of

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def client_of(session: SessionStore) -> Client:
    """Return a browser that has the session's cookie."""
    client = Client()
    client.cookies["sessionid"] = str(session.session_key)
    return client


@pytest.fixture
def user() -> AbstractBaseUser:
    """A superuser who may log in at the admin."""
    return get_user_model().objects.create_superuser("ada", password="analytical")


def session_of(client: Client) -> SessionStore:
    """Return the session of the browser's cookie, loaded."""
    session = SessionStore(client.cookies["sessionid"].value)
    session.get("name")
    return session


def log_in(client: Client) -> None:
    """Log `user` in through the form, as a browser does."""
    answer = client.post("/admin/login/", {"username": "ada", "password": "analytical", "next": "/admin/"})
    assert answer.status_code == 302


@pytest.mark.parametrize("path", ["/", "/rooms/tea/"])
def test_the_first_page_begins_the_login_session(client: Client, path: str) -> None:
    assert client.get(path).status_code == 200
    session = LoginSession.objects.select_related("visitor").get()
    assert session.visitor is not None
    assert client.session["name"] == session.visitor.name
    assert client.cookies["sessionid"].value == session.session_key


def test_the_cookie_is_for_this_site_and_not_for_scripts(client: Client) -> None:
    cookie = client.get("/").cookies["sessionid"]
    attributes = {name: value for name, value in cookie.items() if value and name != "expires"}
    assert attributes == {"path": "/", "httponly": True, "samesite": "Lax", "max-age": 86400}


def test_with_https_the_cookie_is_secure(client: Client, settings: Settings) -> None:
    settings.SESSION_COOKIE_SECURE = True
    assert client.get("/", secure=True).cookies["sessionid"]["secure"]


def test_the_next_page_has_the_same_name_and_sets_no_cookie(client: Client) -> None:
    client.get("/")
    name = client.session["name"]
    assert "sessionid" not in client.get("/rooms/tea/").cookies
    assert client.session["name"] == name
    assert Visitor.objects.count() == 1


@pytest.mark.parametrize(
    "path",
    [
        "/static/admin/css/base.css",
        "/healthz",
        "/readyz",
        "/metrics",
        "/admin/",
        "/admin/login/",
        "/nothing/here",
        "/rooms/Not_A_Room/",
        "/rooms/tea",
    ],
)
def test_nothing_but_a_page_begins_a_login_session(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code < 500
    assert "sessionid" not in answer.cookies
    assert not LoginSession.objects.exists()
    assert not Visitor.objects.exists()
    answer.close()


@pytest.mark.parametrize("method", ["head", "options", "post", "put", "delete"])
def test_only_getting_a_page_begins_a_login_session(client: Client, method: str) -> None:
    assert "sessionid" not in getattr(client, method)("/").cookies
    assert not LoginSession.objects.exists()


@pytest.mark.parametrize("cookie", ["a" * 32, "not-a-key", "a\x00b", "x" * 10_000])
def test_a_cookie_that_opens_nothing_is_replaced_by_a_new_login_session(client: Client, cookie: str) -> None:
    client.cookies["sessionid"] = cookie
    assert client.get("/").status_code == 200
    assert LoginSession.objects.get().session_key == client.cookies["sessionid"].value != cookie


def test_an_expired_login_session_is_followed_by_another_visitor() -> None:
    session = holder(3, expires_in=timedelta(seconds=-1))
    client = client_of(session)
    client.get("/")
    assert client.session["visitor"] != session["visitor"]
    assert client.session["name"] != 3


@pytest.mark.parametrize(
    ("left", "renewed"), [(DAY, False), (DAY * 0.51, False), (DAY * 0.49, True), (timedelta(minutes=1), True)]
)
def test_the_second_half_of_its_life_renews_a_login_session(left: timedelta, renewed: bool) -> None:
    session = holder(3, expires_in=left)
    answer = client_of(session).get("/")
    assert ("sessionid" in answer.cookies) is renewed
    if renewed:
        assert answer.cookies["sessionid"]["max-age"] == 86400
        assert answer.cookies["sessionid"].value == session.session_key
        assert row_of(session).expire_date > timezone.now() + DAY * 0.99
    assert row_of(session).visitor_id == session["visitor"]


def test_any_request_that_uses_the_login_session_renews_it(user: AbstractBaseUser) -> None:
    client = Client()
    log_in(client)
    session = SessionStore(client.cookies["sessionid"].value)
    for request in (client.get, client.head):
        age(session, DAY * 0.4)
        assert "sessionid" in request("/admin/").cookies
    age(session, DAY * 0.4)
    assert "sessionid" in client.head("/").cookies


def test_a_shorter_expiry_of_its_own_is_respected(client: Client) -> None:
    client.get("/")
    session = client.session
    session.set_expiry(600)
    session.save()
    assert "sessionid" not in client.get("/").cookies
    age(SessionStore(session.session_key), timedelta(seconds=299))
    assert client.get("/").cookies["sessionid"]["max-age"] == 600


def test_what_was_ended_is_not_renewed() -> None:
    session = holder(3, expires_in=DAY * 0.4)
    client = client_of(session)
    LoginSession.objects.all().delete()
    assert client.head("/").cookies["sessionid"].value == ""
    assert not LoginSession.objects.exists()


def test_the_visitor_is_touched_once_a_minute() -> None:
    session = holder(3)
    client = client_of(session)
    almost = timezone.now() - timedelta(seconds=55)
    Visitor.objects.update(last_seen=almost)
    client.get("/")
    assert Visitor.objects.get().last_seen == almost
    Visitor.objects.update(last_seen=timezone.now() - timedelta(seconds=61))
    client.get("/")
    assert timezone.now() - Visitor.objects.get().last_seen < timedelta(seconds=30)


def test_a_known_visitor_costs_one_query(django_assert_num_queries: Any) -> None:
    client = client_of(holder(3))
    client.get("/")
    with django_assert_num_queries(1):
        client.get("/")


def test_a_login_keeps_the_name_and_changes_the_key(client: Client, user: AbstractBaseUser) -> None:
    client.get("/")
    before, row = session_of(client), row_of(session_of(client))
    log_in(client)
    assert session_of(client).session_key != before.session_key
    assert session_of(client)["name"] == before["name"]
    assert session_of(client)["visitor"] == before["visitor"]
    assert (row_of(session_of(client)).pk, row_of(session_of(client)).user) == (row.pk, user)
    assert SessionStore(before.session_key).get("name") is None


def test_a_change_of_the_password_keeps_the_name_and_the_login(client: Client, user: AbstractBaseUser) -> None:
    client.get("/")
    log_in(client)
    before = session_of(client)
    passwords = {"old_password": "analytical", "new_password1": "d1fference", "new_password2": "d1fference"}
    assert client.post("/admin/password_change/", passwords).status_code == 302
    assert session_of(client).session_key != before.session_key
    assert session_of(client)["name"] == before["name"]
    assert client.get("/admin/").status_code == 200


def test_a_logout_ends_the_login_session_and_the_next_page_begins_another(
    client: Client, user: AbstractBaseUser
) -> None:
    client.get("/")
    log_in(client)
    before = session_of(client)
    client.post("/admin/logout/")
    assert not LoginSession.objects.exists()
    client.get("/")
    assert session_of(client)["visitor"] != before["visitor"]
    assert row_of(session_of(client)).user is None


def test_whoever_logs_in_first_gets_the_name_with_the_first_page(client: Client, user: AbstractBaseUser) -> None:
    log_in(client)
    assert row_of(session_of(client)).visitor is None
    client.get("/")
    assert session_of(client)["name"] == Visitor.objects.get().name
    assert row_of(session_of(client)).user == user


def test_a_deleted_user_is_no_longer_let_in(client: Client, user: AbstractBaseUser) -> None:
    client.get("/")
    log_in(client)
    user.delete()
    assert not LoginSession.objects.exists()


def test_the_mark_leaves_the_view_as_it_is() -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    assert page(view) is view


@pytest.mark.django_db(transaction=True)
def test_first_pages_at_once_with_one_cookie_show_one_name() -> None:
    session = SessionStore()
    session.create()

    def get(number: int) -> tuple[int, str]:
        client = client_of(session)
        return client.get("/").status_code, client.cookies["sessionid"].value

    assert set(at_once(6, get)) == {(200, session.session_key)}
    assert Visitor.objects.count() == LoginSession.objects.count() == 1
    assert SessionStore(session.session_key)["name"] == Visitor.objects.get().name


@pytest.mark.django_db(transaction=True)
def test_first_pages_at_once_without_a_cookie_are_different_visitors() -> None:
    keys = at_once(6, lambda number: Client().get("/").cookies["sessionid"].value)
    assert len(set(keys)) == 6
    assert Visitor.objects.exclude(name=None).count() == 6


@pytest.mark.django_db(transaction=True)
async def test_under_asgi_it_is_the_same() -> None:
    client = AsyncClient()
    first = await client.get("/")
    key = first.cookies["sessionid"].value
    await LoginSession.objects.aupdate(expire_date=timezone.now() + DAY * 0.4)
    assert (await client.get("/")).cookies["sessionid"].value == key
    assert "sessionid" not in (await client.get("/healthz")).cookies
    assert await Visitor.objects.acount() == 1
    await sync_to_async(connections.close_all)()  # the thread's own, which nobody else would close


def test_a_database_that_is_away_leaves_the_health_check_alone(client: Client, django_assert_num_queries: Any) -> None:
    client.cookies["sessionid"] = str(holder(3).session_key)
    with django_assert_num_queries(0, connection=connection):
        assert client.get("/healthz").status_code == 200
