"""Polling requests that reach another process than the one that has their connection: it asks the owner.

An engine id begins with the id of its process. A request for somebody else's connection is admitted where it arrives,
then put to the owner in a message over the channel layer, and the owner has its own endpoint answer it, as if it had
come there. So a load balancer need not know who belongs where.

The alternatives: requests that always go to the same process (by cookie or address) need a load balancer that sees to
it, and workers behind one port cannot have one; with the connections' state in Redis every packet would cost what here
only a misdirected request costs. The price: two messages for such a request, one more every few seconds while a poll is
held, and an owner that has died is found out by its silence. Whoever can write to the channel layer can ask anything
here, as it can publish anything.

A message that the layer loses is as a dead owner: the client is told that its connection is unknown, and makes another.
One that the layer repeats is dropped: answered twice, a post would be handled twice, and what a second poll took lost.

Questions need no bound of their own: one is an open request of this process, and an owner answers at most one
poll and one post of a connection at a time.
"""

import asyncio
import itertools
import logging
import re
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..sessions.identity import login_key
from .backplane import Backplane

logger = logging.getLogger(__name__)

RELAYED = "channels_socketio.relayed"  # in the scope of a request that another process admitted: its login key
PATIENCE_SECONDS = 5.0  # without a word from the owner
WORD_SECONDS = 2.0  # between the words of an owner whose answer takes time
TAKEN = 1000  # questions, the newest, of which a repeat is known
ENGINE_ID = re.compile(r"([\w-]{8})[\w-]{20}", re.ASCII)
FORWARDED = {b"accept-encoding", b"content-type"}

Endpoint = Callable[[Any, Any, Any], Awaitable[None]]
Response = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body


@dataclass(slots=True)
class Question:
    """A question of this process that waits for its answer."""

    answer: "asyncio.Future[Response | None]"
    patience: asyncio.Timeout


class Relay:
    """Asks other processes, and answers them.

    `find` returns the HTTP endpoint of an engine id of this process, None for an unknown one.
    """

    def __init__(self, backplane: Backplane, process: str, find: Callable[[str], Endpoint | None]) -> None:
        self._backplane = backplane
        self._process = process
        self._find = find
        self._numbers = itertools.count()
        self._questions: dict[int, Question] = {}
        self._exchanges: dict[tuple[str, int], Exchange] = {}
        self._taken: dict[tuple[str, int], None] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        backplane.on_message = self._receive

    @property
    def busy(self) -> bool:
        """Whether other processes wait for answers."""
        return bool(self._tasks)

    def owner_of(self, sid: str) -> str | None:
        """Return the process to ask about an engine id that is unknown here; None when there is nobody to ask."""
        found = ENGINE_ID.fullmatch(sid)
        if found is None or found[1] == self._process or not self._backplane.crosses_processes:
            return None
        return found[1]

    async def ask(self, owner: str, question: dict[str, Any], gone: Coroutine[Any, Any, None]) -> Response | None:
        """Have `owner` answer a question; None when it does not, or when `gone` returns before."""
        number = next(self._numbers)
        answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        leaving: asyncio.Future[Any] = asyncio.ensure_future(gone)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                    self._questions[number] = Question(answer, patience)
                    if self._closing or not await self._send(owner, "question", number, question):
                        return None
                    either: set[asyncio.Future[Any]] = {answer, leaving}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            leaving.cancel()
            del self._questions[number]
        if answer.done():
            return answer.result()
        await self._send(owner, "gone", number)
        return None

    def close(self) -> None:
        """Wait for no answer any more."""
        self._closing = True
        for waiting in self._questions.values():
            if not waiting.answer.done():
                waiting.answer.set_result(None)

    async def _send(self, process: str, kind: str, number: int, content: Any = None) -> bool:
        message = {"kind": kind, "number": number, "from": self._process, "content": content}
        return await self._backplane.send_to(process, message)

    def _receive(self, message: dict[str, Any]) -> None:
        kind, number, sender = message["kind"], message["number"], message["from"]
        match kind:
            case "question" if self._is_repeat(sender, number):
                pass
            case "question":
                # Kept at once: the message that the client has gone may be right behind.
                exchange = self._exchanges[sender, number] = Exchange(message["content"])
                task = asyncio.create_task(self._answer(sender, number, exchange))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            case "gone":
                if (left := self._exchanges.get((sender, number))) is not None:
                    left.gone.set()
            case _:
                self._hear(number, kind == "answer", message["content"])

    def _is_repeat(self, sender: str, number: int) -> bool:
        if (sender, number) in self._taken:
            return True
        if len(self._taken) == TAKEN:
            del self._taken[next(iter(self._taken))]
        self._taken[sender, number] = None
        return False

    def _hear(self, number: int, final: bool, response: Response | None) -> None:
        asked = self._questions.get(number)
        if asked is None or asked.answer.done():
            return
        if final:
            asked.answer.set_result(response)
        elif not asked.patience.expired():
            asked.patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)

    async def _answer(self, asker: str, number: int, exchange: "Exchange") -> None:
        application = self._find(exchange.content["sid"])
        try:
            if application is not None:
                await self._serve(asker, number, application, exchange)
        finally:
            del self._exchanges[asker, number]
        await self._send(asker, "answer", number, exchange.response)

    async def _serve(self, asker: str, number: int, application: Endpoint, exchange: "Exchange") -> None:
        served = asyncio.ensure_future(application(exchange.scope, exchange.receive, exchange.send))
        while not (await asyncio.wait({served}, timeout=WORD_SECONDS))[0]:
            await self._send(asker, "held", number)
        if (error := served.exception()) is not None:
            logger.error("Answering a request for another process failed.", exc_info=error)
            exchange.response = (500, [], b"")


@dataclass(slots=True)
class Exchange:
    """A request of another process, as ASGI's three arguments; `response` is what the endpoint sent."""

    content: dict[str, Any]
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    response: Response | None = None
    _read: bool = False

    @property
    def scope(self) -> dict[str, Any]:
        """ASGI's scope, as far as the endpoint uses it."""
        names = ("method", "query_string", "headers", "client", RELAYED)
        return {"type": "http"} | {name: self.content[name] for name in names}

    async def receive(self) -> dict[str, Any]:
        """Return the whole body, then wait until the client goes away."""
        if not self._read:
            self._read = True
            return {"type": "http.request", "body": self.content["body"]}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: dict[str, Any]) -> None:
        """Keep the response."""
        if event["type"] == "http.response.start":
            self.response = (event["status"], event["headers"], b"")
        elif self.response is not None:
            status, headers, body = self.response
            self.response = (status, headers, body + event.get("body", b""))


async def send_response(send: Any, response: Response) -> None:
    """Answer a request with what its owner said."""
    status, headers, body = response
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def claimed_key(scope: Any) -> str | None:
    """Return the hash of the session key that a request came with, here or at the process that passed it on."""
    if RELAYED in scope:
        key: str | None = scope[RELAYED]
        return key
    return login_key(scope)


def new_question(sid: str, scope: Any, body: bytes) -> dict[str, Any]:
    """Return what the owner of `sid` must know of a request that was admitted here."""
    return {
        "sid": sid,
        "method": scope["method"],
        "query_string": scope["query_string"],
        "headers": [pair for pair in scope["headers"] if pair[0] in FORWARDED],
        "client": scope.get("client"),
        "body": body,
        RELAYED: login_key(scope),
    }
