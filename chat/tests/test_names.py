"""Names: who gets which number, and that nobody inherits an identity with it."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from chat import names
from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore
from chat.tests.people import DAY, age, at_once, holder, row_of, visit

pytestmark = pytest.mark.django_db

DEAD = timedelta(hours=-1, seconds=-1)
JUST_EXPIRED = timedelta(minutes=-59)


def test_a_visitor_gets_a_number_of_the_narrowest_range() -> None:
    session = visit()
    assert type(session["name"]) is int
    assert 0 <= session["name"] <= 10_000
    visitor = Visitor.objects.get()
    assert (visitor.pk, visitor.name) == (session["visitor"], session["name"])
    assert row_of(session).visitor == visitor


def test_every_number_of_a_range_is_given_out_from_0_to_the_highest() -> None:
    given = set()
    for _ in range(300):
        with transaction.atomic():
            given.add(names.new_visitor(highest=5).name)
            transaction.set_rollback(True)
    assert given == set(range(6))


@pytest.mark.parametrize(
    ("held", "highest"), [([], 10), (range(5), 10), (range(6), 100), (range(11), 100), (range(51), 1000)]
)
def test_the_range_widens_when_half_of_it_is_held(held: range, highest: int) -> None:
    for number in held:
        holder(number)
    assert names.widest_needed(10) == highest


def test_counting_ends_at_the_half_and_wide_ranges_are_counted_now_and_then(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    monkeypatch.setattr(names, "HIGHEST_NAME", 10)
    monkeypatch.setattr(names, "known", {})
    for number in range(8):
        holder(number)
    with CaptureQueriesContext(connection) as queries:
        assert names.widest_needed(10) == 100
    assert ["LIMIT 6" in query["sql"] for query in queries] == [True, False]
    with django_assert_num_queries(1):
        assert names.widest_needed(10) == 100
    monkeypatch.setattr(names, "KNOWN_SECONDS", -1.0)
    with django_assert_num_queries(2):
        assert names.widest_needed(10) == 100


def test_a_visitor_gets_a_number_of_the_range_that_is_due() -> None:
    for number in range(6):
        holder(number)
    given = set()
    for _ in range(30):
        with transaction.atomic():
            given.add(visit(highest=10)["name"])
            transaction.set_rollback(True)
    assert max(given) > 10


def test_numbers_beyond_a_range_do_not_count_for_it() -> None:
    for number in range(11, 31):
        holder(number)
    assert names.widest_needed(10) == 10


def test_expired_holders_do_not_widen_the_range() -> None:
    for number in range(11):
        holder(number, expires_in=JUST_EXPIRED)
    assert names.widest_needed(10) == 10


def test_nobody_gets_a_number_that_is_held() -> None:
    for number in range(5):
        holder(number)
    assert {visit(highest=10)["name"] for _ in range(1)} <= set(range(5, 11))
    for _ in range(40):
        visit(highest=10)
    given = list(Visitor.objects.values_list("name", flat=True))
    assert len(set(given)) == len(given) == 46


def test_a_number_is_not_taken_within_an_hour_after_the_expiry() -> None:
    for number in range(11):
        holder(number, expires_in=JUST_EXPIRED)
    assert visit(highest=10)["name"] > 10
    assert Visitor.objects.filter(name__lte=10).count() == 11


def test_the_number_of_a_dead_login_session_goes_to_a_new_visitor() -> None:
    dead = holder(1, expires_in=DEAD)
    old = Visitor.objects.get(name=1)
    holder(0)
    with transaction.atomic():
        names.release(1)
        new = Visitor.objects.create(name=1)
    old.refresh_from_db()
    assert old.name is None
    assert new.pk != old.pk
    assert not LoginSession.objects.filter(session_key=dead.session_key).exists()


def test_all_numbers_of_dead_login_sessions_are_in_use_again() -> None:
    olds = [Visitor.objects.get(pk=holder(number, expires_in=DEAD)["visitor"]) for number in range(11)]
    new = visit(highest=10)
    assert new["name"] <= 10
    assert new["visitor"] not in {old.pk for old in olds}
    assert Visitor.objects.get(pk=olds[new["name"]].pk).name is None


def test_the_number_of_a_login_session_that_was_ended_is_free_at_once() -> None:
    session = holder(3)
    old = session["visitor"]
    SessionStore(session.session_key).delete()
    with transaction.atomic():
        names.release(3)
    assert Visitor.objects.get(pk=old).name is None


@pytest.mark.parametrize("expires_in", [DAY, JUST_EXPIRED])
def test_release_leaves_the_holder_alone_who_may_come_back(expires_in: timedelta) -> None:
    session = holder(3, expires_in)
    with transaction.atomic():
        names.release(3)
    assert row_of(session).visitor == Visitor.objects.get(name=3)


def test_a_slow_request_cannot_bring_back_a_name_that_was_taken() -> None:
    slow = SessionStore(holder(3).session_key)
    assert slow["name"] == 3
    age(slow, DEAD)
    with transaction.atomic():
        names.release(3)
    with pytest.raises(UpdateError):
        slow.save()


def test_a_slow_request_keeps_its_name_within_the_hour() -> None:
    slow = SessionStore(holder(3).session_key)
    assert slow["name"] == 3
    age(slow, JUST_EXPIRED)
    with transaction.atomic():
        names.release(3)
    slow.save()
    assert row_of(slow).live
    assert SessionStore(slow.session_key)["name"] == 3


def test_without_a_free_number_the_error_says_so_and_nothing_is_left() -> None:
    Visitor.objects.bulk_create([Visitor(name=number) for number in range(101)])
    for visitor in Visitor.objects.all():
        session = SessionStore()
        session["visitor"] = visitor.pk
        session.create()
    LoginSession.objects.update(expire_date=row_of(session).expire_date - DAY)
    with pytest.raises(names.NoFreeNameError, match="expected a free number up to 100, found none in 64 tries"):
        visit(highest=1)
    assert Visitor.objects.count() == LoginSession.objects.count() == 101


def test_a_session_keeps_the_name_it_has() -> None:
    session = visit()
    before = dict(session.items())
    names.assign(session)
    names.assign(SessionStore(session.session_key))
    assert dict(SessionStore(session.session_key).items()) == before
    assert Visitor.objects.count() == 1


def test_a_session_with_a_row_gets_its_name_in_that_row() -> None:
    session = SessionStore()
    session["colour"] = "red"
    session.create()
    names.assign(session)
    assert LoginSession.objects.get().visitor == Visitor.objects.get()
    assert SessionStore(session.session_key)["colour"] == "red"


def test_an_older_copy_gets_the_name_that_was_given_meanwhile() -> None:
    session = SessionStore()
    session.create()
    copy = SessionStore(session.session_key)
    assert copy.get("name") is None
    names.assign(session)
    names.assign(copy)
    assert (copy["name"], copy["visitor"]) == (session["name"], session["visitor"])
    assert Visitor.objects.count() == 1


def test_what_was_ended_meanwhile_does_not_come_back_with_a_name() -> None:
    session = SessionStore()
    session["colour"] = "red"
    session.create()
    old = session.session_key
    LoginSession.objects.all().delete()
    names.assign(session)
    assert session.session_key != old
    assert set(session.keys()) == {"name", "visitor"}


def test_an_unknown_key_gets_another_key_with_the_name() -> None:
    session = SessionStore("a" * 32)
    names.assign(session)
    assert session.session_key != "a" * 32
    assert row_of(session).visitor is not None


def test_a_row_that_was_tampered_with_gets_a_new_identity() -> None:
    session = holder(3)
    old = session["visitor"]
    LoginSession.objects.update(session_data="forged")
    again = SessionStore(session.session_key)
    names.assign(again)
    assert again["visitor"] != old
    assert row_of(session).visitor_id == again["visitor"]


def test_a_failure_leaves_neither_row_nor_visitor() -> None:
    session = SessionStore()
    session["colour"] = {"not": {"json"}}
    with pytest.raises(TypeError, match="not JSON serializable"):
        names.assign(session)
    assert not LoginSession.objects.exists()
    assert not Visitor.objects.exists()


def test_after_a_failure_the_same_session_can_be_given_a_name() -> None:
    session = SessionStore()
    session["colour"] = {"not": {"json"}}
    with pytest.raises(TypeError):
        names.assign(session)
    del session["colour"]
    names.assign(session)
    assert row_of(session).visitor_id == session["visitor"]


def test_a_guest_appears_under_the_digits_and_a_user_under_the_username() -> None:
    session = holder(42)
    assert names.display_name(session, AnonymousUser()) == "42"
    assert names.display_name(session, get_user_model()(username="ada")) == "ada"
    assert names.display_name(SessionStore(), AnonymousUser()) is None


def test_zero_is_a_name() -> None:
    session = holder(0)
    assert names.is_named(session)
    assert names.display_name(session, AnonymousUser()) == "0"


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_with_one_cookie_end_with_one_name() -> None:
    session = SessionStore()
    session.create()

    def request(number: int) -> tuple[int, int]:
        mine = SessionStore(session.session_key)
        names.assign(mine)
        mine.save()
        return mine["visitor"], mine["name"]

    assert len(set(at_once(6, request))) == 1
    assert Visitor.objects.count() == LoginSession.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_visitors_at_once_share_no_number() -> None:
    given = at_once(8, lambda number: visit(highest=20)["name"])
    assert len(set(given)) == 8


@pytest.mark.django_db(transaction=True)
def test_one_of_those_who_want_the_same_dead_number_gets_it() -> None:
    """One number of eleven is dead, the others have just expired: all threads go for it at once."""
    for number in range(10):
        holder(number, expires_in=JUST_EXPIRED)
    holder(10, expires_in=DEAD)
    given = at_once(6, lambda number: visit(highest=10)["name"])
    assert len(set(given)) == 6
    assert given.count(10) <= 1
    assert Visitor.objects.filter(name__lt=10, login_session__isnull=False).count() == 10
