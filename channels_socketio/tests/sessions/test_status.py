"""How login sessions stand, by any of Django's session backends."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from channels_socketio.sessions.end_reasons import EXPIRED
from channels_socketio.sessions.status import SessionStatus, find_statuses, session_model

pytestmark = pytest.mark.django_db(transaction=True)

BACKENDS = ["db", "cached_db", "cache", "file", "signed_cookies"]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, settings: Any, tmp_path: Any) -> str:
    """Have the site keep its sessions in each of them."""
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    settings.SESSION_FILE_PATH = str(tmp_path)
    FileStore._storage_path = str(tmp_path)  # type: ignore[attr-defined]  # kept by the class, not in the stubs
    return str(request.param)


@sync_to_async
def new_session(settings: Any, **data: Any) -> Any:
    """Return a saved session."""
    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session.update(data)
    session.save()
    return session


async def test_live_sessions_stand_and_others_do_not(backend: str, settings: Any) -> None:
    live, ended = [await new_session(settings, colour="red") for _ in range(2)]
    store = type(live)
    ended_key = ended.session_key
    if backend == "signed_cookies":  # nothing can end these; only forgery is refused
        ended_key = f"{ended_key}x"
    else:
        await sync_to_async(store(ended_key).flush)()
    sessions = [store(key) for key in (live.session_key, ended_key, "unknown1")]
    statuses = await find_statuses(sessions)
    assert [status is not None for status in statuses] == [True, False, False]
    assert isinstance(statuses[0], SessionStatus)
    assert statuses[0].session_key == live.session_key
    assert (statuses[0].expires is not None) is (backend in ("db", "cached_db"))


async def test_a_row_that_has_expired_says_so(settings: Any) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    session = await new_session(settings, colour="red")
    [status] = await find_statuses([session])
    assert status is not None
    assert status.end_reason is None
    past = timezone.now() - timedelta(seconds=1)
    await Session.objects.filter(session_key=session.session_key).aupdate(expire_date=past)
    [status] = await find_statuses([session])
    assert status is not None
    assert status.end_reason == EXPIRED


async def test_more_sessions_than_one_query_takes(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    monkeypatch.setattr("channels_socketio.sessions.status.MOST", 2)
    sessions = [await new_session(settings, number=number) for number in range(5)]
    found = await find_statuses(sessions)
    assert [status and status.session_key for status in found] == [session.session_key for session in sessions]


def test_a_store_whose_app_is_not_installed_has_no_model(backend: str, settings: Any) -> None:
    assert (session_model() is not None) is (backend in ("db", "cached_db"))
