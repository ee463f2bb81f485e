"""The commands of `manage.py` in the documents, but those of the tutorial and the guides, are commands of the chat."""

import pytest

from channels_socketio.tests.support.commands import Command, django_commands
from channels_socketio.tests.support.django_command import parse
from channels_socketio.tests.support.documents import is_guide, pages

COMMANDS = [command for page in pages() if not is_guide(page) for command in django_commands(page)]


def test_commands_were_found() -> None:
    assert len(COMMANDS) > 3


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_the_documents_is_there(command: Command) -> None:
    parse(*command.words[2:])
