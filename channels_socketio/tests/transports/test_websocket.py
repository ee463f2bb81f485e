"""The WebSocket transport: under an ASGI server that pushes back or fails, and under the real ones."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from autobahn.exception import Disconnected
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused
from channels_socketio.server import SocketIOServer
from channels_socketio.servers import TURN_FRAMES
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.echo_site import EchoApp
from channels_socketio.tests.support.people import Connect, eventually, everybody, serve, settle
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.ws_client import Dial, WSClient

PATH = "/socket.io/?EIO=4&transport=websocket"


class Talker(SocketIOConsumer):
    """Says a number of things; `ended` gets the reason of each end."""

    ended: list[str]

    async def disconnect(self, reason: str) -> None:
        self.ended.append(reason)

    @on("talk")
    async def talk(self, first: int, last: int, size: int = 0) -> None:
        for number in range(first, last):
            await self.emit("said", number, "x" * size)


class AsgiServer:
    """The server's side of one WebSocket. `send` waits while `reads` is not set, and fails with `gone`, if set."""

    def __init__(self, wrap: Callable[[Any], Any], **options: float) -> None:
        class Fresh(Talker):
            ended = []

        self.ended = Fresh.ended
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.gone: Exception | None = None
        self.reads.set()
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        scope = {
            "type": "websocket",
            "path": "/socket.io/",
            "query_string": b"EIO=4&transport=websocket",
            "headers": [],
        }
        application = serve(Fresh, **options)
        self.task = asyncio.ensure_future(application(scope, self.inbox.get, lambda message: wrap(self.send(message))))
        self.inbox.put_nowait({"type": "websocket.connect"})

    async def send(self, message: dict[str, Any]) -> None:
        """Send, as a server does."""
        await self.reads.wait()
        if self.gone is not None:
            raise self.gone
        self.sent.append(message)

    def client_sends(self, *frames: str) -> None:
        """Let frames arrive from the client."""
        for frame in frames:
            self.inbox.put_nowait({"type": "websocket.receive", "text": frame})

    def numbers(self) -> list[int]:
        """Return the numbers that were said, in order."""
        frames = [message.get("text", "") for message in self.sent]
        return [json.loads(frame[2:])[1] for frame in frames if frame.startswith("42")]


class Sending:
    """What a server returns that is no coroutine, but can be awaited."""

    def __init__(self, coroutine: Any) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Any:
        return self._coroutine.__await__()


class PlainSending(Sending):
    """The same with an iterator that is no generator: it cannot be thrown into."""

    def __await__(self) -> Any:
        return iter(self._coroutine.__await__().__next__, object())


@pytest.fixture(params=[lambda coroutine: coroutine, Sending, PlainSending], ids=["coroutine", "awaitable", "iterator"])
async def asgi(request: pytest.FixtureRequest) -> AsyncIterator[Callable[..., Awaitable[AsgiServer]]]:
    """Open a WebSocket of an AsgiServer and join; the application must end by itself after the disconnect."""
    servers: list[AsgiServer] = []

    async def open_socket(**options: float) -> AsgiServer:
        server = AsgiServer(request.param, **options)
        servers.append(server)
        server.client_sends("40")
        await eventually(lambda: len(server.sent) == 3, "the client has joined")
        return server

    yield open_socket
    for server in servers:
        server.reads.set()
        server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(server.task, 5)


Open = Callable[..., Awaitable[AsgiServer]]


# Pushback and failure


async def test_a_server_that_has_much_of_one_client_leaves_turns_to_others(asgi: Open) -> None:
    server = await asgi(LIMITS=False)
    server.client_sends(*["6"] * 1000)
    turns = 0
    while not server.inbox.empty():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 1000 // TURN_FRAMES


async def test_while_the_server_takes_frames_they_are_sent_without_a_task(asgi: Open) -> None:
    server = await asgi()
    tasks = len(asyncio.all_tasks())
    server.client_sends('42["talk",0,100]')
    await eventually(lambda: len(server.numbers()) == 100, "all was sent")
    assert len(asyncio.all_tasks()) == tasks


async def test_what_waits_behind_a_send_that_waits_arrives_in_order(asgi: Open) -> None:
    server = await asgi()
    for begin in range(0, 100, 20):
        server.reads.clear()
        server.client_sends(f'42["talk",{begin},{begin + 10}]')
        await settle()
        assert len(server.numbers()) == begin
        server.reads.set()
        server.client_sends(f'42["talk",{begin + 10},{begin + 20}]')
        await eventually(lambda count=begin + 20: len(server.numbers()) == count, "all was sent")  # type: ignore[misc]
    assert server.numbers() == list(range(100))


async def test_a_close_goes_behind_what_waits(asgi: Open) -> None:
    server = await asgi()
    server.reads.clear()
    server.client_sends('42["talk",0,10]')
    await settle()
    server.client_sends("x")
    await eventually(lambda: server.ended == ["parse error"], "the socket has ended")
    server.reads.set()
    await eventually(lambda: server.sent[-1]["type"] == "websocket.close", "the close was sent")
    assert server.numbers() == list(range(10))


@pytest.mark.parametrize("waiting", [False, True])
@pytest.mark.parametrize(
    "error", [OSError("as ASGI says"), Disconnected("as Daphne does"), RuntimeError("as uvicorn does")], ids=repr
)
async def test_a_client_that_is_gone_fails_quietly_and_ends_once(
    asgi: Open, caplog: pytest.LogCaptureFixture, error: Exception, waiting: bool
) -> None:
    server = await asgi()
    sent = len(server.sent)
    if waiting:
        server.reads.clear()
    server.client_sends('42["talk",0,10]')
    await settle()
    server.gone = error
    server.reads.set()
    server.client_sends('42["talk",10,20]')
    await settle()
    server.inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})
    await asyncio.wait_for(server.task, 5)
    await eventually(lambda: server.ended == ["transport close"], "the hook was called")
    assert len(server.sent) == (sent if waiting else sent + 10)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_a_slow_consumer_loses_what_waits_and_is_told_why_if_it_ever_reads_on(asgi: Open) -> None:
    server = await asgi(QUEUE_BUDGET=1000)
    server.reads.clear()
    server.client_sends('42["talk",0,100,50]')
    await eventually(lambda: server.ended == ["slow consumer"], "the socket has ended")
    assert server.numbers() == []
    server.reads.set()
    await eventually(lambda: server.sent[-1]["type"] == "websocket.close", "the close was sent")
    assert server.sent[-1]["reason"] == "slow consumer"
    assert server.numbers() == [0]


async def test_a_cancelled_application_closes_its_connection(asgi: Open) -> None:
    """Daphne cancels an application that does not end within seconds of the disconnect."""
    server = await asgi()
    server.task.cancel()
    await asyncio.wait([server.task])
    await eventually(lambda: server.ended, "the hook was called")
    assert server.ended == ["transport close"]
    server.task = asyncio.ensure_future(settle())


# The handshake


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        ("", 0, "Transport unknown"),
        ("EIO=4", 0, "Transport unknown"),
        ("EIO=4&transport=carrier-pigeon", 0, "Transport unknown"),
        ("EIO=4&transport=websocket&sid=unknown", 1, "Session ID unknown"),
        ("EIO=4&transport=websocket&sid=", 1, "Session ID unknown"),
        ("transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=5&transport=websocket", 5, "Unsupported protocol version"),
        ("EIO=abc&transport=websocket", 5, "Unsupported protocol version"),
        ("&".join(["x=1"] * 200) + "&EIO=4&transport=websocket", 0, "Transport unknown"),
    ],
)
async def test_a_wrong_query_is_answered_with_its_number(query: str, code: int, message: str) -> None:
    client = SocketIOCommunicator(serve(Talker), f"/socket.io/?{query}")
    client.scope["extensions"] = {"websocket.http.response": {}}
    await client.send_input({"type": "websocket.connect"})
    start, body = await client.receive_output(5), await client.receive_output(5)
    assert start["status"] == 400
    assert json.loads(body["body"]) == {"code": code, "message": message}
    for _ in range(2):  # as uvicorn does
        await client.send_input({"type": "websocket.disconnect", "code": 1006})
    await client.wait()


async def test_who_is_refused_is_named_by_address_in_the_log_and_never_accepted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def nobody(scope: Any) -> None:
        raise Refused("closed", "Closed today.")

    caplog.set_level(logging.INFO)
    client = SocketIOCommunicator(bare(SocketIOServer([Talker], nobody, {})), PATH)
    client.scope["client"] = ("192.0.2.7", 1234)
    await client.send_input({"type": "websocket.connect"})
    assert await client.receive_output(5) == {"type": "websocket.close", "code": 1008, "reason": "Closed today."}
    await client.disconnect()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("INFO", "Refused a handshake from 192.0.2.7: Closed today.")
    ]


async def test_binary_and_text_frames_are_told_apart(connect: Connect) -> None:
    """A frame that a server reports with both keys, one of them None, is read by the other."""
    server = bare(SocketIOServer([Talker], everybody, {}))
    client = await connect(server, "/")
    await client.send_input({"type": "websocket.receive", "text": '42["talk",0,1]', "bytes": None})
    assert await client.receive_event() == ["said", 0, ""]
    await client.send_input({"type": "websocket.receive", "text": None, "bytes": b"unannounced"})
    assert (await client.receive_output(5))["reason"] == "parse error"


# Real servers

OPTIONS = {"QUEUE_BUDGET": 16_000_000, "MAX_PAYLOAD": 1_000_000}


@pytest.fixture(scope="module", params=servers("daphne", "uvicorn", "serve"))
def echo_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The hall, served by each of the servers."""
    with EchoApp(tmp_path_factory.mktemp("hall"), request.param, OPTIONS) as running:
        yield running


async def end_of(client: WSClient) -> tuple[int | None, str]:
    """Read to the end and return code and reason of the close frame, None without one."""
    try:
        while True:
            await client.receive()
    except ConnectionClosed as closed:
        return (None, "") if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)


async def test_a_client_that_stops_reading_is_closed_and_the_others_get_everything(
    echo_app: EchoApp, dial: Dial
) -> None:
    reader, witness = await dial(echo_app.ws_url), await dial(echo_app.ws_url)
    slow_socket = socket.socket()
    slow_socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    slow_socket.connect(("127.0.0.1", echo_app.port))
    slow = await dial(echo_app.ws_url, sock=slow_socket, max_queue=1)
    text = "x" * 500_000
    number = 0
    event: list[Any] = []
    while not event or event[0] == "said":
        assert number < 60, "the slow client was never closed"
        await reader.emit("say", number, text)
        for client in (reader, witness):
            event = await client.receive_event()
            assert event in (["said", number, text], ["left", slow.sid, "slow consumer"])
        number += 1
    assert number * 500_000 > OPTIONS["QUEUE_BUDGET"]
    # Daphne passes neither codes nor reasons on, and drops a client that takes too long to answer the close.
    code, reason = await end_of(slow)
    assert (code, reason) == (1008, "slow consumer") or (echo_app.server == "daphne" and code in (1000, None))


async def test_empty_attachments_arrive(echo_app: EchoApp, dial: Dial) -> None:
    client = await dial(echo_app.ws_url)
    await client.connection.send('452-7["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]')
    await client.connection.send(b"")
    await client.connection.send(b"x")
    assert await client.receive() == '462-7[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]'
    assert [await client.receive(), await client.receive()] == ["b", b"x"]


@pytest.mark.parametrize(
    ("query", "status", "body"),
    [
        ("&refuse", 403, {"code": 4, "message": "Refused: ünwanted."}),
        ("&sid=unknown", 400, {"code": 1, "message": "Session ID unknown"}),
        ("&EIO=9", 400, {"code": 5, "message": "Unsupported protocol version"}),
    ],
)
async def test_a_refused_handshake_has_the_status_and_where_possible_the_reason(
    echo_app: EchoApp, dial: Dial, query: str, status: int, body: dict[str, Any]
) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await dial(echo_app.ws_url + query)
    response = refusal.value.response
    if echo_app.server == "daphne":  # it can only say 403
        assert response.status_code == 403
    else:
        assert response.status_code == status
        assert response.headers["Content-Type"] == "application/json"
        assert json.loads(response.body) == body


@pytest.mark.parametrize(
    ("frame", "reason", "close_code"),
    [("x", "parse error", 1002), ("4" + "x" * 1_000_001, "payload too large", 1009), ("1", "transport close", 1000)],
)
async def test_the_client_sees_the_close_and_the_others_the_reason(
    echo_app: EchoApp, dial: Dial, frame: str, reason: str, close_code: int
) -> None:
    client, witness = await dial(echo_app.ws_url), await dial(echo_app.ws_url)
    await client.connection.send(frame)
    code, text = await end_of(client)
    assert code == (1000 if echo_app.server == "daphne" else close_code)
    assert text in (reason, "")
    assert await witness.receive_event() == ["left", client.sid, reason]


async def test_a_vanished_client_is_a_closed_transport(echo_app: EchoApp, dial: Dial) -> None:
    client, witness = await dial(echo_app.ws_url), await dial(echo_app.ws_url)
    client.abort()
    assert await witness.receive_event() == ["left", client.sid, "transport close"]


def test_none_of_this_left_an_error_in_the_servers_log(echo_app: EchoApp) -> None:
    """Belongs behind the others."""
    output = echo_app.process.output()
    assert "Traceback" not in output
    assert "ERROR" not in output
