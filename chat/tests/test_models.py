"""Visitors and login sessions as rows."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import LoginSession, Visitor
from chat.tests.people import holder, row_of

pytestmark = pytest.mark.django_db


def test_the_database_refuses_a_number_twice() -> None:
    Visitor.objects.create(name=7)
    with pytest.raises(IntegrityError), transaction.atomic():
        Visitor.objects.create(name=7)


def test_any_number_of_visitors_may_have_no_name_left() -> None:
    Visitor.objects.create(name=None)
    Visitor.objects.create(name=None)
    assert Visitor.objects.filter(name=None).count() == 2


def test_the_database_refuses_two_login_sessions_of_one_visitor() -> None:
    row = row_of(holder(7))
    twin = LoginSession(session_key="a" * 32, session_data="", expire_date=timezone.now(), visitor=row.visitor)
    with pytest.raises(IntegrityError), transaction.atomic():
        twin.save()


def test_live_and_expired_divide_the_login_sessions() -> None:
    live, expired = holder(1), holder(2, expires_in=timedelta(seconds=-1))
    assert list(LoginSession.objects.live()) == [row_of(live)]
    assert list(LoginSession.objects.expired()) == [row_of(expired)]
    assert row_of(live).live
    assert not row_of(expired).live


def test_expired_since_leaves_out_those_that_expired_later() -> None:
    holder(1, expires_in=timedelta(minutes=-59))
    long_ago = holder(2, expires_in=timedelta(minutes=-61))
    assert list(LoginSession.objects.expired(since=timedelta(hours=1))) == [row_of(long_ago)]


def test_the_text_of_a_login_session_does_not_show_the_key() -> None:
    row = row_of(holder(1))
    assert str(row) == f"Login session {row.pk}"
    assert row.session_key not in repr(row)


def test_the_text_of_a_visitor_is_the_name_while_there_is_one() -> None:
    visitor = Visitor.objects.create(name=42)
    assert str(visitor) == "42"
    visitor.name = None
    assert str(visitor) == f"Visitor {visitor.pk}"


def test_a_row_decodes_its_own_data() -> None:
    row = row_of(holder(42))
    assert row.get_decoded() == {"visitor": row.visitor_id, "name": 42}
