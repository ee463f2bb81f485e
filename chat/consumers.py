"""The chat's side of a socket: who is there, and what is said."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import msgspec

from channels_socketio import BANNED, EndReason, Reason, Refusal, Refused, SocketIOConsumer, on, require_login_session
from chat.bans import ban_list
from chat.limits import count_message
from chat.live_connections import keep_live_connections
from chat.log import MessageLog
from chat.names import display_name, is_named
from chat.presence import RoomPresence, current_presence, person_of
from chat.rooms import room_of
from chat.services import Draft, Receipt, clean_text
from chat.writer import current_writer

REST = 0.1  # seconds between a message that is too many and its refusal, in which the socket's next events wait


class SendChat(msgspec.Struct):
    """What a client says: `msg`, 1 to 2000 characters after trimming; `id`, a UUID of the client's choice.

    Whoever sends it again, not knowing whether it arrived, sends the same `id`.
    """

    msg: str
    id: UUID | None = None

    def __post_init__(self) -> None:
        self.msg = clean_text(self.msg)


async def require_name(scope: Any) -> None:
    """Refuse a handshake whose login session does not say who its visitor is, or who is banned."""
    await require_login_session(scope)
    if not is_named(scope["session"]):
        raise Refused("no name", Refusal.NO_SESSION.message)
    # Looking up the login session has refreshed the list.
    if scope["session"].row.visitor.banned or ban_list.covers(scope["handshake"].address):
        raise Refused("banned", Refusal.BANNED.message)
    scope["session"].row = None  # a socket keeps the session, of whose memory the row is most


def may_not_stay(scope: Any) -> EndReason | None:
    """Return why a connection must end whose login session is live."""
    # The look at the login session has read the list, which is empty nearly always; to find an address costs more.
    return BANNED if not ban_list.empty and ban_list.covers(scope["handshake"].address) else None


class ChatConsumer(SocketIOConsumer):
    """One visitor in one room."""

    namespaces = ["/", "/rooms/<room:slug>"]
    refusal_event = "chat error"
    log = MessageLog()
    presence: RoomPresence | None = None  # while the visitor is counted as being here

    async def connect(self, auth: dict[str, Any]) -> None:
        """Note under which name the visitor is here, and in which room."""
        self.room = room_of(self.kwargs)
        self.name = str(display_name(self.session, self.user))
        self.spoke = False
        self.writer = current_writer()

    async def welcome(self, head: int) -> None:
        """Tell the visitor so, and the number of the room's newest message."""
        await self.emit("welcome", {"name": self.name, "room": self.room, "head": head}, self.offset)

    async def renamed(self) -> None:
        """Tell the visitor under which name the next message appears, if it is another one."""
        self.session.row = None
        name = str(display_name(self.session, self.user))
        if name == self.name:
            return
        self.name = name
        if self.presence is not None:
            self.presence.rename(self, self.person)
        await self.welcome(self.head)

    async def gap(self, first: int, last: int) -> None:
        """Tell a visitor who was away for long what the page must fetch by HTTP."""
        await self.emit("history gap", {"room": self.room, "from": first, "to": last}, self.offset)

    def entered(self) -> None:
        """Count the visitor, and have the connection written into the database."""
        keep_live_connections()
        self.person = person_of(self.session, self.user)
        self.presence = current_presence()
        self.presence.enter(self, self.person)

    async def disconnect(self, reason: str) -> None:
        """Count the visitor no more."""
        if self.presence is not None:
            self.presence.stop_typing(self.room, self.person)
            # A guest who logs in comes back as the user; the guest does not.
            logs_in = reason == Reason.SESSION_ROTATED.text and not self.user.is_authenticated
            self.presence.leave(self.room, self.person, grace=0 if logs_in else None)

    @on("typing")
    async def typing(self, *ignored: Any) -> None:
        """Let the room know that the visitor is typing."""
        if self.presence is not None:
            self.presence.type(self.room, self.person, self.name)

    @on("send chat")
    async def send_chat(self, message: SendChat) -> "asyncio.Future[Receipt]":
        """Have a message stored; once it is on disk, the sender has the receipt and everybody in the room the message.

        The sender's next messages are taken meanwhile, so that they may share a transaction.
        """
        visitor = self.session["visitor"]
        await self._count(visitor)
        self.spoke = True
        if self.presence is not None and self.room in self.presence.typing_state.rooms:
            self.presence.stop_typing(self.room, self.person)
        draft = Draft(self.room, self.name, message.msg, visitor, message.id or uuid4())
        return self.writer.send(draft)

    async def _count(self, visitor: int) -> None:
        """Count a message of the visitor; raises Refused, after a rest.

        Who waits for answers before sending more is slowed down by it, and who does not is read from no more once
        enough waits. So a flood leaves the event loop its time.
        """
        try:
            await count_message(visitor, first=not self.spoke and self.head == 0)
        except Refused:
            if not self.leaving:
                await asyncio.sleep(REST)
            raise
