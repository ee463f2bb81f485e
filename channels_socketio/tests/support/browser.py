"""A page in a real browser that has the client shim, and servers for it.

A module that imports this is skipped where Playwright is missing.
"""

import importlib.util
import json
import os
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from channels_socketio.tests.support.processes import Process, free_port, require, require_node, wait_until

if importlib.util.find_spec("playwright") is None and os.environ.get("CI") != "true":
    pytest.skip("needs Playwright; script/test installs it", allow_module_level=True)

from playwright.sync_api import Error, Page, WebSocket, sync_playwright

__all__ = [
    "SERVERS",
    "WELCOME",
    "BrowserTab",
    "Error",
    "NodeServer",
    "Page",
    "Script",
    "chromium",
    "new_tab",
    "running",
]

WELCOME = '40{"sid":"x"}'
PROGRAMS = Path(__file__).parents[1] / "node"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]

# What the cases below use inside the page. `fast` makes reconnection quick enough for a test.
HARNESS = """{
  window.fast = {reconnectionDelay: 20, reconnectionDelayMax: 50};
  window.next = (target, event) => new Promise((resolve) => target.once(event, (...args) => resolve(args)));
  window.note = (target, ...events) => {
    const notes = [];
    for (const event of events) target.on(event, (...args) => notes.push([event, ...args]));
    return notes;
  };
  // Makes ArrayBuffers, and only them, visible from outside.
  window.show = (value) => JSON.parse(JSON.stringify(value, (key, part) => {
    return part instanceof ArrayBuffer ? {bytes: [...new Uint8Array(part)]} : part;
  }));
  const {setTimeout, clearTimeout} = window; // as they are now: a case may replace them
  // From now on the timers that wait.
  window.watchTimers = () => {
    const timers = new Set();
    window.setTimeout = (callback, delay) => {
      const timer = setTimeout(() => { timers.delete(timer); callback(); }, delay);
      timers.add(timer);
      return timer;
    };
    window.clearTimeout = (timer) => { timers.delete(timer); clearTimeout(timer); };
    return timers;
  };
  window.within = (seconds, promise) => Promise.race([promise, new Promise((resolve, reject) => {
    setTimeout(reject, seconds * 1000, new Error(`waited ${seconds} s in vain`));
  })]);
}"""


class NodeServer:
    """A program of `tests/node`, in a process of its own, always on the same port."""

    def __init__(self, program: str, folder: Path, *arguments: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [require_node(), str(PROGRAMS / program), str(port), *arguments]
        self.process = Process(command, folder / f"{program}.log")

    def start(self) -> "NodeServer":
        """Start it and wait until it answers."""
        self.process.start()
        wait_until(self._answers, f"the server answered: {self.process.output()}")
        return self

    def stop(self) -> None:
        """Stop it; all of its connections end."""
        self.process.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=2) as response:
                return bool(response.status == 200)
        except OSError:
            return False


class BrowserTab:
    """A page of a server, loaded anew, with the client in it. `errors` has what nobody caught."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.errors: list[str] = []
        self.websockets: list[str] = []
        page.on("pageerror", self._note_error)
        page.on("websocket", self._note_websocket)
        page.goto(url)

    def close(self) -> None:
        """Leave the page, so that its sockets end, and note no more."""
        self.page.goto("about:blank")
        self.page.remove_listener("pageerror", self._note_error)
        self.page.remove_listener("websocket", self._note_websocket)

    def run(self, body: str, argument: Any = None, seconds: float = 10) -> Any:
        """Run the body of an async function (of `arg`) in the page and return what it returns."""
        return self.page.evaluate(f"(arg) => within({seconds}, (async () => {{ {body} }})())", argument)

    def _note_error(self, error: Error) -> None:
        self.errors.append(error.message)

    def _note_websocket(self, websocket: WebSocket) -> None:
        self.websockets.append(websocket.url)


class Script:
    """What the server shall say to one test, and what it has heard in it."""

    def __init__(self, wire: NodeServer, path: str) -> None:
        self.url, self.path = wire.url, path

    def options(self, answers: dict[str, list[Any]] | None = None, **query: Any) -> dict[str, Any]:
        """Return the options for `io`: a path of the test's own and what the server shall answer."""
        return {"path": self.path, "query": {"answers": json.dumps(answers or {"40": [WELCOME]})} | query}

    def connections(self) -> list[list[Any]]:
        """Return the frames of each connection of this test."""
        with urllib.request.urlopen(f"{self.url}/seen", timeout=5) as response:
            return [frames for path, *frames in json.load(response) if path == f"{self.path}/"]

    def heard(self) -> list[Any]:
        """Return the frames of the only connection of this test."""
        (frames,) = self.connections()
        return frames

    def expect(self, *frames: Any) -> None:
        """Wait until as many frames have come, and check that they are these."""
        wait_until(lambda: len(self.heard()) >= len(frames), f"{len(frames)} frames had come")
        assert self.heard() == list(frames)


def chromium() -> Iterator[Page]:
    """Run Chromium with one page, as a new one for each test takes long; the body of a fixture."""
    path = shutil.which("chromium")
    require(path is not None, "Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        page = browser.new_page()
        page.add_init_script(HARNESS)
        yield page
        browser.close()


def new_tab(page: Page, url: str) -> Iterator[BrowserTab]:
    """Open a tab, and fail when it had an error; the body of a fixture."""
    tab = BrowserTab(page, url)
    yield tab
    tab.close()
    assert tab.errors == []


def running(make: Callable[[Path], NodeServer], folder: Path) -> Iterator[NodeServer]:
    """Start and stop a server; the body of a fixture."""
    server = make(folder).start()
    yield server
    server.stop()


# Servers that behave as the head of `node/socketio_server.cjs` says.
SERVERS: dict[str, Callable[[Path], NodeServer]] = {
    "node": lambda folder: NodeServer("socketio_server.cjs", folder),
}
