"""Has Django parse a command of `manage.py`."""

from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand, CommandError


def parse(name: str, *words: str) -> None:
    """Raise CommandError for a command that is none, and exit for an option that is none."""
    app = get_commands().get(name)
    if app is None:
        raise CommandError(f"expected a command, got {name}")
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    command.create_parser("manage.py", name).parse_args([word for word in words if word != "--help"])
