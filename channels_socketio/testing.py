"""A test client that speaks Socket.IO, on Channels' WebsocketCommunicator.

communicator = SocketIOCommunicator(application, cookies={"sessionid": key})
assert await communicator.connect() == (True, None)
await communicator.join("/pots/green")
ack = await communicator.call("pour", 2, namespace="/pots/green")
event = await communicator.receive_event()
await communicator.disconnect()
"""

import itertools
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from channels.testing import WebsocketCommunicator

from .protocol.packets import Packet, PacketType, decode_packet, encode_packet, fill_placeholders


class SocketIOCommunicator(WebsocketCommunicator):
    """One client. Times are in seconds; every wait that is in vain raises TimeoutError or AssertionError.

    `handshake` is the server's open packet, a dictionary, after `connect`; `sids` holds the socket ids by
    namespace, after `join`.
    """

    def __init__(
        self,
        application: Any,
        path: str = "/socket.io/?EIO=4&transport=websocket",
        cookies: Mapping[str, str] | None = None,
        headers: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        pairs = "; ".join(f"{name}={value}" for name, value in (cookies or {}).items())
        cookie = [(b"cookie", pairs.encode("latin-1"))] if pairs else []
        super().__init__(application, path, [*(headers or []), *cookie])
        self.handshake: dict[str, Any] = {}
        self.sids: dict[str, str] = {}
        self._ids = itertools.count(1)
        self._packets: deque[Packet] = deque()

    async def connect(self, timeout: float = 5) -> tuple[bool, int | str | None]:
        """Open the engine session; return (True, None), or (False, close code) when the server refuses."""
        accepted, detail = await super().connect(timeout)
        if accepted:
            opened = await self.receive_from(timeout)
            self.handshake = json.loads(str(opened)[1:])
        return accepted, detail

    async def join(self, namespace: str = "/", auth: Any = None, timeout: float = 5) -> dict[str, Any]:
        """Connect to a namespace and return the answer: `{"sid"}`, or `{"message", "data"}` after a refusal."""
        await self.send_packet(Packet(PacketType.CONNECT, namespace, auth))
        packet = await self.receive_packet(timeout)
        if packet.type is PacketType.CONNECT:
            self.sids[namespace] = packet.data["sid"]
        return dict(packet.data)

    async def emit(self, event: str, *args: Any, namespace: str = "/") -> None:
        """Send an event."""
        await self.send_packet(Packet(PacketType.EVENT, namespace, [event, *args]))

    async def call(self, event: str, *args: Any, namespace: str = "/", timeout: float = 5) -> Any:
        """Send an event and return the first argument of its ack; what comes before stays to be received."""
        ack_id = next(self._ids)
        await self.send_packet(Packet(PacketType.EVENT, namespace, [event, *args], ack_id))
        before: list[Packet] = []
        while (packet := await self.receive_packet(timeout)).type is not PacketType.ACK or packet.id != ack_id:
            before.append(packet)
        self._packets.extendleft(reversed(before))
        return packet.data[0] if packet.data else None

    async def receive_event(self, timeout: float = 5) -> list[Any]:
        """Return name and arguments of the next event, of any namespace."""
        packet = await self.receive_packet(timeout)
        assert packet.type is PacketType.EVENT, f"expected an event, got {packet}"  # noqa: S101
        return list(packet.data)

    async def send_packet(self, packet: Packet) -> None:
        """Send a Socket.IO packet with its attachments."""
        for message in encode_packet(packet):
            if isinstance(message, str):
                await self.send_input({"type": "websocket.receive", "text": f"4{message}"})
            else:
                await self.send_input({"type": "websocket.receive", "bytes": message})

    async def receive_packet(self, timeout: float = 5) -> Packet:
        """Return the next Socket.IO packet; pings are answered on the way."""
        if self._packets:
            return self._packets.popleft()
        while (frame := await self.receive_from(timeout)) == "2":
            await self.send_to("3")
        assert isinstance(frame, str) and frame[0] == "4", f"expected a message, got {frame!r}"  # noqa: S101, PT018
        packet = decode_packet(frame[1:])
        frames = [await self.receive_from(timeout) for _ in range(packet.attachments)]
        attachments = [b"" if isinstance(frame, str) else frame for frame in frames]
        return fill_placeholders(packet, attachments) if packet.attachments else packet
