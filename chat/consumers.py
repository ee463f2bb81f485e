"""The chat's side of a socket: who is there, and what is said."""

from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

import msgspec

from channels_socketio.admission import require_login_session
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.refusal import Refused
from chat.names import display_name, is_named
from chat.rooms import room_of

LONGEST_TEXT = 2000


class SendChat(msgspec.Struct):
    """What a client says: `msg`, 1 to 2000 characters after trimming; `id`, a UUID of the client's choice."""

    msg: str
    id: UUID | None = None

    def __post_init__(self) -> None:
        self.msg = self.msg.strip()
        if not 1 <= len(self.msg) <= LONGEST_TEXT:
            raise ValueError(f"expected 1 to {LONGEST_TEXT} characters, got {len(self.msg)}")


class Receipt(msgspec.Struct):
    """The ack of a message that was sent on. `at`: ISO 8601, UTC."""

    at: str
    id: str
    ok: Literal[True] = True


async def require_name(scope: Any) -> None:
    """Refuse a handshake whose login session does not say who its visitor is."""
    await require_login_session(scope)
    if not is_named(scope["session"]):
        raise Refused("no name", "Session unknown or expired.")
    scope["session"].row = None  # a socket keeps the session, of whose memory the row is most


class ChatConsumer(SocketIOConsumer):
    """One visitor in one room."""

    namespaces = ["/", "/rooms/<room:slug>"]
    refusal_event = "chat error"

    async def connect(self, auth: dict[str, Any]) -> None:
        """Tell the visitor under which name and in which room it is."""
        self.room = room_of(self.kwargs)
        self.name = str(display_name(self.session, self.user))
        await self.emit("welcome", {"name": self.name, "room": self.room, "head": 0})

    @on("send chat")
    async def send_chat(self, message: SendChat) -> Receipt:
        """Send a message on to everybody in the room, with the name in front."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        receipt = Receipt(at=at, id=str(message.id or uuid4()))
        await self.broadcast(
            "new chat",
            {
                "msg": f"{self.name}: {message.msg}",
                "name": self.name,
                "text": message.msg,
                "room": self.room,
                "at": receipt.at,
                "id": receipt.id,
            },
        )
        return receipt
