"""One client: its namespaces, its clock, and the bounds on what it may cost."""

import asyncio
import logging
from typing import Any

import pytest

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.fanout.relay import ENGINE_ID
from channels_socketio.protocol.packets import Packet, PacketType
from channels_socketio.tests.support.people import Connect, close_of, eventually, serve, settle


class Lobby(SocketIOConsumer):
    """The main namespace."""

    @on("where")
    async def where(self) -> dict[str, Any]:
        return {"namespace": self.namespace, "class": type(self).__name__} | self.kwargs


class Room(Lobby):
    """Namespaces by pattern."""

    namespaces = ["/rooms/<slug:room>", "/desks/<int:floor>/<int:desk>"]


class Special(Lobby):
    """A namespace that a pattern before it covers too."""

    namespaces = ["/rooms/special", "/special"]


class EchoApp(SocketIOConsumer):
    """Says everything to everybody; `ended` gets the reason of each end."""

    ended: list[str]

    async def disconnect(self, reason: str) -> None:
        self.ended.append(reason)

    @on("say")
    async def say(self, text: str) -> None:
        await self.broadcast("said", text)

    @on("leave")
    async def go(self) -> None:
        await self.emit("bye")
        await self.close()


def echo_app(**options: float) -> tuple[Any, list[str]]:
    """Return an application with a consumer class of its own, and the reasons why its sockets ended."""

    class Fresh(EchoApp):
        ended = []

    return serve(Fresh, **options), Fresh.ended


# Namespaces


@pytest.mark.parametrize(
    ("namespace", "found"),
    [
        ("/", {"class": "Lobby"}),
        ("/rooms/tea", {"class": "Room", "room": "tea"}),
        ("/rooms/special", {"class": "Room", "room": "special"}),
        ("/special", {"class": "Special"}),
        ("/desks/2/07", {"class": "Room", "floor": 2, "desk": 7}),
    ],
)
async def test_the_first_pattern_that_fits_finds_the_consumer(
    connect: Connect, namespace: str, found: dict[str, Any]
) -> None:
    client = await connect(serve(Lobby, Room, Special), namespace)
    assert await client.call("where", namespace=namespace) == {"namespace": namespace} | found


@pytest.mark.parametrize(
    "namespace", ["/x", "/rooms", "/rooms/", "/rooms/a/b", "/Rooms/tea", "/rooms/té", "/rooms/tea\n"]
)
async def test_an_unknown_namespace_is_refused_and_the_connection_lives(connect: Connect, namespace: str) -> None:
    client = await connect(serve(Lobby, Room), "/")
    assert await client.join(namespace) == {"message": "Invalid namespace"}
    assert (await client.call("where"))["class"] == "Lobby"


async def test_a_query_behind_the_namespace_is_no_part_of_it(connect: Connect) -> None:
    client = await connect(serve(Room))
    await client.send_to("40/rooms/tea?x=1,")
    assert (await client.receive_packet()).namespace == "/rooms/tea"


async def test_one_namespace_too_many_is_refused_and_leaving_makes_room(connect: Connect) -> None:
    client = await connect(serve(Room, MAX_NAMESPACES=2), "/rooms/a", "/rooms/b")
    assert await client.join("/rooms/c") == {"message": "Too many namespaces."}
    await client.send_to("41/rooms/a,")
    assert "sid" in await client.join("/rooms/c")


async def test_what_was_sent_before_the_end_of_a_socket_arrives_before_it(connect: Connect) -> None:
    client = await connect(echo_app()[0], "/")
    await client.emit("leave")
    assert await client.receive_event() == ["bye"]
    assert (await client.receive_packet()).type is PacketType.DISCONNECT


# The clock


async def test_the_handshake_tells_the_options(connect: Connect) -> None:
    client = await connect(serve(Lobby, PING_INTERVAL=1.5, PING_TIMEOUT=0.5, MAX_PAYLOAD=1234))
    assert ENGINE_ID.fullmatch(client.handshake.pop("sid"))
    assert client.handshake == {"upgrades": [], "pingInterval": 1500, "pingTimeout": 500, "maxPayload": 1234}


async def test_a_client_that_answers_pings_stays_and_one_that_does_not_goes(connect: Connect) -> None:
    application, ended = echo_app(PING_INTERVAL=0.02, PING_TIMEOUT=1.0)
    faithful, silent = await connect(application, "/"), await connect(application, "/")
    while not ended:
        assert await faithful.receive_from() == "2"
        await faithful.send_to("3")
    assert ended == ["ping timeout"]
    assert (await close_of(silent))["reason"] == "ping timeout"
    assert await faithful.receive_from() == "2"


@pytest.mark.parametrize("frames", [[], ["40/nowhere,"], ["3"], ["6"]])
async def test_a_client_that_joins_nothing_is_closed(
    connect: Connect, caplog: pytest.LogCaptureFixture, frames: list[str]
) -> None:
    caplog.set_level(logging.INFO)
    client = await connect(serve(Lobby, CONNECT_TIMEOUT=0.01))
    for frame in frames:
        await client.send_to(frame)
    assert (await close_of(client))["reason"] == "connect timeout"
    assert ": connect timeout. no namespace joined within 0.01 s" in caplog.text
    assert client.handshake["sid"] not in caplog.text


async def test_a_client_that_joined_in_time_is_not_closed_when_it_has_left_again(connect: Connect) -> None:
    application, _ = echo_app(CONNECT_TIMEOUT=0.01)
    joined = await connect(application, "/")
    await joined.send_to("41")
    late = await connect(application)
    await close_of(late)
    assert "sid" in await joined.join("/")


@pytest.mark.parametrize("end_reason", ["x", "1"])
async def test_after_the_close_nothing_more_is_handled(connect: Connect, end_reason: str) -> None:
    application, ended = echo_app()
    client, other = await connect(application, "/"), await connect(application, "/")
    await client.send_to(end_reason)
    await client.emit("say", "too late")
    await close_of(client)
    await other.emit("say", "in time")
    assert await other.receive_event() == ["said", "in time"]
    assert len(ended) == 1


# Bounds


async def test_with_many_events_waiting_reading_pauses_and_goes_on_later(connect: Connect) -> None:
    gate = asyncio.Event()
    handled: list[int] = []

    class Slow(SocketIOConsumer):
        @on("work")
        async def work(self, number: int) -> None:
            await gate.wait()
            handled.append(number)

    client = await connect(serve(Slow, BACKLOG=3), "/")
    for number in range(50):
        await client.emit("work", number)
    await settle()
    assert client.input_queue.qsize() >= 45
    gate.set()
    await eventually(lambda: len(handled) == 50, "all events were handled")
    assert handled == list(range(50))


async def test_a_client_that_is_not_read_cannot_time_out_while_its_events_are_handled(connect: Connect) -> None:
    """Its pongs stand behind the events that wait: that is the server's doing, not the client's."""
    ended: list[str] = []

    class Slow(SocketIOConsumer):
        @on("work")
        async def work(self) -> str:
            await asyncio.sleep(0.05)
            return "worked"

        async def disconnect(self, reason: str) -> None:
            ended.append(reason)

    application = serve(Slow, BACKLOG=2, PING_INTERVAL=0.02, PING_TIMEOUT=0.5)
    client = await connect(application, "/")
    for number in range(40):
        await client.send_packet(Packet(PacketType.EVENT, "/", ["work"], number))
    for _ in range(2):  # an idle client that does not answer lives for one interval and one timeout
        idle = await connect(application, "/")
        assert (await close_of(idle))["reason"] == "ping timeout"
    assert ended == ["ping timeout"] * 2
    for number in range(40):
        assert await client.receive_packet() == Packet(PacketType.ACK, "/", ["worked"], number)


async def test_a_client_that_is_not_read_is_closed_when_nothing_of_it_is_handled_for_a_whole_heartbeat(
    connect: Connect,
) -> None:
    """Nobody can tell whether it lives; nothing that it says would be heard."""
    gate = asyncio.Event()
    ended: list[str] = []

    class Stuck(SocketIOConsumer):
        @on("work")
        async def work(self) -> None:
            await gate.wait()

        async def disconnect(self, reason: str) -> None:
            ended.append(reason)

    client = await connect(serve(Stuck, BACKLOG=2, PING_INTERVAL=0.02, PING_TIMEOUT=0.05), "/")
    for _ in range(10):
        await client.emit("work")
    assert (await close_of(client))["reason"] == "ping timeout"
    assert current_runtime().connections == {}
    gate.set()
    await eventually(lambda: ended == ["ping timeout"], "the consumer cleaned up")


async def test_the_end_of_a_client_that_is_not_read_is_seen_when_reading_goes_on(connect: Connect) -> None:
    gate = asyncio.Event()
    log: list[str] = []

    class Slow(SocketIOConsumer):
        @on("work")
        async def work(self) -> None:
            await gate.wait()
            log.append("worked")

        async def disconnect(self, reason: str) -> None:
            log.append(reason)

    client = await connect(serve(Slow, BACKLOG=2), "/")
    for _ in range(5):
        await client.emit("work")
    await client.send_input({"type": "websocket.disconnect", "code": 1000})
    await settle()
    gate.set()
    await eventually(lambda: "transport close" in log, "the end was handled")
    assert log == ["worked"] * 5 + ["transport close"]


async def test_a_client_that_confirms_gets_any_amount_and_one_that_does_not_is_closed(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    application, ended = echo_app(QUEUE_BUDGET=1000)
    a, b, slow = [await connect(application, "/") for _ in range(3)]
    for number in range(100):
        text = f"{number} " + "x" * 100
        await a.emit("say", text)
        for client in (a, b):
            assert await client.receive_event() == ["said", text]
    assert ended == ["slow consumer"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert ": slow consumer. more than 1000 bytes unconfirmed" in record.message
    sent = 0
    while (message := await slow.receive_output(5))["type"] == "websocket.send":
        sent += len(message["text"])
    assert message["reason"] == "slow consumer"
    assert 800 < sent < 1200


async def test_confirmed_is_only_what_was_sent_before_the_ping(connect: Connect) -> None:
    """A pong for an old ping must not clear what was sent after it: else one pong would free any amount."""
    application, ended = echo_app(QUEUE_BUDGET=2000)
    sender, slow = await connect(application, "/"), await connect(application, "/")

    async def say(times: int) -> None:
        for _ in range(times):
            await sender.emit("say", "x" * 87)  # 100 bytes on the wire
            await sender.receive_event()

    await say(16)
    await slow.send_to("3")  # the ping was sent at half the budget
    await say(8)
    assert ended == []
    await say(8)
    assert ended == ["slow consumer"]


async def test_the_log_tells_apart_connections_without_showing_their_ids(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "channels_socketio")
    application, _ = echo_app()
    clients = [await connect(application, "/") for _ in range(2)]
    for client in clients:
        await client.send_to("x")
        await close_of(client)
    labels = {record.getMessage().partition(":")[0] for record in caplog.records if "parse error" in record.message}
    assert len(labels) == 2
    for client in clients:
        assert client.handshake["sid"] not in caplog.text


# Too many messages


async def test_who_sends_too_much_is_closed_with_a_named_reason(connect: Connect) -> None:
    application, ended = echo_app(MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=20)
    client = await connect(application, "/")
    for number in range(25):
        await client.emit("say", str(number))
    assert (await close_of(client))["reason"] == "too many events"
    await eventually(lambda: ended, "the consumer heard of it")
    assert ended == ["too many events"]


async def test_a_burst_is_no_reason_to_close(connect: Connect) -> None:
    application, ended = echo_app(MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=20)
    client = await connect(application, "/")
    for number in range(19):  # the connect was one
        await client.emit("say", str(number))
    assert [await client.receive_event() for _ in range(19)] == [["said", str(number)] for number in range(19)]
    assert ended == []


@pytest.mark.parametrize("packet", ["6", "3", "437[]", "40/unknown,", '42["say"]'])
async def test_packets_of_every_kind_count(connect: Connect, packet: str) -> None:
    application, _ = echo_app(MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=4)
    client = await connect(application, "/")  # which was one
    for _ in range(4):
        await client.send_to(packet)
    assert (await close_of(client))["reason"] == "too many events"


async def test_what_comes_behind_a_flood_is_dropped(connect: Connect) -> None:
    application, ended = echo_app(MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=4)
    client, other = await connect(application, "/"), await connect(application, "/")
    for packet in ["6"] * 3 + ['42["say","behind"]']:
        await client.send_to(packet)
    await eventually(lambda: ended, "the flood was closed")
    await other.emit("say", "later")
    assert await other.receive_event() == ["said", "later"]


async def test_without_limits_a_client_may_send_at_any_rate(connect: Connect) -> None:
    application, _ = echo_app(LIMITS=False, MESSAGES_PER_SECOND=1, MESSAGES_AT_ONCE=1)
    client = await connect(application, "/")
    for number in range(50):
        await client.emit("say", str(number))
    assert [await client.receive_event() for _ in range(50)] == [["said", str(number)] for number in range(50)]
