"""An error of the server's that concerns one client ends that client, is logged once, and concerns nobody else."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from channels_socketio.connections.connection import Connection
from channels_socketio.connections.runtime import current_runtime
from channels_socketio.connections.socket import Socket
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused
from channels_socketio.protocol.reasons import Reason
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, close_of, eventually, serve
from channels_socketio.transports.websocket import WebSocketTransport


class Final(BaseException):
    """What no `except Exception` catches."""


class Clumsy(SocketIOConsumer):
    """Fails in many ways; `ended` has the reason of each end."""

    ended: list[str]

    async def connect(self, auth: dict[str, Any]) -> None:
        self.auth = auth

    def entered(self) -> None:
        if "entered" in self.auth:
            raise LookupError("asked for")

    async def disconnect(self, reason: str) -> None:
        self.ended.append(reason)
        if "disconnect" in self.auth:
            raise Final("asked for")

    @on("say")
    async def say(self, text: str) -> None:
        await self.broadcast("said", text)

    @on("tease")
    async def tease(self) -> None:
        await self.broadcast("teased", volatile=True)

    @on("talk")
    async def talk(self) -> None:
        await self.emit("talked", volatile=True)

    @on("work")
    async def work(self, way: str) -> Any:
        return await WORK[way]()


async def raise_(error: BaseException) -> None:
    raise error


async def be_cancelled() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    await asyncio.sleep(0)


async def later(finish: Callable[[asyncio.Future[Any]], object]) -> asyncio.Future[Any]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(finish, future)
    return future


WORK: dict[str, Callable[[], Any]] = {
    "returns": lambda: asyncio.sleep(0, 1),
    "raises": lambda: raise_(LookupError("asked for")),
    "refuses": lambda: raise_(Refused("no", "No.")),
    "returns what JSON cannot carry": lambda: asyncio.sleep(0, object()),
    "refuses with what JSON cannot carry": lambda: raise_(Refused("no", "No.", why=object())),
    "raises what is no Exception": lambda: raise_(Final("asked for")),
    "has its task cancelled": be_cancelled,
    "finishes later": lambda: later(lambda future: future.set_result(1)),
    "fails later": lambda: later(lambda future: future.set_exception(LookupError("asked for"))),
    "fails later with what is no Exception": lambda: later(lambda future: future.set_exception(Final("asked for"))),
    "is cancelled later": lambda: later(lambda future: future.cancel()),
    "refuses later with what JSON cannot carry": lambda: later(
        lambda future: future.set_exception(Refused("no", "No.", why=object()))
    ),
}
FATAL = {way for way in WORK if "refuses" in way and "JSON" in way} | {
    "raises what is no Exception",
    "has its task cancelled",
}


def clumsy(**options: float) -> tuple[Any, list[str]]:
    """Return an application with a consumer class of its own, and the reasons why its sockets ended."""

    class Fresh(Clumsy):
        ended = []

    return serve(Fresh, **options), Fresh.ended


async def connected_clients(
    connect: Connect, **options: float
) -> tuple[list[SocketIOCommunicator], list[Connection], list[str]]:
    """Return three clients, their connections, and the reasons of ends."""
    application, ended = clumsy(**options)
    clients = [await connect(application, "/") for _ in range(3)]
    return clients, list(current_runtime().connections.values()), ended


def errors(caplog: pytest.LogCaptureFixture) -> int:
    """Return how many there are in the log."""
    return len([record for record in caplog.records if record.levelno >= logging.ERROR])


@pytest.mark.parametrize("ack", [True, False])
@pytest.mark.parametrize("way", WORK)
async def test_nothing_is_left_waiting_however_a_handler_ends(
    connect: Connect, caplog: pytest.LogCaptureFixture, way: str, ack: bool
) -> None:
    (client, other, _), (connection, *_), ended = await connected_clients(connect, BACKLOG=1)
    for number in range(4):
        await client.send_to(f'42{number if ack else ""}["work","{way}"]')
    if way in FATAL:
        assert (await close_of(client))["reason"] == "internal error"
        await eventually(lambda: ended == ["internal error"], "the consumer cleaned up")
        assert errors(caplog) == 1
        await other.emit("say", "on")
        assert await other.receive_event() == ["said", "on"]
    else:
        await client.emit("say", "on")
        while (await client.receive_packet()).data != ["said", "on"]:
            pass
        assert ended == []
    await eventually(lambda: not connection.busy, "nothing waited")
    await client.disconnect()
    await eventually(lambda: len(ended) == 1, "the consumer cleaned up once")


@pytest.mark.parametrize("event", [["say", "now"], ["tease"]])
@pytest.mark.parametrize("number", range(3))
async def test_one_that_cannot_be_written_to_ends_alone(
    connect: Connect, caplog: pytest.LogCaptureFixture, event: list[str], number: int
) -> None:
    clients, connections, ended = await connected_clients(connect)
    break_transport(connections[number], "send_prepared", "close")
    del clients[number]
    for _ in range(2):
        await clients[1].emit(*event)
        for client in clients:
            assert (await client.receive_event())[0] in ("said", "teased")
    await eventually(lambda: ended == ["internal error"], "its consumer cleaned up")
    assert len(current_runtime().connections) == 2
    assert errors(caplog) == 1


async def test_one_that_cannot_write_to_itself_ends_alone(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    (client, other, _), (connection, *_), ended = await connected_clients(connect)
    break_transport(connection, "send_prepared")
    await client.emit("talk")
    assert (await close_of(client))["code"] == 1011
    await eventually(lambda: ended == ["internal error"], "its consumer cleaned up")
    await other.emit("say", "on")
    assert await other.receive_event() == ["said", "on"]
    assert errors(caplog) == 1


async def test_ready_frames_for_one_that_the_server_has_lost_end_it_quietly(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """On uvloop writing to a lost connection is a RuntimeError."""
    (_, other, _), (connection, *_), ended = await connected_clients(connect)

    def write(frames: bytes) -> None:
        raise RuntimeError("the handler is closed")

    cast(WebSocketTransport, connection.transport)._put = write
    await other.emit("say", "on")
    assert await other.receive_event() == ["said", "on"]
    await eventually(lambda: ended == ["transport close"], "its consumer cleaned up")
    assert errors(caplog) == 0


async def test_one_that_cannot_be_read_again_ends_alone(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    (client, other, _), (connection, *_), ended = await connected_clients(connect, BACKLOG=1)
    break_transport(connection, "resume")
    for _ in range(4):
        await client.emit("say", "on")
    await eventually(lambda: ended == ["internal error"], "its consumer cleaned up")
    assert not connection.busy
    assert await other.receive_event() == ["said", "on"]
    assert errors(caplog) == 1


async def test_one_whose_consumer_cannot_be_entered_ends_alone(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    application, ended = clumsy()
    client, other = await connect(application), await connect(application, "/")
    assert "sid" in await client.join("/", {"entered": 1})
    assert (await close_of(client))["reason"] == "internal error"
    await eventually(lambda: ended == ["internal error"], "its consumer cleaned up")
    await other.emit("say", "on")
    assert await other.receive_event() == ["said", "on"]
    assert errors(caplog) == 1


async def test_a_clean_up_that_fails_leaves_nothing_waiting(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    application, ended = clumsy()
    client = await connect(application)
    await client.join("/", {"disconnect": 1})
    [connection] = current_runtime().connections.values()
    await client.disconnect()
    await eventually(lambda: ended and not connection.busy, "nothing waited")
    assert errors(caplog) == 1


async def test_one_that_fails_when_all_are_closed_keeps_no_other_open(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    clients, connections, ended = await connected_clients(connect)
    break_transport(connections[1], "send_prepared", "close")
    del clients[1]
    await current_runtime().close(Reason.SERVER_SHUTTING_DOWN, 1)
    for client in clients:
        assert (await close_of(client))["reason"] == "server shutting down"
    assert ended == ["server shutting down"] * 3
    assert errors(caplog) == 1


async def test_a_packet_that_cannot_be_handled_ends_its_client_alone(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (client, other, _), _, ended = await connected_clients(connect)
    handle_event = Socket.handle_event

    def fail(socket: Socket, args: list[Any], ack_id: int | None) -> None:
        if args == ["say", "fail"]:
            raise LookupError("asked for")
        handle_event(socket, args, ack_id)

    monkeypatch.setattr(Socket, "handle_event", fail)
    await client.emit("say", "fail")
    assert (await close_of(client))["reason"] == "internal error"
    await eventually(lambda: ended == ["internal error"], "its consumer cleaned up")
    await other.emit("say", "on")
    assert await other.receive_event() == ["said", "on"]
    assert errors(caplog) == 1


def break_transport(connection: Connection, *methods: str) -> None:
    """Have these methods of a connection's transport raise."""

    def fail(*args: Any) -> None:
        raise LookupError("asked for")

    kind = type(connection.transport)
    broken = type("Broken", (kind,), {"__slots__": ()} | dict.fromkeys(methods, fail))
    connection.transport.__class__ = broken
