"""The works whose instructions are counted."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from bench.chat import Chat
from bench.instructions import CROWD, WORKS


@pytest.fixture(scope="module")
def chat() -> Iterator[Chat]:
    """A chat with a database of its own."""
    chat = Chat(core=None, heartbeat=25)
    chat.prepare()
    yield chat
    chat.close()


def run(*arguments: str, chat: Chat, keys: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the command without valgrind."""
    command = [sys.executable, "-m", "bench.instructions", *arguments]
    return subprocess.run(command, env=chat.environment, input=keys, capture_output=True, text=True)


@pytest.mark.parametrize("name", WORKS)
def test_each_work_is_done(chat: Chat, name: str) -> None:
    keys = "\n".join(cookie.partition("=")[2] for cookie in chat.cookies(CROWD + 2))
    done = run("--work", name, "2", chat=chat, keys=keys)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_work_is_named(chat: Chat) -> None:
    done = run("message", "nothing", chat=chat)
    assert done.returncode == 2
    assert done.stderr.endswith("error: expected some of message, delivery, handshake, got nothing\n")
