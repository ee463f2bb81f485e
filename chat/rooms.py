"""What a room is called: in addresses, in namespaces and in events."""

from typing import Any

from django.urls import register_converter

LOBBY = "lobby"
SLUG = "[a-z0-9-]{1,50}"


class RoomConverter:
    """The slug of a room other than the lobby, which has the address `/`: 1 to 50 of a-z, 0-9 and the hyphen."""

    regex = rf"(?!{LOBBY}(?:/|\Z)){SLUG}"

    def to_python(self, value: str) -> str:
        """Return the slug."""
        return value

    def to_url(self, value: str) -> str:
        """Return the slug."""
        return value


class LogConverter(RoomConverter):
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
