"""What becomes of login sessions is published once, with its reason if there is one."""

from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import alogout, logout
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete
from django.http import HttpRequest

from channels_socketio import signals
from channels_socketio.connections.runtime import current_runtime
from channels_socketio.sessions.monitor import END_SESSIONS, LOOK_AT_SESSIONS, ROTATE_SESSIONS
from channels_socketio.tests.support.people import settle

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["db", "cached_db", "cache"])
async def published(request: pytest.FixtureRequest, settings: Any) -> AsyncIterator[list[str]]:
    """The kinds of what is published of the sessions of a site that serves; each backend has a site."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    signals.install()
    kinds: list[str] = []
    backplane = current_runtime().backplane
    await backplane.start()
    for kind in (END_SESSIONS, LOOK_AT_SESSIONS, ROTATE_SESSIONS):
        backplane.handle(kind, lambda *args, kind=kind: kinds.append(kind))
    yield kinds
    post_delete.disconnect(sender=Session, dispatch_uid=signals.NAME)


@sync_to_async
def new_request(settings: Any) -> Any:
    """Return a request with a stored login session."""
    request: Any = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    request.session["colour"] = "red"
    request.session.save()
    return request


@sync_to_async
def log_out_in_transaction(request: Any) -> None:
    """Log out and commit."""
    with transaction.atomic():
        logout(request)


@pytest.mark.parametrize("log_out", [sync_to_async(logout), alogout, log_out_in_transaction])
async def test_a_log_out_is_published_once(settings: Any, published: list[str], log_out: Any) -> None:
    await log_out(await new_request(settings))
    await settle()
    assert published == [END_SESSIONS]


async def test_a_session_that_is_flushed_or_deleted_without_a_reason_is_to_be_looked_at(
    settings: Any, published: list[str]
) -> None:
    flushed, other = await new_request(settings), await new_request(settings)
    await sync_to_async(logout)(other)
    await sync_to_async(flushed.session.flush)()
    await settle()
    assert published == [END_SESSIONS, LOOK_AT_SESSIONS]


async def test_a_rotation_after_a_log_out_is_published_as_well(settings: Any, published: list[str]) -> None:
    request = await new_request(settings)
    await sync_to_async(signals.logged_out)(request)
    await sync_to_async(request.session.cycle_key)()
    await settle()
    assert published == [END_SESSIONS, ROTATE_SESSIONS]


async def test_after_a_log_out_that_was_taken_back_the_end_is_published(settings: Any, published: list[str]) -> None:
    request = await new_request(settings)

    def fail() -> None:
        with transaction.atomic():
            signals.logged_out(request)
            transaction.set_rollback(True)

    await sync_to_async(fail)()
    await sync_to_async(import_module(settings.SESSION_ENGINE).SessionStore(request.session.session_key).flush)()
    await settle()
    assert published == [LOOK_AT_SESSIONS]
