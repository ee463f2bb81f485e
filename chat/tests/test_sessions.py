"""One contract for the session store, asked of the methods and of their asynchronous twins."""

import inspect
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY, get_user_model
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.core.management import call_command
from django.db import IntegrityError
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore
from chat.tests.people import age, holder, row_of

pytestmark = pytest.mark.django_db

MALFORMED = [
    "",
    "short",
    "a" * 31,
    "a" * 33,
    "A" * 32,
    "a" * 31 + "\x00",
    "a" * 31 + "\n",
    "a" * 32 + "\n",
    "ä" * 32,
    "٣" * 32,
    "'" + "a" * 31,
    "a" * 10_000,
    "%00" * 10 + "aa",
]
UNKNOWN = "a" * 32

Call = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    """Call a method of the store, or its twin, by the plain name."""

    def plain(store: Any, method: str, *args: Any) -> Any:
        return getattr(store, method)(*args)

    def twin(store: Any, method: str, *args: Any) -> Any:
        return async_to_sync(getattr(store, f"a{method}"))(*args)

    return plain if request.param == "sync" else twin


def test_every_method_that_asks_the_database_has_its_twin() -> None:
    inside = {"get_model_class", "read", "lock", "create_model_instance", "astatuses", "changes"}
    written = {name for name in vars(SessionStore) if not name.startswith("_")} - inside
    twins = {name for name in written if inspect.iscoroutinefunction(getattr(SessionStore, name))}
    assert twins == {f"a{name}" for name in written - twins} | {"acreate"}


def test_a_new_session_is_empty_and_has_no_row(call: Call) -> None:
    session = SessionStore()
    assert call(session, "get", "name") is None
    assert session.session_key is None
    assert session.is_empty()
    assert not LoginSession.objects.exists()


def test_what_was_saved_is_loaded(call: Call) -> None:
    session = SessionStore()
    call(session, "update", {"colour": "red"})
    call(session, "save")
    again = SessionStore(session.session_key)
    assert call(again, "get", "colour") == "red"
    assert again.session_key == session.session_key


def test_create_makes_a_row_with_the_data_so_far(call: Call) -> None:
    session = SessionStore()
    session["colour"] = "red"
    call(session, "create")
    assert session.modified
    assert row_of(session).get_decoded() == {"colour": "red"}


def test_saving_again_changes_the_one_row(call: Call) -> None:
    session = SessionStore()
    call(session, "create")
    session["colour"] = "red"
    call(session, "save")
    assert LoginSession.objects.get().get_decoded() == {"colour": "red"}


def test_the_expiry_is_a_day_away_and_moves_with_each_save(call: Call) -> None:
    session = holder(1, expires_in=timedelta(minutes=5))
    again = SessionStore(session.session_key)
    call(again, "get", "name")
    call(again, "save")
    left = row_of(session).expire_date - timezone.now()
    assert timedelta(hours=23, minutes=59) < left <= timedelta(days=1)
    assert again.row is not None
    assert again.row.expire_date == row_of(session).expire_date


def test_an_ended_session_is_not_brought_back_by_a_save(call: Call) -> None:
    session = SessionStore(holder(1).session_key)
    call(session, "get", "name")
    call(SessionStore(session.session_key), "delete")
    with pytest.raises(UpdateError):
        call(session, "save")
    assert not LoginSession.objects.exists()


def test_an_unknown_key_is_empty_and_a_save_gets_another_key(call: Call) -> None:
    session = SessionStore(UNKNOWN)
    call(session, "update", {"colour": "red"})
    call(session, "save")
    assert session.session_key not in {None, UNKNOWN}
    assert not call(session, "exists", UNKNOWN)


def test_saving_an_unknown_key_without_looking_gets_another_key(call: Call) -> None:
    session = SessionStore(UNKNOWN)
    call(session, "save")
    assert LoginSession.objects.get().session_key == session.session_key != UNKNOWN


def test_an_expired_session_is_empty_and_its_key_forgotten(call: Call) -> None:
    key = holder(1, expires_in=timedelta(seconds=-1)).session_key
    session = SessionStore(key)
    assert call(session, "get", "name") is None
    assert session.session_key is None
    assert session.row is None


@pytest.mark.parametrize("key", MALFORMED)
def test_a_malformed_key_costs_no_query_and_raises_nothing(
    call: Call, key: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(0):
        session = SessionStore(key)
        assert session.session_key is None
        assert call(session, "get", "name") is None
        assert not call(session, "exists", key)
        call(session, "delete", key)
        call(session, "flush")


@pytest.mark.parametrize("key", [*MALFORMED, UNKNOWN])
def test_a_key_that_opens_nothing_is_not_worth_a_warning(
    call: Call, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        call(SessionStore(key), "get", "name")
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


def test_a_key_in_use_is_a_create_error(call: Call) -> None:
    session = SessionStore(holder(1).session_key)
    with pytest.raises(CreateError):
        call(session, "save", True)
    assert LoginSession.objects.count() == 1


def test_a_visitor_in_use_is_no_create_error(call: Call) -> None:
    """`create` tries again after a CreateError: it would do so for ever."""
    visitor = row_of(holder(1)).visitor_id
    session = SessionStore()
    session["visitor"] = visitor
    with pytest.raises(IntegrityError):
        call(session, "create")
    assert LoginSession.objects.count() == 1


def test_visitor_and_user_are_columns(call: Call) -> None:
    user = get_user_model().objects.create_user("ada")
    visitor = Visitor.objects.create(name=5)
    session = SessionStore()
    session.update({"visitor": visitor.pk, "name": 5, SESSION_KEY: str(user.pk)})
    call(session, "save")
    assert (row_of(session).visitor, row_of(session).user) == (visitor, user)
    session = SessionStore(session.session_key)
    call(session, "pop", SESSION_KEY)
    call(session, "save")
    assert row_of(session).user is None


def test_the_name_that_is_read_is_the_one_the_visitor_holds(call: Call) -> None:
    session = holder(5)
    Visitor.objects.update(name=6)
    assert call(SessionStore(session.session_key), "get", "name") == 6


def test_a_copy_from_before_the_name_was_given_keeps_the_name(call: Call) -> None:
    session = SessionStore()
    call(session, "create")
    early = SessionStore(session.session_key)
    call(early, "update", {"colour": "red"})
    visitor = Visitor.objects.create(name=5)
    session.update({"visitor": visitor.pk, "name": 5})
    call(session, "save")
    call(early, "save")
    assert row_of(session).get_decoded() == {"colour": "red", "visitor": visitor.pk, "name": 5}
    assert row_of(session).visitor == visitor
    assert early["name"] == 5


def test_loading_is_one_query_and_shows_the_row_with_its_visitor(
    call: Call, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    key = holder(5).session_key
    session = SessionStore(key)
    assert session.row is None
    with django_assert_num_queries(1):
        call(session, "get", "name")
        assert session.row is not None
        assert session.row.visitor is not None
        assert session.row.visitor.name == 5
    assert session.row == row_of(session)
    assert session.row.expire_date == row_of(session).expire_date


def test_a_new_key_keeps_row_visitor_and_data(call: Call) -> None:
    session = SessionStore(holder(5).session_key)
    old, row = session.session_key, row_of(session)
    call(session, "cycle_key")
    assert session.session_key != old
    assert session.modified
    assert row_of(session).pk == row.pk
    assert row_of(session).visitor == row.visitor
    assert call(SessionStore(session.session_key), "get", "name") == 5


def test_the_old_key_opens_nothing(call: Call) -> None:
    session = SessionStore(holder(5).session_key)
    copy = SessionStore(session.session_key)
    call(copy, "get", "name")
    old = session.session_key
    call(session, "cycle_key")
    assert call(SessionStore(old), "get", "name") is None
    with pytest.raises(UpdateError):
        call(copy, "save")


def test_a_new_key_for_a_session_without_a_row_keeps_its_data(call: Call) -> None:
    session = SessionStore()
    session["colour"] = "red"
    call(session, "cycle_key")
    assert row_of(session).get_decoded() == {"colour": "red"}


def test_a_new_key_does_not_bring_back_what_was_ended(call: Call) -> None:
    session = SessionStore(holder(5).session_key)
    call(session, "update", {SESSION_KEY: "1"})
    old = session.session_key
    LoginSession.objects.all().delete()
    call(session, "cycle_key")
    assert session.session_key != old
    assert row_of(session).get_decoded() == {}


def test_flush_ends_the_row_and_empties_the_session(call: Call) -> None:
    session = SessionStore(holder(5).session_key)
    call(session, "get", "name")
    call(session, "flush")
    assert session.is_empty()
    assert session.row is None
    assert not LoginSession.objects.exists()


def test_deleting_by_key_leaves_the_others(call: Call) -> None:
    mine, other = holder(1), holder(2)
    call(mine, "delete", other.session_key)
    assert LoginSession.objects.get() == row_of(mine)
    call(mine, "delete", UNKNOWN)


def test_data_that_was_changed_counts_as_empty(call: Call) -> None:
    session = holder(5)
    row = row_of(session)
    row.session_data = ("x" if row.session_data[0] != "x" else "y") + row.session_data[1:]
    row.save()
    assert list(call(SessionStore(session.session_key), "items")) == []


def test_data_of_another_row_counts_as_empty(call: Call, caplog: pytest.LogCaptureFixture) -> None:
    """Its signature is right, but it names a visitor who is not this row's."""
    mine, other = holder(1), holder(2)
    row = row_of(mine)
    row.session_data = row_of(other).session_data
    row.save()
    assert call(SessionStore(mine.session_key), "get", "visitor") is None
    assert caplog.messages == [f"Login session {row.pk}: expected the data saved with the row, got others"]


def test_a_user_in_the_data_alone_counts_as_empty(call: Call) -> None:
    session = holder(1)
    row = row_of(session)
    row.session_data = session.encode(row.get_decoded() | {SESSION_KEY: "1"})
    row.save()
    assert call(SessionStore(session.session_key), "get", SESSION_KEY) is None


def test_a_changed_row_can_be_saved_over(call: Call) -> None:
    session = holder(5)
    LoginSession.objects.update(session_data="forged")
    again = SessionStore(session.session_key)
    call(again, "update", {"colour": "red"})
    call(again, "save")
    assert row_of(again).get_decoded() == {"colour": "red"}
    assert row_of(again).visitor is None


def test_another_secret_key_reads_nothing_unless_the_old_one_is_a_fallback(call: Call, settings: Settings) -> None:
    key, old = holder(5).session_key, settings.SECRET_KEY
    settings.SECRET_KEY = "another"
    assert call(SessionStore(key), "get", "name") is None
    settings.SECRET_KEY_FALLBACKS = [old]
    assert call(SessionStore(key), "get", "name") == 5


def test_clearing_removes_the_expired_and_visitors_without_a_login_session(call: Call) -> None:
    live, expired, ended = holder(1), holder(2), holder(3)
    age(expired, timedelta(seconds=-1))
    ended.delete()
    call(SessionStore, "clear_expired")
    assert LoginSession.objects.get() == row_of(live)
    assert Visitor.objects.get().name == 1


def test_clearsessions_clears_them_as_well() -> None:
    holder(1, expires_in=timedelta(seconds=-1))
    call_command("clearsessions")
    assert not LoginSession.objects.exists()
    assert not Visitor.objects.exists()
