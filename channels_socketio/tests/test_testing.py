"""The test client that applications test with."""

from typing import Any

import pytest

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.exceptions import Refused
from channels_socketio.protocol.packets import Packet, PacketType
from channels_socketio.server import SocketIOServer
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.people import Connect, serve


class Parrot(SocketIOConsumer):
    """Answers, after it has said more."""

    async def connect(self, auth: dict[str, Any]) -> None:
        if auth:
            raise Refused("auth", f"{auth}")

    @on("echo")
    async def echo(self, *args: Any) -> tuple[Any, ...]:
        await self.emit("before", *args)
        await self.emit("between", *args)
        return args

    @on("bye")
    async def bye(self) -> None:
        await self.close()


async def test_connect_keeps_the_handshake_and_join_returns_the_answer() -> None:
    client = SocketIOCommunicator(serve(Parrot))
    assert await client.connect() == (True, None)
    assert client.handshake["pingInterval"] == 25000
    assert await client.join("/", {"word": "x"}) == {"message": "{'word': 'x'}", "data": {"code": "auth"}}
    assert list(await client.join()) == ["sid"]
    await client.disconnect()


async def test_connect_tells_of_a_refusal() -> None:
    async def nobody(scope: Any) -> None:
        raise Refused("closed", "Closed.")

    client = SocketIOCommunicator(bare(SocketIOServer([Parrot], admit=nobody, options={})))
    assert await client.connect() == (False, 1008)
    await client.disconnect()


async def test_cookies_and_headers_are_sent() -> None:
    seen: list[list[tuple[bytes, bytes]]] = []

    async def looks(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["headers"])
        await send({"type": "websocket.close"})

    client = SocketIOCommunicator(looks, cookies={"a": "1", "b": "2"}, headers=[(b"origin", b"http://x")])
    await client.connect()
    assert seen == [[(b"origin", b"http://x"), (b"cookie", b"a=1; b=2")]]
    await client.wait()


@pytest.mark.parametrize("args", [[], ["text", 1], [b"", b"\xff", {"deep": b"x"}]])
async def test_call_returns_the_ack_and_keeps_what_came_before(connect: Connect, args: list[Any]) -> None:
    client = await connect(serve(Parrot), "/")
    for _ in range(2):
        assert await client.call("echo", *args) == (args[0] if args else None)
    for event in ("before", "between") * 2:
        assert await client.receive_event() == [event, *args]


async def test_pings_are_answered_while_receiving(connect: Connect) -> None:
    client = await connect(serve(Parrot, PING_INTERVAL=0.01, PING_TIMEOUT=5, LIMITS=False), "/")
    for _ in range(3):
        assert await client.receive_from() == "2"
        await client.send_to("3")
    while client.output_queue.empty():
        await client.call("echo")
    assert await client.call("echo", "alive") == "alive"


async def test_waiting_in_vain_for_an_event_fails(connect: Connect) -> None:
    client = await connect(serve(Parrot), "/")
    await client.emit("bye")
    with pytest.raises(AssertionError, match="expected an event, got Packet"):
        await client.receive_event()
    with pytest.raises(TimeoutError):
        await client.receive_event(timeout=0.01)


async def test_packets_can_be_sent_as_they_are(connect: Connect) -> None:
    client = await connect(serve(Parrot), "/")
    await client.send_packet(Packet(PacketType.EVENT, "/", ["echo", b"x"], 7))
    for event in ("before", "between"):
        assert (await client.receive_packet()).data == [event, b"x"]
    assert await client.receive_packet() == Packet(PacketType.ACK, "/", [b"x"], 7)
