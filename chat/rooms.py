"""What a room is called: in addresses, in namespaces and in events."""

from typing import Any

from django.urls import register_converter

LOBBY = "lobby"


class RoomConverter:
    """The slug of a room other than the lobby, which has the address `/`: 1 to 50 of a-z, 0-9 and the hyphen."""

    regex = rf"(?!{LOBBY}(?:/|\Z))[a-z0-9-]{{1,50}}"

    def to_python(self, value: str) -> str:
        """Return the slug."""
        return value

    def to_url(self, value: str) -> str:
        """Return the slug."""
        return value


register_converter(RoomConverter, "room")


def room_of(kwargs: dict[str, Any]) -> str:
    """Return the slug for what a namespace's pattern captured."""
    return str(kwargs.get("slug", LOBBY))


def namespace_of(slug: str) -> str:
    """Return the namespace of a room."""
    return "/" if slug == LOBBY else f"/rooms/{slug}"
