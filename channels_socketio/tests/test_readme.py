"""What README.md says about a site of one's own, done step by step in a new Django project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from channels_socketio.tests.support.processes import ROOT

BLOCK = re.compile(r"^ *```python\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
HEADLINE = re.compile(r"# (\S+\.py)(, at its end)?\n")

# Runs inside the new project: somebody without a login session, then somebody with one.
VISIT = """
import asyncio
import django

django.setup()

from channels_socketio.testing import SocketIOCommunicator
from django.contrib.auth.models import User
from django.test import Client
from mysite.asgi import application


async def visit(cookies):
    stranger = SocketIOCommunicator(application)
    assert await stranger.connect() == (False, 1008)

    ada = SocketIOCommunicator(application, cookies=cookies)
    assert await ada.connect() == (True, None)
    assert "sid" in await ada.join("/pots/green")
    assert await ada.call("pour", 2, namespace="/pots/green") == "poured from the green pot"
    assert await ada.receive_event() == ["poured", {"by": "ada", "cups": 2}]
    refusal = await ada.call("pour", "many", namespace="/pots/green")
    assert (refusal["ok"], refusal["code"]) == (False, "invalid")
    await ada.disconnect()


client = Client(SERVER_NAME="localhost")
client.force_login(User.objects.create_user("ada"))
assert b"var io" in client.get("/socket.io/socket.io.js").content
asyncio.run(visit({"sessionid": client.cookies["sessionid"].value}))
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A new Django project with this app's folder in it and the README's code where the README puts it."""
    python(tmp_path, "-m", "django", "startproject", "mysite", ".")
    app = shutil.ignore_patterns("tests", "__pycache__")
    shutil.copytree(ROOT / "channels_socketio", tmp_path / "channels_socketio", ignore=app)
    for name, at_end, code in readme_files():
        path = tmp_path / name
        path.write_text(path.read_text() + code if at_end else code)
    return tmp_path


def readme_files() -> list[tuple[str, bool, str]]:
    """Return the README's Python: the file it belongs into, whether at its end, and the code."""
    files = []
    for block in BLOCK.findall((ROOT / "README.md").read_text()):
        code = dedent(block)
        headline = HEADLINE.match(code)
        assert headline is not None, f"expected the name of a file above {code[:80]!r}"
        files.append((headline[1], headline[2] is not None, code))
    return files


def python(folder: Path, *arguments: str) -> None:
    """Run Python in a folder; its failure is the test's."""
    command = [sys.executable, "-W", "error", *arguments]
    environment = {"DJANGO_SETTINGS_MODULE": "mysite.settings", "PYTHONPATH": str(folder)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_new_site_gets_its_own_consumer_by_the_steps_of_the_readme(project: Path) -> None:
    python(project, "manage.py", "check")
    python(project, "manage.py", "migrate", "--verbosity", "0")
    python(project, "-c", VISIT)
