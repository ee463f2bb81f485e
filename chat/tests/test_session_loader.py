"""Reading login sessions for sockets: together, once, and never another's."""

import asyncio

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from chat import session_loader
from chat.bans import ban_list
from chat.database import in_thread
from chat.models import AddressBan, LoginSession
from chat.sessions import SessionStore
from chat.tests.people import holder

pytestmark = pytest.mark.django_db(transaction=True)


def holders(count: int) -> list[str]:
    """Return the keys of login sessions that are named 0, 1, 2 ..."""
    return [str(holder(number).session_key) for number in range(count)]


async def name_of(key: str | None) -> object:
    """Return the name in the login session under a key, None without one."""
    return await SessionStore(key).aget("name")


async def test_everybody_who_waits_gets_the_own_session() -> None:
    keys = await in_thread(holders)(30)
    unknown = ["a" * 32, None]
    names = await asyncio.gather(*map(name_of, [*keys, *unknown, *keys]))
    assert names == [*range(30), None, None, *range(30)]


async def test_those_who_wait_together_share_a_query(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def find(keys: "dict[str, object]") -> dict[str, LoginSession]:
        asked.append(len(keys))
        with CaptureQueriesContext(connection) as queries:
            rows = loader_find(keys)
        assert len(queries) == 1
        return rows

    loader_find = session_loader.find_live
    monkeypatch.setattr(session_loader, "find_live", find)
    keys = await in_thread(holders)(10)
    await asyncio.gather(*map(name_of, keys))
    assert asked == [10]


async def test_a_session_that_ended_or_expired_since_is_not_found() -> None:
    ended, expired = await in_thread(holders)(2)
    await SessionStore(ended).adelete()
    await LoginSession.objects.filter(session_key=expired).aupdate(expire_date="2000-01-01T00:00Z")
    assert [await name_of(key) for key in (ended, expired)] == [None, None]


async def test_a_database_that_fails_is_an_error_for_all_who_wait_and_for_nobody_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    keys = await in_thread(holders)(3)

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    table = LoginSession._meta.db_table
    await in_thread(rename)(table, "away")
    try:
        results = await asyncio.gather(*map(name_of, keys), return_exceptions=True)
    finally:
        await in_thread(rename)("away", table)
    assert [type(result) for result in results] == [OperationalError] * 3
    assert await asyncio.gather(*map(name_of, keys)) == [0, 1, 2]


async def test_a_lookup_learns_now_and_then_which_addresses_are_banned() -> None:
    """A process that serves no pages does too."""
    (key,) = await in_thread(holders)(1)
    await AddressBan.objects.acreate(network="192.0.2.7/32")
    ban_list.forget()
    assert not ban_list.covers("192.0.2.7")
    await name_of(key)
    assert ban_list.covers("192.0.2.7")
    ban_list.forget()


async def test_somebody_who_waits_no_longer_does_not_disturb_the_others() -> None:
    first, second = await in_thread(holders)(2)
    impatient = asyncio.ensure_future(name_of(first))
    patient = [asyncio.ensure_future(name_of(key)) for key in (first, second)]
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*patient) == [0, 1]
