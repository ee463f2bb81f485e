"""The rooms' logs, to be read: by the feeds of live sockets, and by pages that want older messages.

What is read is the log as it was when its end was read: first a room's row, then what is not behind that end. Rows
of entries that are not deleted never change, so the two queries need no transaction around them. Entries deleted
in between are left out; their deletion is behind the page's position and still to come. Entries whose rows were
removed (`chat.erasure`) are left out as well, and nothing is to come.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec
from django.db.models import QuerySet

from channels_socketio import NEWEST, Item, Page, Position, count_fitting
from chat.database import DatabaseThread
from chat.models import Message, Room
from chat.rooms import deletion_item, iso, message_item, namespace_of, slug_of

ROOMS_AT_ONCE = 500  # in one query

START = Position(0, 0)
thread = DatabaseThread("chat-reader")


class MessageLog:
    """The log of the rooms, as `channels_socketio.history.log.Log` has it; `chat.services` writes it."""

    async def newest(self, namespace: str) -> Page:
        return await thread.run(newest, slug_of(namespace))

    async def after(self, namespace: str, position: Position, limit: int) -> Page:
        return await thread.run(after, slug_of(namespace), position, limit)

    async def positions(self, namespaces: Collection[str]) -> Mapping[str, Position]:
        return await thread.run(positions, [slug_of(namespace) for namespace in namespaces])


def newest(slug: str, count: int = NEWEST) -> Page:
    """Return the newest messages of a room."""
    room = find(slug)
    if room is None:
        return Page(START, [], START)
    end = Position(room.head, room.deletions)
    messages = list(shown(room).order_by("-seq")[:count])[::-1]
    before = messages[0].seq - 1 if messages else room.head
    return Page(Position(before, room.deletions), items(room, messages, room.deletions), end)


def after(slug: str, position: Position, limit: int) -> Page:
    """Return what came after `position`: at most `limit` deletions, then at most `limit` messages."""
    room = find(slug)
    if room is None:
        return Page(position, [], START)
    deleted = deletions(room, position, limit)
    count = min(position.deletions + len(deleted), room.deletions)
    messages = list(shown(room).filter(seq__gt=position.seq).order_by("seq")[:limit])
    seq = messages[-1].seq if len(messages) == limit else room.head
    return Page(position, [*deleted, *items(room, messages, count)], Position(seq, count))


def positions(slugs: list[str]) -> dict[str, Position]:
    """Return the ends of the logs of those rooms that have one, by namespace."""
    ends = {}
    for start in range(0, len(slugs), ROOMS_AT_ONCE):
        rooms = Room.objects.filter(slug__in=slugs[start : start + ROOMS_AT_ONCE])
        for slug, head, deletions in rooms.values_list("slug", "head", "deletions"):
            ends[namespace_of(slug)] = Position(head, deletions)
    return ends


def older(slug: str, before: int | None, limit: int) -> tuple[list[Item], int | None]:
    """Return at most `limit` messages before the number `before`, by default the newest, oldest first.

    Of long ones there are fewer, at least one: see `count_fitting`. With them comes the number to ask for next,
    None when there are no older ones.
    """
    room = find(slug)
    if room is None:
        return [], None
    found = shown(room).filter(seq__lt=room.head + 1 if before is None else before)
    messages = list(found.order_by("-seq")[: limit + 1])
    page = items(room, messages[:limit], room.deletions)
    page = page[: count_fitting(len(msgspec.json.encode(item.data)) for item in page)]
    return page[::-1], page[-1].position.seq if len(messages) > len(page) else None


def find(slug: str) -> Room | None:
    """Return the room, with the end of its log at this moment; None as long as nothing was said there."""
    return Room.objects.filter(slug=slug).first()


def shown(room: Room) -> QuerySet[Message]:
    """Return the messages up to the room's end that are not deleted."""
    return Message.objects.filter(room_id=room.pk, seq__lte=room.head, deletion=None)


def deletions(room: Room, position: Position, limit: int) -> list[Item]:
    """Return the oldest deletions after `position`."""
    found = Message.objects.filter(room_id=room.pk, deletion__gt=position.deletions, deletion__lte=room.deletions)
    seqs = found.order_by("deletion").values_list("seq", flat=True)[:limit]
    return [
        deletion_item(room.slug, Position(position.seq, number), seq)
        for number, seq in enumerate(seqs, position.deletions + 1)
    ]


def items(room: Room, messages: Iterable[Message], deletions: int) -> list[Item]:
    """Return messages as items behind so many deletions."""
    return [
        message_item(
            room.slug,
            Position(message.seq, deletions),
            message.name,
            message.text,
            iso(message.at),
            message.client_id,
        )
        for message in messages
    ]
