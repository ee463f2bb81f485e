"""Retention: `manage.py clearmessages --older-than DAYS`."""

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from chat import erasure

MOST_DAYS = 36_500


class Command(BaseCommand):
    """Erases old messages of all rooms."""

    help = "Erases the messages of all rooms that are older than a number of days."

    def add_arguments(self, parser: CommandParser) -> None:
        """Part of Django's contract."""
        parser.add_argument("--older-than", required=True, metavar="DAYS")

    def handle(self, *args: Any, older_than: str, **options: Any) -> None:
        """Erase, and say how many."""
        before = timezone.now() - timedelta(days=checked_days(older_than))
        try:
            cleared = erasure.clear_messages(before)
        except DatabaseError as error:
            raise CommandError(f"Not all old messages were cleared, run this again: {error}") from error
        self.stdout.write(f"Cleared {cleared} message(s) from before {before:%Y-%m-%d %H:%M} UTC.")


def checked_days(text: str) -> int:
    """Return a number of days; raises CommandError."""
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST_DAYS):
        raise CommandError(f"--older-than: expected a whole number of days from 1 to {MOST_DAYS}, got {text[:50]!r}.")
    return int(text)
