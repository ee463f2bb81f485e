"""The package as its users get it: built, looked at, installed into fresh environments, used as in the tutorial."""

import email
import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import NamedTuple

import pytest
import requests
import yaml

from channels_socketio.tests.support.documents import TUTORIAL, files
from channels_socketio.tests.support.log_site import OfficialClient
from channels_socketio.tests.support.processes import ROOT, Process, accepts_connections, free_port, wait_until
from channels_socketio.tests.support.pythons import pythons

OURS = {"DJANGO_SETTINGS_MODULE", "PYTHONPATH", "VIRTUAL_ENV"}  # in the environment, and not for the new site
PRODUCTION = """
import os

if "PRODUCTION" in os.environ:
    DEBUG, ALLOWED_HOSTS = False, ["127.0.0.1"]
"""
NEW_USER = """
import django

django.setup()
from django.contrib.auth.models import User

User.objects.create_superuser("ada", password="tea for two")
"""
TRANSPORTS = ("websocket", "polling", "polling+websocket")


def run(*command: str, folder: Path = ROOT, **env: str) -> str:
    """Run a command and return what it prints; its failure is the test's."""
    clean = {name: value for name, value in os.environ.items() if name not in OURS}
    done = subprocess.run(command, cwd=folder, env=clean | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(folder: Path) -> Path:
    """Return a wheel that was built just now."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(folder), str(ROOT))
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built."""
    return build(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> Message:
    """What the package says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("METADATA")]
        return email.message_from_bytes(archive.read(name))


def test_it_holds_the_library_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    tracked = run("git", "ls-files", "channels_socketio").split()
    wanted = {name for name in tracked if "/tests/" not in name and not name.endswith("pytest.ini")}
    assert {name for name in names if ".dist-info/" not in name} == wanted
    assert {"channels_socketio/py.typed", "channels_socketio/static/socket.io/socket.io.js"} <= wanted


def test_two_builds_are_the_same(wheel: Path, tmp_path: Path) -> None:
    assert hashlib.sha256(build(tmp_path).read_bytes()).digest() == hashlib.sha256(wheel.read_bytes()).digest()


def test_the_index_would_take_it(wheel: Path) -> None:
    assert "PASSED" in run(sys.executable, "-m", "twine", "check", "--strict", str(wheel))


def test_the_release_script_builds_what_can_be_built_again(tmp_path: Path) -> None:
    said = run("script/release", str(tmp_path / "dist"), VIRTUAL_ENV=sys.prefix)
    assert sorted(path.suffix for path in (tmp_path / "dist").iterdir()) == [".gz", ".whl"]
    assert all(path.name in said for path in (tmp_path / "dist").iterdir())


def test_it_says_what_it_needs_and_whom_it_is_for(metadata: Message) -> None:
    needs = metadata.get_all("Requires-Dist", [])
    assert {re.split(r"[<>=~ ;]", need)[0] for need in needs if "extra ==" not in need} == {
        "django",
        "channels",
        "msgspec",
    }
    assert set(metadata.get_all("Provides-Extra", [])) == {"daphne", "redis", "serve"}
    assert "Typing :: Typed" in metadata.get_all("Classifier", [])
    assert metadata["License-Expression"] == "MIT"


def test_the_workflow_of_a_release_runs_scripts_that_are_there() -> None:
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert commands == ["script/release dist"]
    assert os.access(ROOT / commands[0].split()[0], os.X_OK)
    assert jobs["publish"]["needs"] == "build"


def test_the_changelog_begins_with_this_version(metadata: Message) -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in (metadata["Version"], "Unreleased")
    assert metadata["Version"] in headings


PYTHONS_HERE = pythons()


class Site(NamedTuple):
    """A new Django project in an environment with the package: its folder, and its Python."""

    folder: Path
    python: str

    def run(self, *arguments: str) -> str:
        """Run the project's Python; warnings are errors."""
        return run(self.python, "-W", "error", *arguments, folder=self.folder, DJANGO_SETTINGS_MODULE="mysite.settings")


@pytest.fixture(scope="module", params=[*PYTHONS_HERE.values()], ids=[*PYTHONS_HERE])
def site(request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A new project with the tutorial's code where the tutorial puts it, on each Python that is here."""
    folder = tmp_path_factory.mktemp("site")
    uv = [sys.executable, "-m", "uv"]
    python = str(folder / "venv" / "bin" / "python")
    run(*uv, "venv", "--quiet", "--no-python-downloads", "--python", request.param, str(folder / "venv"))
    run(*uv, "pip", "install", "--quiet", "--python", python, f"channels-socketio[daphne,serve] @ {wheel.as_uri()}")
    run(python, "-m", "django", "startproject", "mysite", ".", folder=folder)
    for file in files(TUTORIAL):
        file.write(folder)
    settings = folder / "mysite" / "settings.py"
    settings.write_text(settings.read_text() + PRODUCTION)
    made = Site(folder, python)
    made.run("manage.py", "check")
    made.run("manage.py", "migrate", "--verbosity", "0")
    made.run("-c", NEW_USER)
    return made


@pytest.fixture(params=["runserver", "serve"])
def port(request: pytest.FixtureRequest, site: Site) -> Iterator[int]:
    """The port at which the project is served, as the documents say."""
    port = free_port()
    command = [site.python, str(site.folder / "manage.py"), request.param]
    command += ["--bind", f"127.0.0.1:{port}"] if request.param == "serve" else ["--noreload", f"127.0.0.1:{port}"]
    env = {"PYTHONPATH": "", "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    process = Process(command, site.folder / "server.log", env | ({"PRODUCTION": "1"} if "serve" in command else {}))
    process.start()
    try:
        wait_until(lambda: accepts_connections(port), f"it listened: {process.output()}", 30)
        yield port
    finally:
        process.stop()
    assert "Traceback" not in process.output()


def post(browser: requests.Session, url: str, **data: str) -> None:
    """Post a form with Django's token."""
    token = browser.cookies.get("csrftoken") or ""
    browser.post(url, data | {"csrfmiddlewaretoken": token}, headers={"Referer": url}, timeout=10).raise_for_status()


async def test_the_site_of_the_tutorial_serves_official_clients_until_log_out(site: Site, port: int) -> None:
    address = f"http://127.0.0.1:{port}"
    with requests.Session() as browser:
        log_in = browser.get(f"{address}/", timeout=10)
        assert log_in.url == f"{address}/accounts/login/?next=/"
        post(browser, log_in.url, username="ada", password="tea for two")
        assert "You are ada." in browser.get(f"{address}/", timeout=10).text
        assert b"var io" in browser.get(f"{address}/socket.io/socket.io.js", timeout=10).content
        cookie = f"sessionid={browser.cookies['sessionid']}"
        for transport in TRANSPORTS:
            async with OfficialClient(port, transport, "/chat", cookie) as client:
                await client.connected()
                client.tell(json.dumps(["say", {"text": "hello"}]))
                assert await client.next() == ["said", {"name": "ada", "text": "hello"}]
        async with OfficialClient(port, "websocket", "/chat", cookie) as client:
            await client.connected()
            post(browser, f"{address}/accounts/logout/")
            assert await client.next() == [
                "session ended",
                {"reason": "logged out", "message": "You have logged out."},
            ]
            assert await client.next() == ["disconnect", "io server disconnect"]
    refused = requests.get(f"{address}/socket.io/?EIO=4&transport=polling", timeout=10)
    assert (refused.status_code, refused.json()["message"]) == (403, "No cookie transmitted.")


def test_the_package_of_the_environment_was_used(site: Site) -> None:
    place = site.run("-c", "import channels_socketio; print(channels_socketio.__file__)")
    assert place.startswith(str(site.folder / "venv"))
