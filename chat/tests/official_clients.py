"""Official Socket.IO clients as programs and pages, each going through one scenario and reporting part by part.

The scenarios are in chat/tests/node/conversation.js and, for the Python client, in python_client.py.
"""

import importlib.util
import json
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from channels_socketio.tests.support.processes import NODE_MODULES, Process, require, require_node
from chat.tests.site import Site

PROGRAMS = Path(__file__).parent / "node"
PACKAGES = {
    "4.8": "socket.io-client",
    "4.0": "socket.io-client-4.0",
    "3.1": "socket.io-client-3.1",
    "2.5": "socket.io-client-2.5",
    "1.7": "socket.io-client-1.7",
}
START = """([scenario, url]) => {
  window.lines = [];
  void perform(scenario, io, url, {}, (line) => lines.push(line));
}"""
GREETING = "Grüß Gott 😀 "
NO_COOKIE, FORGED = "", "sessionid=abcdefghijklmnopqrstuvwxyz012345"
SECONDS = 60.0

Line = dict[str, Any]


class Run(Protocol):
    """A client on its way through a scenario."""

    def lines(self) -> list[Line]:
        """Return what it has reported so far; fail when it has broken down."""

    def stop(self) -> None:
        """End it."""


class Program:
    """A client that is a program of its own."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.process = Process(command, log)
        self.process.start()

    def lines(self) -> list[Line]:
        """Return the JSON in the output."""
        popen = self.process.popen
        ended = popen is not None and popen.poll() is not None
        output = self.process.output()
        found = [json.loads(line) for line in output.splitlines(keepends=True) if is_report(line)]
        if ended and {"scenario": "end"} not in found:
            pytest.fail(f"the client broke down: {output}")
        return found

    def stop(self) -> None:
        """End the program."""
        self.process.stop()


class BrowserTab:
    """A client in a page of a browser."""

    def __init__(self, context: Any, page: Any) -> None:
        self.context, self.page = context, page
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(error.message))

    def lines(self) -> list[Line]:
        """Return what the page has noted."""
        if self.errors:
            pytest.fail(f"the page had errors: {self.errors}")
        return list(json.loads(self.page.evaluate("JSON.stringify(lines)")))

    def stop(self) -> None:
        """Close the page and forget its cookies."""
        self.context.close()


class Clients:
    """Starts clients by name: `node-4.8`, `chromium-1.7`, `python-sync` and so on. A `with` block ends those in it."""

    def __init__(self, folder: Path, browser: Callable[[], Any]) -> None:
        self.folder, self._browser = folder, browser
        self._count = 0
        self._runs: list[Run] = []

    def start(self, name: str, site: Site, scenario: str, cookie: str | None = None) -> Run:
        """Send a client into a scenario: as a new visitor, unless it shall have another cookie header or none."""
        kind, version = name.split("-")
        start = {"node": self._node, "chromium": self._chromium, "python": self._python}[kind]
        run = start(version, site, scenario, cookie)
        self._runs.append(run)
        return run

    def __enter__(self) -> "Clients":
        return self

    def __exit__(self, *details: object) -> None:
        while self._runs:
            self._runs.pop().stop()

    def _node(self, version: str, site: Site, scenario: str, cookie: str | None) -> Run:
        package = package_of(version)
        return self._program([require_node(), str(PROGRAMS / "client.cjs"), package], site, scenario, cookie)

    def _python(self, kind: str, site: Site, scenario: str, cookie: str | None) -> Run:
        for module in ("socketio", "aiohttp", "requests", "websocket"):
            require(importlib.util.find_spec(module) is not None, f"the package {module}")
        command = [sys.executable, "-m", "chat.tests.python_client", kind]
        return self._program(command, site, scenario, cookie)

    def _program(self, command: list[str], site: Site, scenario: str, cookie: str | None) -> Run:
        self._count += 1
        header = f"sessionid={site.new_cookie()}" if cookie is None else cookie
        return Program([*command, site.url, scenario, header], self.folder / f"client-{self._count}.log")

    def _chromium(self, version: str, site: Site, scenario: str, cookie: str | None) -> Run:
        package = package_of(version)
        context = self._browser().new_context(bypass_csp=True)
        page = context.new_page()
        tab = BrowserTab(context, page)
        if cookie is None:
            page.goto(f"{site.url}/")  # which gives the cookie
        elif cookie:
            name, value = cookie.split("=")
            context.add_cookies([{"name": name, "value": value, "url": site.url}])
        page.goto(f"{site.url}/healthz")  # a page of this origin without a client of its own
        page.add_script_tag(path=NODE_MODULES / package / "dist" / "socket.io.js")
        page.add_script_tag(path=PROGRAMS / "conversation.js")
        page.evaluate(START, [scenario, site.url])
        return tab


class Host:
    """A visitor in the lobby who answers everybody who says hello, in a thread of its own."""

    def __init__(self, site: Site) -> None:
        headers = {"Cookie": f"sessionid={site.new_cookie()}"}
        url = f"{site.ws_url}/socket.io/?EIO=4&transport=websocket"
        self._connecting = connect(url, additional_headers=headers)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> "Host":
        self._websocket = self._connecting.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._connecting.__exit__(None, None, None)
        self._thread.join()

    def _serve(self) -> None:
        self._websocket.send("40")
        with suppress(ConnectionClosed):
            for frame in self._websocket:
                if frame == "2":
                    self._websocket.send("3")
                elif str(frame).startswith('42["new chat"'):
                    self._hear(json.loads(frame[2:])[1]["text"])

    def _hear(self, text: str) -> None:
        if text.startswith("Hello host"):
            self._websocket.send(f"42{json.dumps(['send chat', {'msg': GREETING + text}])}")


def is_report(line: str) -> bool:
    """Return whether a line of output is complete and one of a client's reports."""
    return line.startswith("{") and line.endswith("}\n")


def package_of(version: str) -> str:
    """Return the name under which a version of the JavaScript client is installed."""
    package = PACKAGES[version]
    require((NODE_MODULES / package).is_dir(), "the clients from npm")
    return package


def wait_for(run: Run, scenario: str, count: int = 1) -> list[Line]:
    """Wait until a client has made `count` reports of a part, and return all its reports."""
    deadline = time.monotonic() + SECONDS
    while True:
        lines = run.lines()
        if [line["scenario"] for line in lines].count(scenario) >= count:
            return lines
        if time.monotonic() > deadline:
            pytest.fail(f"waited {SECONDS:g} s in vain for the client to report {scenario!r}: {lines}")
        time.sleep(0.05)
