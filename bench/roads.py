"""How long is the road through the project's own code? `python -m bench.roads` counts files and calls.

The roads, each with a guest's login session, SQLite, the in-memory layer, limits on, and a server that takes ready
frames:

- send chat: from the frame with a message that is to be acked, to the frame with `new chat` for another browser. That
  browser came first, so it is the first to get the message. The writer's thread and the database are on the road.
- handshake: from the request of a WebSocket to the frame with `welcome`; the client joins as soon as it may.
- log-out: from Django's `logout` of a request, to the close of the WebSocket behind `session ended`. `logout` runs in
  the thread of its request, and to its end, before the event loop goes on.
- reconnect: from the request of a client that missed one message, to the frame with that message.

Each is taken twice, and the second time counts: caches are filled by then. `recorder` says which calls count. The clock
of timers and timeouts stands still all the time. So presence, heartbeats and what else is due now and then are on no
road, and the numbers are the same every time. A handshake's depend on how many messages the room has: four here, read
from the database, because nobody else is there.
"""

import argparse
import asyncio
import faulthandler
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bench.chat import LimitedChat
from bench.recorder import Recorder, Road
from channels_socketio.testing import SocketIOCommunicator

# The most files and calls that a road may take; a change that makes one shorter lowers its ceiling.
CEILINGS = {"send chat": (20, 120), "handshake": (46, 318), "log-out": (20, 79), "reconnect": (44, 247)}
PATIENCE = 60.0
QUIET_SECONDS = 0.3  # without a call, until what was begun before counts as done
COOKIES = 20
FRAMES = "channels_socketio.frames"  # the extension of a server that takes ready frames
SHORT, LONG = 126, 127  # RFC 6455 section 5.2: the lengths of a frame that say where its length is
HEADERS = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1")]


class Browser(SocketIOCommunicator):
    """A test client whose server takes ready frames: a FrameStream. `arrived` is called with all that is written."""

    def __init__(self, application: Any, key: str) -> None:
        super().__init__(application, cookies={"sessionid": key}, headers=HEADERS)
        scope: Any = self.scope
        scope |= {"extensions": {FRAMES: self}, "client": ("127.0.0.1", 40_000)}
        self.key = key
        self.arrived: Callable[[bytes], None] = lambda frames: None
        self.take: Callable[[Any], None] | None = None
        self.count: Callable[[int], bool] | None = None

    async def send_input(self, message: Any) -> None:
        """Part of asgiref's class. A server's events come from the loop, not from a client."""
        if self.take is None:
            await super().send_input(message)
            return
        loop = asyncio.get_running_loop()
        if self.count is not None and message["type"] == "websocket.receive":
            loop.call_soon(self.count, 1)
        loop.call_soon(self.take, message)

    def write_frames(self, frames: bytes) -> None:
        """See FrameStream."""
        self.arrived(frames)
        for text in decode_frames(frames):
            self.output_queue.put_nowait({"type": "websocket.send", "text": text})

    def count_with(self, count: Callable[[int], bool]) -> None:
        """See FrameStream."""
        self.count = count

    def hand_over(self, take: Callable[[Any], None]) -> Callable[[bytes], None]:
        """See FrameStream."""
        self.take = take
        return self.write_frames

    def pause(self) -> None:
        """See FrameStream."""

    def resume(self) -> None:
        """See FrameStream."""

    def close_frames(self, code: int, reason: str) -> None:
        """See FrameStream."""
        self.arrived(f"closed: {reason}".encode())

    async def enter(self, auth: Any = None) -> dict[str, Any]:
        """Open the WebSocket and join the lobby; return the answer."""
        assert await self.connect() == (True, None)
        return await self.join(auth=auth)

    async def say(self, text: str) -> None:
        """Have a message stored."""
        assert (await self.call("send chat", {"msg": text}))["ok"]

    async def leave(self) -> None:
        """Close the browser."""
        await self.send_input({"type": "websocket.disconnect", "code": 1001})


class Roads:
    """Takes the roads of one application, with new login sessions all the time, whose `keys` are given."""

    def __init__(self, recorder: Recorder, application: Any, keys: Iterator[str]) -> None:
        self._recorder, self._application, self._keys = recorder, application, keys
        self._request_thread = ThreadPoolExecutor(1)

    async def send_chat(self) -> None:
        """A message gets from one browser to another."""
        listener, speaker = [await self._visit(), await self._visit()]
        await speaker.say("the first")
        await self._record(listener, b"the second", lambda: speaker.say("the second"))
        await listener.leave()
        await speaker.leave()

    async def handshake(self) -> None:
        """A browser comes."""
        browser = self._browser(next(self._keys))
        await self._record(browser, b'"welcome"', browser.enter)
        await browser.leave()

    async def log_out(self) -> None:
        """A login session ends."""
        browser = await self._visit()
        request = await asyncio.wrap_future(self._request_thread.submit(new_request, browser.key))
        await self._record(browser, b"closed: ", lambda: self._log_out(request))

    async def reconnect(self) -> None:
        """A browser comes back after it missed a message."""
        browser, speaker = self._browser(next(self._keys)), await self._visit()
        answer = await browser.enter()
        await speaker.say("heard")
        while (event := await browser.receive_event())[0] != "new chat" or event[1]["text"] != "heard":
            pass
        await browser.leave()
        await self._settle()
        await speaker.say("missed")
        again = self._browser(browser.key)
        claim = {"pid": answer["pid"], "offset": event[-1]}
        await self._record(again, b"missed", lambda: again.enter(claim))
        assert again.sids["/"] == answer["sid"]
        await again.leave()
        await speaker.leave()

    def close(self) -> None:
        """End the thread of requests."""
        from django.db import connections

        self._request_thread.submit(connections.close_all).result()
        self._request_thread.shutdown()

    def _browser(self, key: str) -> Browser:
        return Browser(self._application, key)

    async def _visit(self) -> Browser:
        browser = self._browser(next(self._keys))
        await browser.enter()
        return browser

    async def _log_out(self, request: Any) -> None:
        from django.contrib.auth import logout

        self._request_thread.submit(logout, request).result()  # the loop waits, so that the order is always the same

    async def _record(self, browser: Browser, mark: bytes, act: Callable[[], Awaitable[Any]]) -> None:
        """Record what `act` leads to until `browser` is written something with `mark`."""
        done = asyncio.Event()

        def arrived(frames: bytes) -> None:
            if mark in frames:
                self._recorder.stop()
                done.set()

        await self._settle()
        browser.arrived = arrived
        self._recorder.start()
        await act()
        await done.wait()

    async def _settle(self) -> None:
        """Wait until nothing is under way."""
        while time.perf_counter() < self._recorder.last_call + QUIET_SECONDS:
            await asyncio.get_running_loop().run_in_executor(None, time.sleep, QUIET_SECONDS / 10)


def stop_clock() -> None:
    """Stop the clock of timers and timeouts; a process that does not end in time shows where it is, and ends."""
    now = time.monotonic()
    time.monotonic = lambda: now
    faulthandler.dump_traceback_later(PATIENCE, exit=True)


def new_request(key: str) -> Any:
    """Return a request with a login session that was read."""
    from importlib import import_module

    from django.conf import settings
    from django.http import HttpRequest

    request: Any = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    assert "name" in request.session
    return request


def decode_frames(frames: bytes) -> Iterator[str]:
    """Yield the texts of whole, unmasked text frames."""
    start = 0
    while start < len(frames):
        length, start = frames[start + 1], start + 2
        if (size := {SHORT: 2, LONG: 8}.get(length, 0)) > 0:
            length, start = int.from_bytes(frames[start : start + size], "big"), start + size
        yield frames[start : start + length].decode()
        start += length


async def take_roads(recorder: Recorder, application: Any, keys: Iterator[str]) -> list[Road]:
    """Take every road twice; return what was recorded the second time."""
    roads = Roads(recorder, application, keys)
    taken = []
    for name, take in zip(CEILINGS, (roads.send_chat, roads.handshake, roads.log_out, roads.reconnect), strict=True):
        await take()
        await take()
        taken.append(recorder.road(name))
    roads.close()
    return taken


def record_roads() -> list[Road]:
    """Take the roads of the chat in this process, over a database of their own."""
    chat = LimitedChat(core=None, heartbeat=25)
    chat.prepare()
    os.environ.update(chat.environment)
    keys = iter([cookie.partition("=")[2] for cookie in chat.cookies(COOKIES)])
    sys.setswitchinterval(1)  # threads take turns where they wait, which is always in the same places
    stop_clock()
    recorder = Recorder()
    recorder.install()
    from chatproject.asgi import application

    try:
        return asyncio.run(take_roads(recorder, application, keys))
    finally:
        recorder.remove()
        faulthandler.cancel_dump_traceback_later()
        chat.close()


def table(roads: Sequence[Road]) -> str:
    """Return how long the roads are, and what lies along each of them."""
    lines = ["| road | files | at most | calls | at most |", "|---|---:|---:|---:|---:|"]
    for road in roads:
        files, calls = CEILINGS[road.name]
        lines.append(f"| {road.name} | {len(road.files)} | {files} | {len(road.calls)} | {calls} |")
    for road in roads:
        lines += ["", f"| {road.name} | calls |", "|---|---:|"]
        lines += [f"| {file} | {calls} |" for file, calls in road.files.items()]
    return "\n".join(lines)


def call_list(road: Road) -> str:
    """Return the calls of a road, each indented below the one that led to it."""
    return "\n".join([road.name, *(f"{'  ' * call.depth}  {call.file} {call.function}" for call in road.calls)])


def main(arguments: Sequence[str] | None = None) -> None:
    """Record, print tables."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.roads", description="Count the project's files and calls between input and output."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write the numbers to")
    parser.add_argument("--calls", action="store_true", help="print the calls in order, indented")
    options = parser.parse_args(arguments)
    roads = record_roads()
    print(table(roads))
    if options.calls:
        print("", *map(call_list, roads), sep="\n\n")
    if options.json is not None:
        found = {road.name: {"files": road.files, "calls": len(road.calls)} for road in roads}
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
