"""One Socket.IO client with three ways to the server: websocket, polling, and polling then upgraded."""

import itertools
import json
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from channels_socketio.protocol.engine_packets import Encoded, Framing
from channels_socketio.protocol.packets import Packet, PacketType, decode_packet, encode_packet, fill_placeholders
from channels_socketio.tests.support.raw_client import RawClient, read, upgraded

framing = Framing()


class Ended(Exception):
    """The server has closed the connection, or has never opened it."""


class Way(Protocol):
    """Carries engine packets."""

    async def send(self, packets: Sequence[Encoded]) -> None:
        """Send packets, in order."""

    async def receive(self) -> Encoded:
        """Return the next packet; raises Ended."""

    async def close(self) -> None:
        """Say goodbye."""

    async def vanish(self) -> None:
        """Go without a word."""


class WebSocketWay:
    """Frames; `polled` packets come first."""

    def __init__(self, socket: ClientConnection, polled: Sequence[Encoded] = ()) -> None:
        self._socket, self._polled = socket, deque(polled)

    async def send(self, packets: Sequence[Encoded]) -> None:
        """Part of Way."""
        for packet in packets:
            await self._socket.send(packet)

    async def receive(self) -> Encoded:
        """Part of Way."""
        if self._polled:
            return self._polled.popleft()
        try:
            return framing.decode_frame(await read(self._socket))
        except ConnectionClosed:
            raise Ended from None

    async def close(self) -> None:
        """Part of Way."""
        await self._socket.send("1")

    async def vanish(self) -> None:
        """Part of Way."""
        self._socket.transport.abort()


class PollingWay:
    """Requests; a poll is held only while somebody waits for a packet."""

    def __init__(self, raw_client: RawClient, sid: str, polled: Sequence[Encoded]) -> None:
        self._raw_client, self._sid, self._polled = raw_client, sid, deque(polled)

    async def send(self, packets: Sequence[Encoded]) -> None:
        """Part of Way."""
        await self._raw_client.post(self._sid, framing.encode_body(packets)[0])

    async def receive(self) -> Encoded:
        """Part of Way."""
        while not self._polled:
            answer = await self._raw_client.poll(self._sid)
            if answer.status != 200:
                raise Ended
            self._polled.extend(framing.decode_body(answer.body, "text/plain"))
        if (packet := self._polled.popleft()) == "1":
            raise Ended
        return packet

    async def close(self) -> None:
        """Part of Way."""
        await self.send(["1"])

    async def vanish(self) -> None:
        """Part of Way."""
        (await self._raw_client.start("GET", sid=self._sid)).abort()


async def by_websocket(raw_client: RawClient) -> Way:
    """Open a WebSocket."""
    return WebSocketWay(await raw_client.websocket())


async def by_polling(raw_client: RawClient) -> Way:
    """Open a polling session."""
    answer = await raw_client.ask("GET")
    sid = json.loads(answer.text[1:])["sid"]
    return PollingWay(raw_client, sid, [answer.text])


async def by_upgrade(raw_client: RawClient) -> Way:
    """Open a polling session and upgrade it at once."""
    answer = await raw_client.ask("GET")
    try:
        socket = await upgraded(raw_client, json.loads(answer.text[1:])["sid"])
    except (ConnectionClosed, InvalidStatus):
        raise Ended from None
    return WebSocketWay(socket, [answer.text])


WAYS: dict[str, Callable[[RawClient], Awaitable[Way]]] = {
    "websocket": by_websocket,
    "polling": by_polling,
    "upgraded": by_upgrade,
}


class Client:
    """Speaks Socket.IO over any way, in `namespace` if nothing else is said.

    What comes while something else is waited for stays to be received.
    """

    def __init__(self, way: Way, namespace: str = "/") -> None:
        self.way = way
        self.namespace = namespace
        self.handshake: dict[str, Any] = {}
        self.sids: dict[str, str] = {}
        self._ids = itertools.count(1)
        self._packets: deque[Packet] = deque()

    async def open(self) -> "Client":
        """Read the handshake."""
        self.handshake = json.loads(str(await self.way.receive())[1:])
        return self

    @property
    def id(self) -> str:
        """The public id of this client's socket."""
        return self.sids[self.namespace]

    async def join(self, namespace: str | None = None, auth: dict[str, Any] | None = None) -> Packet:
        """Connect to a namespace and return the answer."""
        namespace = namespace or self.namespace
        await self.send(Packet(PacketType.CONNECT, namespace, auth))
        kinds = {PacketType.CONNECT, PacketType.CONNECT_ERROR}
        answer = await self.receive_first(lambda packet: packet.type in kinds and packet.namespace == namespace)
        self.sids[namespace] = answer.data.get("sid", "")
        return answer

    async def emit(self, *args: Any, namespace: str | None = None) -> None:
        """Send an event, its name first."""
        await self.send(Packet(PacketType.EVENT, namespace or self.namespace, list(args)))

    async def call(self, *args: Any, namespace: str | None = None) -> list[Any]:
        """Send an event and return the arguments of its ack."""
        ack_id = next(self._ids)
        await self.send(Packet(PacketType.EVENT, namespace or self.namespace, list(args), ack_id))
        answer = await self.receive_first(lambda packet: packet.type is PacketType.ACK and packet.id == ack_id)
        return list(answer.data)

    async def event(self, namespace: str | None = None) -> list[Any]:
        """Return name and arguments of the next event in a namespace."""
        packet = await self.receive_first(lambda packet: packet.namespace == (namespace or self.namespace))
        assert packet.type is PacketType.EVENT, packet
        return list(packet.data)

    async def send(self, *packets: Packet) -> None:
        """Send Socket.IO packets with their attachments."""
        messages = [message for packet in packets for message in encode_packet(packet)]
        await self.way.send([f"4{message}" if isinstance(message, str) else message for message in messages])

    async def receive(self) -> Packet:
        """Return the next Socket.IO packet."""
        return self._packets.popleft() if self._packets else await self._receive()

    async def receive_first(self, wanted: Callable[[Packet], bool]) -> Packet:
        """Return the first packet that is wanted, leaving the others."""
        for packet in self._packets:
            if wanted(packet):
                self._packets.remove(packet)
                return packet
        while not wanted(packet := await self._receive()):
            self._packets.append(packet)
        return packet

    async def end(self) -> list[Packet]:
        """Return all packets that come until the server closes."""
        packets = []
        try:
            while True:
                packets.append(await self.receive())
        except Ended:
            return packets

    async def _receive(self) -> Packet:
        while (encoded := await self.way.receive()) in ("2", "6"):
            if encoded == "2":
                await self.way.send(["3"])
        assert isinstance(encoded, str)
        assert encoded.startswith("4"), encoded
        packet = decode_packet(encoded[1:])
        attachments = [await self.way.receive() for _ in range(packet.attachments)]
        return fill_placeholders(packet, [data for data in attachments if isinstance(data, bytes)])
