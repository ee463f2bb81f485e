"""What clients hear of a room's log: the events of contract section 5 as items of a log."""

from datetime import UTC, datetime
from uuid import UUID

from channels_socketio.history.log import Item, Position

NEW_CHAT = "new chat"
CHAT_DELETED = "chat deleted"


def iso(at: datetime) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def message_item(room: str, position: Position, name: str, text: str, at: str, client_id: UUID) -> Item:
    """Return the message with the number `position.seq` as an item."""
    data = {
        "msg": f"{name}: {text}",
        "name": name,
        "text": text,
        "room": room,
        "seq": position.seq,
        "at": at,
        "id": str(client_id),
    }
    return Item(position, NEW_CHAT, data)


def deletion_item(room: str, position: Position, seq: int) -> Item:
    """Return the deletion of the message `seq` as an item."""
    return Item(position, CHAT_DELETED, {"room": room, "seq": seq}, deletes=seq)
