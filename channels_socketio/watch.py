"""Notices by Django's signals that login sessions end, and that users change, in this process.

Rows that are deleted without signals (raw SQL, other services), users that are changed by `QuerySet.update`, and
sessions in caches and files are noticed by the sweep.
"""

from typing import Any

from django.apps import apps
from django.db.models.signals import post_delete, post_save, pre_delete
from django.utils import timezone

from .authority import end_sessions, end_user, look_at_user
from .endings import LOGGED_OUT, USER_DELETED
from .standing import session_model

NAME = "channels_socketio.watch"


def install() -> None:
    """Connect the signals of the site's session and user models; calling it again changes nothing."""
    model = session_model()
    if model is not None:
        post_delete.connect(session_deleted, sender=model, dispatch_uid=NAME)
    if not apps.is_installed("django.contrib.auth"):
        return
    from django.contrib.auth import get_user_model, user_logged_out

    user_logged_out.connect(logged_out, dispatch_uid=NAME)
    post_save.connect(user_saved, sender=get_user_model(), dispatch_uid=NAME)
    pre_delete.connect(user_deleted, sender=get_user_model(), dispatch_uid=NAME)


def session_deleted(instance: Any, using: str, **signal: Any) -> None:
    """End what lived by the row. Of an expired one all processes know by themselves."""
    if instance.expire_date > timezone.now():
        end_sessions([instance.session_key], using=using)


def logged_out(request: Any, **signal: Any) -> None:
    """Say why, before the session is flushed and its end is noticed without a reason."""
    session = getattr(request, "session", None)
    if session is not None and session.session_key is not None:
        end_sessions([session.session_key], LOGGED_OUT)


def user_saved(instance: Any, created: bool, using: str, update_fields: Any = None, **signal: Any) -> None:
    """Have the user's login sessions looked at, unless only the time of the last login was noted."""
    if not created and update_fields != frozenset({"last_login"}):
        look_at_user(instance, using)


def user_deleted(instance: Any, using: str, **signal: Any) -> None:
    """End what lived by the user. Before: rows that go with the user are deleted first, and know no reason."""
    end_user(str(instance.pk), USER_DELETED, using)
