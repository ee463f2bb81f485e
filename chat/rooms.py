"""What a room is called, in addresses and in namespaces, and what its clients hear: the events of its log."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.urls import register_converter
from django.urls.converters import StringConverter

from channels_socketio import Item, Position

LOBBY = "lobby"
SLUG = "[a-z0-9-]{1,50}"
NEW_CHAT = "new chat"
CHAT_DELETED = "chat deleted"


class RoomConverter(StringConverter):
    """The slug of a room other than the lobby, which has the address `/`: 1 to 50 of a-z, 0-9 and the hyphen."""

    regex = rf"(?!{LOBBY}(?:/|\Z)){SLUG}"


class LogConverter(StringConverter):
    """The slug of any room, the lobby too."""

    regex = SLUG


register_converter(RoomConverter, "room")
register_converter(LogConverter, "log")


def room_of(kwargs: dict[str, Any]) -> str:
    """Return the slug for what a namespace's pattern captured."""
    return str(kwargs.get("slug", LOBBY))


def namespace_of(slug: str) -> str:
    """Return the namespace of a room."""
    return "/" if slug == LOBBY else f"/rooms/{slug}"


def slug_of(namespace: str) -> str:
    """Return the slug of the room that is this namespace."""
    return LOBBY if namespace == "/" else namespace.removeprefix("/rooms/")


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
