"""Posting from outside the server: `manage.py say TEXT [--room SLUG] [--as NAME]`."""

import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from channels_socketio import Refused
from chat.rooms import LOBBY, SLUG
from chat.services import Draft, clean_text, post
from chat.users import is_number

LONGEST_NAME = 150  # as that of a Django user
DEFAULT_NAME = "server"


class Command(BaseCommand):
    """Stores a message and has it delivered to every live client; nobody's login session is behind it."""

    help = "Posts a message to a room of the chat."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("text", metavar="TEXT")
        parser.add_argument("--room", default=LOBBY, metavar="SLUG", help="default: the lobby")
        parser.add_argument("--as", default=DEFAULT_NAME, dest="name", metavar="NAME", help="default: %(default)s")

    def handle(self, *args: Any, text: str, room: str, name: str, **options: Any) -> None:
        """Post and say under which number."""
        draft = Draft(checked_room(room), checked_name(name), checked("TEXT", text))
        try:
            receipt = post(draft)
        except Refused as refused:
            raise CommandError(refused.message) from None
        except DatabaseError as error:
            raise CommandError(f"The message was not stored: {error}") from error
        self.stdout.write(f"Stored as message {receipt.seq} of {room}.")


def checked(what: str, text: str) -> str:
    """Return what may be said, trimmed; raises CommandError."""
    try:
        return clean_text(text)
    except ValueError as error:
        raise CommandError(f"{what}: {error}.") from None


def checked_room(slug: str) -> str:
    """Return the slug of a room; raises CommandError."""
    if not re.fullmatch(SLUG, slug):
        raise CommandError(f"--room: expected 1 to 50 of a-z, 0-9 and the hyphen, got {slug!r}.")
    return slug


def checked_name(name: str) -> str:
    """Return a name that is no guest's; raises CommandError."""
    name = checked("--as", name)
    if len(name) > LONGEST_NAME:
        raise CommandError(f"--as: expected at most {LONGEST_NAME} characters, got {len(name)}.")
    if is_number(name):
        raise CommandError(f"--as: expected a name that is not all digits, as those of guests are, got {name!r}.")
    return name
