"""The Python client as a program: python -m chat.tests.python_client sync|async URL SCENARIO [COOKIE]

It does what chat/tests/node/conversation.js does, three times at once in different modes, and prints the
same lines. COOKIE is the header: `name=value`.
"""

import asyncio
import json
import logging
import sys
import traceback
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import aiohttp
import requests
import socketio

MODES: dict[str, list[str] | None] = {"default": None, "polling": ["polling"], "websocket": ["websocket"]}
GREETING = "Grüß Gott 😀 "
BATCH = 10
LAST_WORDS = 40
PART_SECONDS = 20
RETURN_SECONDS = 60
REFUSED = {"/nowhere", "/locked"}

Report = Callable[[str, float, Callable[[], Awaitable[Any]]], Awaitable[None]]
Happened = tuple[str, str, list[Any]]  # namespace, event, arguments


class Log(logging.Handler):
    """The lines that the client logs about its transports."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.logger = logging.Logger("client")
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())

    def count(self, start: str) -> int:
        """Return how many lines begin with `start`."""
        return sum(line.startswith(start) for line in self.lines)


class Peer:
    """A client of either kind, whose methods are all coroutines."""

    def __init__(self, kind: str, cookie: str) -> None:
        self.log = Log()
        self.blocking = kind == "sync"
        self.http = http_session(cookie, self.blocking)
        make = socketio.Client if self.blocking else socketio.AsyncClient
        self.client = make(http_session=self.http, engineio_logger=self.log.logger)
        self.happened: list[Happened] = []
        self._loop = asyncio.get_running_loop()
        self._arrivals = asyncio.Condition()

    async def connect(self, url: str, transports: list[str] | None, namespaces: Sequence[str] = ("/",)) -> None:
        """Connect and note whatever happens in the namespaces."""
        for namespace in namespaces:
            for event in ("*", "connect", "disconnect", "connect_error"):
                self.client.on(event, self._listener(namespace, event), namespace=namespace)
        self.client.on("question", self._answer(), namespace="/lounge")
        options: dict[str, Any] = {} if transports is None else {"transports": transports}
        await self.run(self.client.connect, url, namespaces=list(namespaces), wait=False, **options)

    async def run(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a method of the client, which blocks or is a coroutine."""
        if self.blocking:
            return await asyncio.to_thread(function, *args, **kwargs)
        return await function(*args, **kwargs)

    async def ask(self, event: str, *args: Any, namespace: str = "/") -> list[Any]:
        """Send an event and return the arguments of its ack."""
        answer = await self.run(self.client.call, event, args, namespace=namespace)
        return list(answer) if isinstance(answer, tuple) else [] if answer is None else [answer]

    async def say(self, event: str, *args: Any, namespace: str = "/") -> None:
        """Send an event."""
        await self.run(self.client.emit, event, args, namespace=namespace)

    async def heard(self, event: str, namespace: str = "/", after: int = 0, text: str | None = None) -> list[Any]:
        """Wait for an event, behind the first `after` of all, and return its arguments; `text`: what it must say."""

        def found() -> list[Any] | None:
            for where, name, args in self.happened[after:]:
                if (where, name) == (namespace, event) and (text is None or args[0]["text"] == text):
                    return args
            return None

        async with self._arrivals:
            await self._arrivals.wait_for(lambda: found() is not None)
        return found() or []

    async def close(self) -> None:
        """Disconnect and let go of the HTTP session."""
        await self.run(self.client.disconnect)
        await self.run(self.http.close)

    def _listener(self, namespace: str, event: str) -> Any:
        def note(*args: Any) -> None:
            name, rest = (args[0], args[1:]) if event == "*" else (event, args)
            self._loop.call_soon_threadsafe(self._note, (namespace, name, list(rest)))

        async def note_async(*args: Any) -> None:
            note(*args)

        return note if self.blocking else note_async

    def _note(self, happened: Happened) -> None:
        self.happened.append(happened)
        self._tasks = asyncio.ensure_future(self._notify())

    async def _notify(self) -> None:
        async with self._arrivals:
            self._arrivals.notify_all()

    def _answer(self) -> Any:
        def answer(data: bytes) -> tuple[Any, ...]:
            return data, {"again": [data]}, "ünï 😀"

        async def answer_async(data: bytes) -> tuple[Any, ...]:
            return answer(data)

        return answer if self.blocking else answer_async


def http_session(cookie: str, blocking: bool) -> Any:
    """Return an HTTP session that sends the cookie with every request."""
    cookies = dict([cookie.split("=", 1)]) if cookie else {}
    if blocking:
        session = requests.Session()
        session.cookies.update(cookies)
        return session
    # Without `unsafe`, aiohttp has no cookies for a host that is an IP address.
    return aiohttp.ClientSession(cookies=cookies, cookie_jar=aiohttp.CookieJar(unsafe=True))


def shown(value: Any) -> Any:
    """Return a copy of `value` that JSON can show."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return value


class Conversation:
    """One client's way through all parts."""

    parts = ["connect", "burst", "transport", "chat", "refusedEvent", "binary", "question", "namespaces"]
    parts += ["kick", "heartbeat", "drop"]

    def __init__(self, peer: Peer, url: str, mode: str) -> None:
        self.peer, self.url, self.mode = peer, url, mode

    async def connect(self) -> Any:
        namespaces = ["/", "/lounge", "/bar", "/rooms/tea", *REFUSED]
        await self.peer.connect(self.url, MODES[self.mode], namespaces)
        for namespace in set(namespaces) - REFUSED:
            await self.peer.heard("connect", namespace)
        (welcome, *_) = await self.peer.heard("welcome")
        first = "polling" if self.peer.log.count("Attempting polling connection") else "websocket"
        return {"first": first, "name": welcome["name"], "room": welcome["room"]}

    async def burst(self) -> Any:
        sent, acked = 0, []
        for _ in range(3):
            numbers = range(sent, sent + BATCH)
            answers = await asyncio.gather(*(self.peer.ask("echo", i, namespace="/lounge") for i in numbers))
            acked += [answer[0] for answer in answers]
            sent += BATCH
        echoed = [args[0] for _, event, args in self.peer.happened if event == "echoed"]
        if self.peer.blocking:
            echoed.sort()  # this client gives each event to a thread of its own
        return {"sent": sent, "echoed": echoed, "acked": acked}

    async def transport(self) -> Any:
        return self.peer.client.transport()

    async def chat(self) -> Any:
        text = f"Hello host {uuid.uuid4()}, ünï 😀"
        (receipt,) = await self.peer.ask("send chat", {"msg": text})
        own, reply = (
            await self.peer.heard("new chat", text=text),
            await self.peer.heard("new chat", text=GREETING + text),
        )
        return {"text": text, "receipt": receipt, "own": own[0], "reply": reply[0]}

    async def refusedEvent(self) -> Any:
        (answer,) = await self.peer.ask("send chat", {"msg": ""})
        await self.peer.say("send chat")
        (event,) = await self.peer.heard("chat error")
        return {"answer": answer, "event": event}

    async def binary(self) -> Any:
        deep = {"list": [b"\xff\xfe", {"deep": b"\x00"}], "text": "ünï 😀", "none": None}
        sent = [b"\x00\x01\x7f\x80\xff\x0a\x0d\x1e", deep, b"", 7]
        before = len(self.peer.happened)
        ack = await self.peer.ask("echo", *sent, namespace="/lounge")
        event = await self.peer.heard("echoed", "/lounge", before)
        large = bytes(i % 251 for i in range(20000))
        (big,) = await self.peer.ask("echo", large, namespace="/lounge")
        return {"sent": shown(sent), "ack": shown(ack), "event": shown(event), "big": big == large}

    async def question(self) -> Any:
        return shown(await self.peer.ask("ask me", b"\x01\x02\x03", namespace="/lounge"))

    async def namespaces(self) -> Any:
        (welcome, *_) = await self.peer.heard("welcome", "/rooms/tea")
        text = f"Tea, {self.mode}"
        (receipt,) = await self.peer.ask("send chat", {"msg": text}, namespace="/rooms/tea")
        (heard, *_) = await self.peer.heard("new chat", "/rooms/tea", text=text)
        unknown, locked = [(await self.peer.heard("connect_error", where))[0] for where in ("/nowhere", "/locked")]
        leaked = [args[0]["text"] for where, event, args in self.peer.happened if (where, event) == ("/", "new chat")]
        return {
            "room": welcome["room"],
            "ok": receipt["ok"],
            "heardIn": heard["room"],
            "unknown": unknown,
            "locked": locked,
            "leaked": [text for text in leaked if text.startswith("Tea")],
        }

    async def kick(self) -> Any:
        await self.peer.say("kick me", namespace="/lounge")
        (reason,) = await self.peer.heard("disconnect", "/lounge")
        (answer,) = await self.peer.ask("send chat", {"msg": ""})
        while "/lounge" in self.peer.client.namespaces:  # a moment longer, in a thread of the client's
            await asyncio.sleep(0.01)
        return {"reason": reason, "others": answer["code"], "stayedOut": True}

    async def heartbeat(self) -> Any:
        """The second beat comes only if the first was answered."""
        pings = self.peer.log.count("Received packet PING")
        while self.peer.log.count("Received packet PING") < pings + 2:
            await asyncio.sleep(0.01)
        return self.peer.client.connected

    async def drop(self) -> Any:
        before = len(self.peer.happened)
        await self.peer.say("drop me", LAST_WORDS, namespace="/bar")
        (reason,) = await self.peer.heard("disconnect", after=before)
        name = None
        if self.mode != "polling":  # there a close packet ends it, and this client takes that for a wish to be obeyed
            (welcome, *_) = await self.peer.heard("welcome", after=before)
            name = welcome["name"]
        words = [args[0] for _, event, args in self.peer.happened if event == "last words"]
        return {"said": LAST_WORDS, "words": sorted(words), "reason": reason, "name": name}


async def converse(peer: Peer, url: str, mode: str, report: Report) -> None:
    """Go through all parts."""
    conversation = Conversation(peer, url, mode)
    for part in conversation.parts:
        await report(part, PART_SECONDS, getattr(conversation, part))


async def be_refused(peer: Peer, url: str, mode: str, report: Report) -> None:
    """Try twice. This client does not try again by itself before it has been connected once."""

    async def refusal() -> Any:
        errors = []
        for _ in range(2):
            try:
                await peer.connect(url, MODES[mode])
            except socketio.exceptions.ConnectionError as error:
                errors.append({"message": str(error)})
        return {"connected": peer.client.connected, "errors": errors}

    await report("refusal", PART_SECONDS, refusal)


async def come_back(peer: Peer, url: str, mode: str, report: Report) -> None:
    """Wait for the server to be restarted."""

    async def here() -> Any:
        await peer.connect(url, MODES[mode])
        (welcome, *_) = await peer.heard("welcome")
        return {"name": welcome["name"], "transport": peer.client.transport()}

    async def back() -> Any:
        (reason,) = await peer.heard("disconnect")
        (welcome, *_) = await peer.heard("welcome", after=peer.happened.index(("/", "disconnect", [reason])))
        (receipt,) = await peer.ask("send chat", {"msg": f"Back again, {mode}"})
        transport = peer.client.transport()
        return {"reason": reason, "name": welcome["name"], "ok": receipt["ok"], "transport": transport}

    await report("here", PART_SECONDS, here)
    await report("back", RETURN_SECONDS, back)


SCENARIOS = {"converse": converse, "beRefused": be_refused, "comeBack": come_back}


def tell(line: dict[str, Any]) -> None:
    """Print a line of JSON."""
    print(json.dumps(line), flush=True)  # noqa: T201  (this is its output)


async def perform(kind: str, url: str, scenario: str, cookie: str, mode: str) -> None:
    """Do a scenario in one mode."""
    peer = Peer(kind, cookie)

    async def report(part: str, seconds: float, work: Callable[[], Awaitable[Any]]) -> None:
        try:
            async with asyncio.timeout(seconds):
                tell({"mode": mode, "scenario": part, "result": await work()})
        except Exception:
            tell({"mode": mode, "scenario": part, "error": traceback.format_exc()})

    try:
        await SCENARIOS[scenario](peer, url, mode, report)
    finally:
        await peer.close()


async def main(kind: str, url: str, scenario: str, cookie: str = "") -> None:
    """Do a scenario in all modes."""
    await asyncio.gather(*(perform(kind, url, scenario, cookie, mode) for mode in MODES))
    tell({"scenario": "end"})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
