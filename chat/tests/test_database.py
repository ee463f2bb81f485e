"""Database work in a thread: no dead connection is kept, none in use is closed."""

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import Group
from django.db import connection, transaction

from chat.database import in_thread


def name_a_group(name: str) -> int:
    """Make a group; the connection's identity tells one connection from another."""
    Group.objects.create(name=name)
    return id(connection.connection)


@pytest.mark.django_db
def test_the_connection_of_a_transaction_is_left_open() -> None:
    with transaction.atomic():
        async_to_sync(in_thread(name_a_group))("tea")
        assert Group.objects.get().name == "tea"
        transaction.set_rollback(True)
    assert not Group.objects.exists()


@pytest.mark.django_db(transaction=True)
async def test_an_idle_connection_is_closed() -> None:
    await in_thread(name_a_group)("tea")
    assert await sync_to_async(lambda: connection.connection)() is None


@pytest.mark.django_db(transaction=True)
async def test_a_connection_is_closed_after_an_error_too() -> None:
    def fail() -> None:
        Group.objects.count()
        raise LookupError

    with pytest.raises(LookupError):
        await in_thread(fail)()
    assert await sync_to_async(lambda: connection.connection)() is None
