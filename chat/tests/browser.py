"""A real browser for tests of the page. A module that imports this is skipped where Playwright is missing."""

import importlib.util
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from channels_socketio.tests.support.processes import require
from chat.tests.site import Site

if importlib.util.find_spec("playwright") is None and os.environ.get("CI") != "true":
    pytest.skip("needs Playwright; script/test installs it", allow_module_level=True)

from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Dialog,
    Locator,
    Page,
    Route,
    WebSocketRoute,
    expect,
    sync_playwright,
)

__all__ = [
    "PLAIN_HOST",
    "Browser",
    "Come",
    "Locator",
    "Page",
    "Route",
    "Visitor",
    "WebSocketRoute",
    "chromium",
    "expect",
    "expect_state",
    "visitors",
]

# A name for this machine that is not "localhost", so that http is no secure context.
PLAIN_HOST = "chat.test"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1",
]

SECONDS = 15  # that a condition may take on a busy machine


def chromium() -> Iterator[Browser]:
    """Run Chromium; the body of a fixture."""
    path = shutil.which("chromium")
    require(path is not None, "Chromium")
    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        browser.close()


class Visitor:
    """One person at one page of the chat. `complaints` has what the browser had to report about it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        self.status = page.get_by_role("status")
        self.log = page.get_by_role("log")
        self.messages = self.log.get_by_role("listitem")
        self.input = page.get_by_label("Message", exact=True)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", self._dismiss)
        page.on("console", self._note)

    def visit(self, path: str = "/") -> "Visitor":
        """Open the page and wait until its socket is connected and named."""
        self.page.goto(self.url + path)
        return self.is_connected()

    def is_connected(self) -> "Visitor":
        """Wait until the socket is connected and named."""
        expect(self.status).to_have_text("Connected", timeout=2 * SECONDS * 1000)
        expect(self.page.locator("#name")).not_to_be_empty()
        return self

    def is_offline(self) -> None:
        """Wait until the page says that it has lost the server and looks for it."""
        expect(self.status).to_contain_text("reconnecting")

    def second_tab(self) -> "Visitor":
        """Open the chat in another tab of the same browser."""
        return Visitor(self.page.context.new_page(), self.url).visit(urlsplit(self.page.url).path)

    @property
    def name(self) -> str:
        """The name on the page."""
        return self.page.locator("#name").inner_text()

    def type(self, text: str) -> None:
        """Write a text without sending it."""
        self.input.fill(text)

    def say(self, text: str) -> Locator:
        """Write a text, send it with Enter and return its message."""
        self.type(text)
        self.input.press("Enter")
        return self.messages.last

    def message(self, text: str) -> Locator:
        """The message with exactly this text."""
        return self.messages.filter(has=self.page.get_by_text(text, exact=True))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()


Come = Callable[..., Visitor]


def visitors(browser: Browser, name: str) -> Iterator[Come]:
    """Let new visitors, with cookies of their own, come to the room of the test `name`, unless told otherwise.

    The body of a fixture: afterwards all leave.
    """
    contexts = []
    own_room = f"/rooms/test-{zlib.crc32(name.encode())}/"

    def new_visitor(site: Site, path: str = own_room, url: str = "", **options: Any) -> Visitor:
        context = browser.new_context(**options)
        contexts.append(context)
        return Visitor(context.new_page(), url or site.url).visit(path)

    yield new_visitor
    for context in contexts:
        context.close()


def expect_state(message: Locator, state: str) -> None:
    """Wait until the message says what has become of it: Sending…, Sent or Not sent."""
    expect(message.locator(".state")).to_have_text(state)
