"""Usernames that cannot be taken for a guest: a guest's name is all digits, a username is not.

Django's own user model stays in place, so the rule is added to its username field, which
forms and `createsuperuser` ask, and to saving, which `create_user` cannot pass by.

A login over another user's ends that login session, and the visitor's name with it. The tabs of
the same browser come back by the new one at once, so it gets a name with the login.
"""

import unicodedata
from typing import Any, cast

from django.contrib.auth import get_user_model, user_logged_in
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.signals import pre_save

from channels_socketio import address_of_request, block_of
from chat import names


def is_number(name: str) -> bool:
    """Return whether `name` reads as a number, in the digits of any script."""
    return unicodedata.normalize("NFKC", name).strip().isdecimal()


def refuse_number(username: str) -> None:
    """Raise ValidationError when `username` reads as a number."""
    if is_number(username):
        raise ValidationError(
            "A username may not be all digits: those are the names of guests.", code="username_is_number"
        )


def install() -> None:
    """Add the rule to the site's user model; calling it again changes nothing."""
    model = get_user_model()
    field = cast("models.Field[Any, Any]", model._meta.get_field(model.USERNAME_FIELD))
    # `validators`, not `_validators`: the latter would be a change of schema to makemigrations.
    if refuse_number not in field.validators:
        field.validators.append(refuse_number)
    user_logged_in.connect(name_again, dispatch_uid="chat.users.name_again")
    pre_save.connect(check_username, sender=model, dispatch_uid="chat.users.check_username")


def check_username(instance: AbstractUser, update_fields: frozenset[str] | None = None, **signal: Any) -> None:
    """Refuse to save a user under a number; saves of other fields alone are let through."""
    if update_fields is None or type(instance).USERNAME_FIELD in update_fields:
        refuse_number(instance.get_username())


def name_again(request: Any, **signal: Any) -> None:
    """Give the login session a name if the one that the login replaces had one."""
    session: Any = getattr(request, "session", None)
    if getattr(session, "had_name", False) and not names.is_named(session):
        names.assign(session, address=block_of(address_of_request(request)))
