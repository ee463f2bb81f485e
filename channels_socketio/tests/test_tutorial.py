"""The tutorial's page in two real browsers, served by the development server."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.browser import Page, chromium
from channels_socketio.tests.support.documents import TUTORIAL, files
from channels_socketio.tests.support.processes import ROOT, Process, accepts_connections, free_port, wait_until

NEW_USERS = """
import django

django.setup()
from django.contrib.auth.models import User

for name in ("ada", "bob"):
    User.objects.create_user(name, password="tea for two")
"""

page = pytest.fixture(scope="module")(chromium)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the site of the tutorial is served."""
    folder = tmp_path_factory.mktemp("tutorial")
    env = {"PYTHONPATH": f"{folder}:{ROOT}", "DJANGO_SETTINGS_MODULE": "mysite.settings"}
    run = [sys.executable, "manage.py"]
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", str(folder)], check=True)
    for file in files(TUTORIAL):
        file.write(folder)
    subprocess.run([*run, "migrate", "--verbosity", "0"], cwd=folder, env=os.environ | env, check=True)
    subprocess.run([sys.executable, "-c", NEW_USERS], cwd=folder, env=os.environ | env, check=True)
    port = free_port()
    command = [sys.executable, str(folder / "manage.py"), "runserver", "--noreload", f"127.0.0.1:{port}"]
    process = Process(command, folder / "server.log", env)
    process.start()
    wait_until(lambda: accepts_connections(port), "it listened", 30)
    yield f"http://127.0.0.1:{port}/"
    process.kill()


def log_in(page: Page, address: str, name: str) -> Page:
    """Log in; return the page of the chat, once it is connected."""
    page.goto(address)
    page.fill("[name=username]", name)
    page.fill("[name=password]", "tea for two")
    page.click("button")
    page.wait_for_function("document.getElementById('state').textContent === 'Connected.'")
    return page


def say(page: Page, text: str) -> None:
    """Write a line."""
    page.fill("#text", text)
    page.press("#text", "Enter")


def test_two_browsers_talk_and_a_log_out_ends_the_other_tab(page: Page, address: str) -> None:
    browser = page.context.browser
    assert browser is not None
    with browser.new_context() as adas, browser.new_context() as bobs:
        ada, bob = log_in(adas.new_page(), address, "ada"), log_in(bobs.new_page(), address, "bob")
        say(ada, "Hello!")
        say(bob, "Tea?")
        for each in (ada, bob):
            each.wait_for_function("document.querySelectorAll('#lines li').length === 2")
            assert sorted(each.locator("#lines li").all_inner_texts()) == ["ada: Hello!", "bob: Tea?"]
        say(ada, "")
        ada.wait_for_function("document.getElementById('state').textContent.includes('length >= 1')")

        other_tab = adas.new_page()
        other_tab.goto(address)
        other_tab.click("#log-out")
        ada.wait_for_function("document.getElementById('state').textContent === 'You have logged out.'")
        assert bob.evaluate("[chat.connected, document.getElementById('state').textContent]") == [True, "Connected."]
