"""A socket's life: connect, events in order, acks both ways, the end."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import msgspec
import pytest

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused
from channels_socketio.protocol.packets import Packet, PacketType
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, close_of, eventually, frames_of, serve, settle

INTERNAL = {"code": "internal", "message": "Something went wrong on the server."}
UNKNOWN = {"code": "unknown event", "message": "Expected an event that this namespace knows."}


class Point(msgspec.Struct):
    """A payload type."""

    x: int
    at: datetime | None = None


class Rooms(SocketIOConsumer):
    """Does what each event's name says, and keeps what happened in `self.notes`, one list for the process."""

    namespaces = ["/", "/rooms/<slug:room>"]
    notes: list[Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.notes = []

    async def connect(self, auth: dict[str, Any]) -> None:
        if "refuse" in auth:
            raise Refused("secret", "The word is wrong.")
        if "fail" in auth:
            raise RuntimeError("in connect")
        if "greet" in auth:
            await self.emit("first", b"")
            await self.emit("second", Point(2))

    async def disconnect(self, reason: str) -> None:
        self.notes.append(("disconnect", self.namespace, reason))

    @on("note")
    async def note(self, value: Any) -> None:
        self.notes.append(value)

    @on("echo")
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        return args

    @on("say")
    async def say(self, value: Any, skip_me: bool = False) -> None:
        await self.broadcast("said", value, skip=[self.id] if skip_me else [])

    @on("leave")
    async def go(self) -> str:
        await self.close()
        await self.emit("too late")
        return "too late"

    @on("fail")
    async def fail(self, kind: str = "plain") -> object:
        if kind == "cancelled":
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task
        if kind == "unencodable":
            return object()
        if kind == "nan":
            return float("nan")
        raise RuntimeError("in fail")


def rooms(**options: float) -> tuple[Any, type[Rooms]]:
    """Return an application with a consumer class of its own."""

    class Fresh(Rooms):
        pass

    return serve(Fresh, **options), Fresh


# Connecting


async def test_a_connect_is_answered_with_an_id_that_is_not_the_engine_sid(connect: Connect) -> None:
    client = await connect(rooms()[0])
    answer = await client.join("/rooms/tea")
    assert list(answer) == ["sid"]
    assert answer["sid"] != client.handshake["sid"]


@pytest.mark.parametrize(
    ("auth", "error"),
    [
        ({"refuse": 1}, {"message": "The word is wrong.", "data": {"code": "secret"}}),
        ({"fail": 1}, {"message": INTERNAL["message"], "data": {"code": "internal"}}),
    ],
)
async def test_a_refused_connect_says_why_and_may_be_tried_again(
    connect: Connect, auth: dict[str, Any], error: dict[str, Any]
) -> None:
    application, consumer = rooms()
    client = await connect(application, "/rooms/other")
    assert await client.join("/", auth) == error
    assert "sid" in await client.join("/")
    await client.disconnect()
    await eventually(lambda: len(consumer.notes) == 2, "both connected sockets have ended, and the refused one has not")


async def test_a_failing_connect_leaves_its_traceback_in_the_log(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connect(rooms()[0])
    await client.join("/", {"fail": 1})
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert "'connect' failed in /" in record.message
    assert "RuntimeError: in connect" in caplog.text
    assert client.handshake["sid"] not in caplog.text


async def test_what_connect_emits_comes_behind_the_answer_in_order(connect: Connect) -> None:
    client = await connect(rooms()[0])
    await client.join("/", {"greet": 1})
    assert await client.receive_event() == ["first", b""]
    assert await client.receive_event() == ["second", {"x": 2, "at": None}]


@pytest.mark.parametrize("value", [object(), float("nan")])
async def test_what_cannot_be_encoded_fails_where_it_is_emitted(connect: Connect, value: object) -> None:
    class Clumsy(SocketIOConsumer):
        async def connect(self, auth: dict[str, Any]) -> None:
            await self.emit("bad", value)

    client = await connect(serve(Clumsy))
    assert (await client.join())["data"] == {"code": "internal"}


async def test_what_connect_emits_is_sent_as_it_was_at_that_time(connect: Connect) -> None:
    class Counter(SocketIOConsumer):
        async def connect(self, auth: dict[str, Any]) -> None:
            state = {"n": 1}
            await self.emit("state", state)
            state["n"] = 2

    client = await connect(serve(Counter), "/")
    assert await client.receive_event() == ["state", {"n": 1}]


# Events and acks


@pytest.mark.parametrize(
    ("result", "frames"),
    [
        (None, ["431[]"]),
        ("text", ['431["text"]']),
        ((), ["431[]"]),
        (("a", 0, None), ['431["a",0,null]']),
        ([1, 2], ["431[[1,2]]"]),
        (Point(1, datetime(2015, 1, 2, tzinfo=UTC)), ['431[{"x":1,"at":"2015-01-02T00:00:00Z"}]']),
        (UUID(int=1), ['431["00000000-0000-0000-0000-000000000001"]']),
        ("čaj ☕", ['431["čaj ☕"]']),
        (b"\x00\x01", ['461-1[{"_placeholder":true,"num":0}]', b"\x00\x01"]),
        (
            {"a": b"x", "b": b""},
            ['462-1[{"a":{"_placeholder":true,"num":0},"b":{"_placeholder":true,"num":1}}]', b"x", "b"],
        ),
    ],
)
async def test_what_a_handler_returns_is_the_ack(connect: Connect, result: Any, frames: list[str | bytes]) -> None:
    class Answers(SocketIOConsumer):
        @on("ask")
        async def ask(self) -> Any:
            return result

    client = await connect(serve(Answers), "/")
    await client.send_to('421["ask"]')
    assert await frames_of(client, len(frames)) == frames


async def test_without_an_ack_id_nothing_is_answered(connect: Connect) -> None:
    client = await connect(rooms()[0], "/")
    await client.emit("echo", "unasked")
    assert await client.call("echo", "asked") == "asked"


@pytest.mark.parametrize("data", [b"", b"\x00" * 1000])
async def test_attachments_come_and_go_even_empty_ones(connect: Connect, data: bytes) -> None:
    client = await connect(rooms()[0], "/")
    assert await client.call("echo", {"deep": [data, b"x"]}) == {"deep": [data, b"x"]}


@pytest.mark.parametrize(
    ("args", "answer"),
    [
        (["3"], "Expected `int`, got `str`."),
        ([None], "Expected `int`, got `null`."),
        ([], "move: expected 1 argument(s), got 0."),
        ([1, {}], "Object missing required field `x`."),
        ([1, {"x": 1, "at": "noon"}], "Invalid RFC3339 encoded datetime - at `$.at`."),
    ],
)
async def test_arguments_that_do_not_fit_are_refused_and_the_method_is_not_called(
    connect: Connect, args: list[Any], answer: str
) -> None:
    class Typed(SocketIOConsumer):
        @on("move")
        async def move(self, steps: int, to: Point = Point(0)) -> str:  # noqa: B008  (a struct of constants)
            return f"{steps} {to.x}"

    client = await connect(serve(Typed), "/")
    refused = await client.call("move", *args)
    assert refused["ok"] is False
    assert refused["code"] == "invalid"
    assert answer in refused["message"]
    await client.emit("move", *args)
    assert await client.receive_event() == ["refused", {"code": "invalid", "message": refused["message"]}]
    assert await client.call("move", 3, {"x": 4, "unknown": 1}, "ignored") == "3 4"


@pytest.mark.parametrize("event", ["unheard of", "__init__", 7, 1.5])
async def test_an_unknown_event_is_refused(connect: Connect, event: Any) -> None:
    client = await connect(rooms()[0], "/")
    assert await client.call(event) == {"ok": False} | UNKNOWN
    await client.emit(event, 1)
    assert await client.receive_event() == ["refused", UNKNOWN]


@pytest.mark.parametrize("kind", ["plain", "cancelled", "unencodable", "nan"])
async def test_a_failing_handler_gives_a_generic_refusal_and_the_socket_lives(
    connect: Connect, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    client = await connect(rooms()[0], "/")
    assert await client.call("fail", kind) == {"ok": False} | INTERNAL
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info
    assert "'fail' failed in /" in record.message
    assert client.handshake["sid"] not in caplog.text
    assert await client.call("echo", "alive") == "alive"


async def test_a_failing_handler_without_ack_gives_the_refusal_event(connect: Connect) -> None:
    client = await connect(rooms()[0], "/")
    await client.emit("fail")
    assert await client.receive_event() == ["refused", INTERNAL]


async def test_handlers_of_a_socket_run_one_after_the_other_and_those_of_two_at_once(connect: Connect) -> None:
    gates: dict[str, asyncio.Event] = {"/": asyncio.Event(), "/rooms/b": asyncio.Event()}
    running: list[tuple[str, str, int]] = []

    class Slow(SocketIOConsumer):
        namespaces = ["/", "/rooms/<slug:room>"]

        @on("work")
        async def work(self, number: int) -> None:
            running.append(("begin", self.namespace, number))
            await gates[self.namespace].wait()
            running.append(("end", self.namespace, number))

    client = await connect(serve(Slow), "/", "/rooms/b")
    for namespace in gates:
        for number in (1, 2):
            await client.emit("work", number, namespace=namespace)
    await eventually(lambda: len(running) == 2, "both namespaces have begun")
    await settle()
    assert running == [("begin", "/", 1), ("begin", "/rooms/b", 1)]
    gates["/"].set()
    await eventually(lambda: ("end", "/", 2) in running, "the second event of / was handled")
    assert [entry[2] for entry in running if entry[1] == "/"] == [1, 1, 2, 2]
    gates["/rooms/b"].set()
    await eventually(lambda: ("end", "/rooms/b", 2) in running, "the second event of the other was handled")


# Questions to the client


class Asks(SocketIOConsumer):
    """Asks back inside of a handler, and answers with what came of it."""

    async def connect(self, auth: dict[str, Any]) -> None:
        if "ask" in auth:
            await self.ask()

    @on("ask")
    async def ask(self, timeout: float = 5) -> Any:
        try:
            return await self.call("question", b"?", timeout=timeout)
        except (TimeoutError, ConnectionError) as error:
            self.socket.connection.scope["failures"].append(type(error).__name__)
            return "failed"


def asks() -> tuple[Any, list[str]]:
    """Return an application with `Asks` and the list of what has failed there."""
    application, failures = serve(Asks), list[str]()

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        await application(scope | {"failures": failures}, receive, send)

    return noting, failures


async def asking(connect: Connect) -> tuple[SocketIOCommunicator, list[str]]:
    """Return a client of `Asks` and the list of what has failed there."""
    application, failures = asks()
    return await connect(application, "/"), failures


async def test_a_question_is_answered_by_the_clients_ack(connect: Connect) -> None:
    client, _ = await asking(connect)
    await client.send_packet(Packet(PacketType.EVENT, "/", ["ask"], 1))
    question = await client.receive_packet()
    assert question.data == ["question", b"?"]
    await client.send_packet(Packet(PacketType.ACK, "/", [b"", 1], question.id))
    assert await client.receive_packet() == Packet(PacketType.ACK, "/", [[b"", 1]], 1)


async def test_a_question_without_answer_times_out_and_a_late_answer_is_ignored(connect: Connect) -> None:
    client, failures = await asking(connect)
    await client.send_packet(Packet(PacketType.EVENT, "/", ["ask", 0.01], 1))
    question = await client.receive_packet()
    assert await client.receive_packet() == Packet(PacketType.ACK, "/", ["failed"], 1)
    assert failures == ["TimeoutError"]
    await client.send_packet(Packet(PacketType.ACK, "/", ["late"], question.id))
    await client.send_packet(Packet(PacketType.EVENT, "/", ["ask", 0.01], 2))
    await client.receive_packet()
    assert await client.receive_packet() == Packet(PacketType.ACK, "/", ["failed"], 2)


@pytest.mark.parametrize("end_reason", ["41", "1", "x", None])
async def test_a_question_fails_when_the_socket_ends(connect: Connect, end_reason: str | None) -> None:
    client, failures = await asking(connect)
    await client.emit("ask", 60)
    await client.receive_packet()
    await (client.disconnect() if end_reason is None else client.send_to(end_reason))
    await eventually(lambda: failures, "the question has failed")
    assert failures == ["SocketEnded"]


async def test_a_client_that_leaves_during_a_question_is_no_error(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Two questions wait: the first one's end, then the second, which finds nobody."""

    class Trusting(SocketIOConsumer):
        @on("ask")
        async def ask(self) -> None:
            try:
                await self.call("question")
            finally:
                asked.append(self.id)

    asked: list[str] = []
    client = await connect(serve(Trusting), "/")
    await client.emit("ask")
    await client.emit("ask")
    await client.receive_packet()
    await client.send_to("1")
    await eventually(lambda: len(asked) == 2, "both questions have failed")
    await settle()
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_question_in_connect_fails_at_once(connect: Connect) -> None:
    application, failures = asks()
    client = await connect(application)
    assert "sid" in await client.join("/", {"ask": 1})
    assert failures == ["SocketEnded"]


# The end


ENDS: list[tuple[str, Callable[[SocketIOCommunicator], Any], dict[str, float]]] = [
    ("client namespace disconnect", lambda client: client.send_to("41"), {}),
    ("server namespace disconnect", lambda client: client.emit("leave"), {}),
    ("transport close", lambda client: client.disconnect(), {}),
    ("transport close", lambda client: client.send_to("1"), {}),
    ("parse error", lambda client: client.send_to("4"), {}),
    ("parse error", lambda client: client.send_to("7"), {}),
    ("parse error", lambda client: client.send_to("42{}"), {}),
    ("parse error", lambda client: client.send_to("40"), {}),
    ("parse error", lambda client: client.send_to('42/rooms/elsewhere,["note",1]'), {}),
    (
        "parse error",
        lambda client: client.send_to('451-["note",{"_placeholder":true,"num":0}]'),
        {"REASSEMBLY_TIMEOUT": 0.01},
    ),
    ("payload too large", lambda client: client.send_to("4" + "x" * 2000), {"MAX_PAYLOAD": 1000}),
    ("ping timeout", lambda client: client.receive_from(5), {"PING_INTERVAL": 0.01, "PING_TIMEOUT": 0.01}),
]


@pytest.mark.parametrize(("reason", "end", "options"), ENDS, ids=lambda value: value if isinstance(value, str) else "")
async def test_the_disconnect_hook_runs_once_behind_all_events_with_the_reason(
    connect: Connect, reason: str, end: Callable[[SocketIOCommunicator], Any], options: dict[str, float]
) -> None:
    application, consumer = rooms(**options)
    client = await connect(application, "/")
    for number in range(5):
        await client.emit("note", number)
    await end(client)
    await eventually(lambda: len(consumer.notes) == 6, f"the hook was called: {consumer.notes}")
    await client.disconnect()
    await settle()
    assert consumer.notes == [0, 1, 2, 3, 4, ("disconnect", "/", reason)]


async def test_leaving_one_namespace_leaves_the_others_alone(connect: Connect) -> None:
    application, consumer = rooms()
    client = await connect(application, "/", "/rooms/tea")
    await client.send_to("41")
    assert await client.call("echo", 1, namespace="/rooms/tea") == 1
    assert consumer.notes == [("disconnect", "/", "client namespace disconnect")]
    assert "sid" in await client.join("/")


async def test_put_out_by_the_server_a_client_gets_one_disconnect_packet_and_may_come_again(connect: Connect) -> None:
    client = await connect(rooms()[0], "/")
    await client.send_packet(Packet(PacketType.EVENT, "/", ["leave"], 1))
    assert await client.receive_packet() == Packet(PacketType.DISCONNECT, "/")
    assert "sid" in await client.join("/")


async def test_the_hook_waits_for_the_handler_that_is_running(connect: Connect) -> None:
    gate = asyncio.Event()
    log: list[str] = []

    class Slow(SocketIOConsumer):
        @on("work")
        async def work(self) -> str:
            await gate.wait()
            log.append("worked")
            await self.emit("too late")
            return "too late"

        async def disconnect(self, reason: str) -> None:
            log.append(reason)

    client = await connect(serve(Slow), "/")
    await client.send_packet(Packet(PacketType.EVENT, "/", ["work"], 1))
    await client.disconnect()
    await settle()
    assert log == []
    gate.set()
    await eventually(lambda: log == ["worked", "transport close"], "the handler and then the hook ran")


@pytest.mark.parametrize("refused", [False, True])
async def test_the_hook_of_a_client_that_left_during_connect_runs_after_it_unless_that_refused(
    connect: Connect, refused: bool
) -> None:
    gate = asyncio.Event()
    log: list[str] = []

    class Slow(SocketIOConsumer):
        async def connect(self, auth: dict[str, Any]) -> None:
            await self.emit("too late")
            await gate.wait()
            log.append("connected")
            if refused:
                raise Refused("late", "Too late.")

        async def disconnect(self, reason: str) -> None:
            log.append(reason)

    client = await connect(serve(Slow))
    await client.send_packet(Packet(PacketType.CONNECT, "/", {}))
    await client.disconnect()
    gate.set()
    await eventually(lambda: log, "connect ran")
    await settle()
    assert log == (["connected"] if refused else ["connected", "transport close"])


async def test_a_failing_hook_is_logged_and_the_other_sockets_hooks_run(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []

    class Clumsy(SocketIOConsumer):
        namespaces = ["/<slug:room>"]

        async def disconnect(self, reason: str) -> None:
            ended.append(self.namespace)
            raise RuntimeError("in disconnect")

    client = await connect(serve(Clumsy), "/a", "/b")
    await client.disconnect()
    await eventually(lambda: ended == ["/a", "/b"], "both hooks ran")
    await settle()
    assert caplog.text.count("RuntimeError: in disconnect") == 2


# Broadcasts


async def test_two_connections_see_broadcasts_in_the_same_order_and_nobody_else_does(connect: Connect) -> None:
    application, _ = rooms()
    a, b = await connect(application, "/"), await connect(application, "/")
    other, left = await connect(application, "/rooms/tea"), await connect(application, "/")
    await left.send_to("41")
    for number in range(20):
        await (a, b)[number % 2].emit("say", number)
    seen = [[(await client.receive_event())[1] for _ in range(20)] for client in (a, b)]
    assert seen[0] == seen[1]
    assert sorted(seen[0]) == list(range(20))
    for client in (other, left):
        assert client.output_queue.empty()


async def test_a_broadcast_passes_over_those_in_skip(connect: Connect) -> None:
    application, _ = rooms()
    a, b = await connect(application, "/"), await connect(application, "/")
    await a.emit("say", 1, True)
    await a.emit("say", 2)
    assert await b.receive_event() == ["said", 1]
    assert await b.receive_event() == ["said", 2]
    assert await a.receive_event() == ["said", 2]


async def test_a_broadcast_carries_bytes(connect: Connect) -> None:
    application, _ = rooms()
    a, b = await connect(application, "/rooms/tea"), await connect(application, "/rooms/tea")
    await a.emit("say", [b"", b"\xff"], namespace="/rooms/tea")
    for client in (a, b):
        assert await client.receive_event() == ["said", [b"", b"\xff"]]


async def test_a_broadcast_closes_nobody_for_being_gone(connect: Connect) -> None:
    """A client that vanishes while a broadcast is on its way costs the others nothing."""
    application, consumer = rooms()
    a, b = await connect(application, "/"), await connect(application, "/")
    await a.emit("say", 1)
    await b.disconnect()
    await a.emit("say", 2)
    assert [await a.receive_event(), await a.receive_event()] == [["said", 1], ["said", 2]]
    assert consumer.notes == [("disconnect", "/", "transport close")]


async def test_the_close_of_a_connection_ends_all_its_sockets(connect: Connect) -> None:
    application, consumer = rooms()
    client = await connect(application, "/", "/rooms/a", "/rooms/b")
    await client.send_to("x")
    assert await close_of(client) == {"type": "websocket.close", "code": 1002, "reason": "parse error"}
    await eventually(lambda: len(consumer.notes) == 3, "all hooks ran")
    assert [entry[1] for entry in consumer.notes] == ["/", "/rooms/a", "/rooms/b"]
    assert {entry[2] for entry in consumer.notes} == {"parse error"}


class Clerk(SocketIOConsumer):
    """Answers when told to; `answers` are what it owes, by question."""

    answers: ClassVar[dict[str, "asyncio.Future[Any]"]]
    ended: ClassVar[list[str]]

    @on("ask")
    async def ask(self, question: str) -> "asyncio.Future[Any]":
        return self.answers.setdefault(question, asyncio.get_running_loop().create_future())

    async def disconnect(self, reason: str) -> None:
        self.ended.append(reason)


def clerk() -> type[Clerk]:
    """Return a consumer of the test's own."""

    class Fresh(Clerk):
        answers: ClassVar[dict[str, asyncio.Future[Any]]] = {}
        ended: ClassVar[list[str]] = []

    return Fresh


async def test_a_future_is_the_ack_once_it_is_done_and_holds_nobody_up(connect: Connect) -> None:
    consumer = clerk()
    client = await connect(serve(consumer), "/")
    for number, question in enumerate(("first", "second", "third")):
        await client.send_to(text_data=f'42{number}["ask","{question}"]')
    await eventually(lambda: len(consumer.answers) == 3, "all questions were taken")
    consumer.answers["third"].set_result({"ok": True})
    assert await client.receive_from(5) == '432[{"ok":true}]'
    consumer.answers["second"].set_exception(Refused("busy", "Not now."))
    assert await client.receive_from(5) == '431[{"ok":false,"code":"busy","message":"Not now."}]'
    consumer.answers["first"].cancel()
    assert '"code":"internal"' in await client.receive_from(5)


async def test_the_end_waits_for_the_answers_that_are_owed(connect: Connect) -> None:
    consumer = clerk()
    client = await connect(serve(consumer), "/")
    await client.send_to(text_data='421["ask","first"]')
    await eventually(lambda: bool(consumer.answers), "the question was taken")
    await client.disconnect()
    await settle()
    assert consumer.ended == []
    consumer.answers["first"].set_result(1)
    await eventually(lambda: len(consumer.ended) == 1, "the socket was cleaned up")
