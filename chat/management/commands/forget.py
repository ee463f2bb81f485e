"""Erasing a visitor: `manage.py forget VISITOR [--by USERNAME]`."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from chat import erasure
from chat.models import Visitor


class Command(BaseCommand):
    """Erases what is stored about one visitor."""

    help = "Erases one visitor: messages, name, login session and row."

    def add_arguments(self, parser: CommandParser) -> None:
        """Part of Django's contract."""
        parser.add_argument("visitor", metavar="VISITOR", help="the ID in the console's list of visitors, not the name")
        parser.add_argument("--by", metavar="USERNAME", help="who did it, for the console's history")

    def handle(self, *args: Any, visitor: str, by: str | None, **options: Any) -> None:
        """Erase, and say how much that was."""
        pk = checked_visitor(visitor)
        try:
            done = erasure.forget(pk, None if by is None else checked_user(by))
        except Visitor.DoesNotExist:
            raise unknown_visitor(pk) from None
        except DatabaseError as error:
            raise CommandError(f"The visitor was not forgotten completely, run this again: {error}") from error
        self.stdout.write(f"Forgot visitor {pk}: {done.messages} message(s), {done.login_sessions} login session(s).")


def checked_visitor(text: str) -> int:
    """Return a visitor's primary key; raises CommandError."""
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**63):
        raise CommandError(f"VISITOR: expected the ID of a visitor, a whole number above 0, got {text[:50]!r}.")
    return int(text)


def unknown_visitor(pk: int) -> CommandError:
    """Return the error for an ID that nobody has."""
    return CommandError(f"VISITOR: expected the ID of a visitor who is stored, got {pk}.")


def checked_user(username: str) -> AbstractBaseUser:
    """Return the user with this name; raises CommandError."""
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(username)
    except model.DoesNotExist:
        raise CommandError(f"--by: expected the name of a user, got {username!r}.") from None
