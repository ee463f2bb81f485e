"""Erasing for good: messages that are too old, and everything about one visitor.

There are two ways to erase a message.

Deleting it (`services.delete_message`) overwrites the text, counts the deletion, and tells every client. The row stays:
the number of the deletion in it tells clients that were away. A client that missed more than `RECOVERY_LIMIT` deletions
comes back as a new one.

Removing its row tells nobody. The room's row still has the end of the log, so no number is used again. Readers of the
log take the message for one that was deleted long ago. But open pages and the caches of processes go on showing it,
and a browser that sends it again would have it stored again.

So an old message is removed if no open page shows it and no browser keeps it. Otherwise it is deleted. Deleting all of
them would cost an event for each message and client, and would take recovery from every client that was away for a
night. Rows of deleted messages are never removed, because deletions are numbered without holes. They lose the name and
the visitor instead.

All work is done in batches, each a transaction of its own, so that nobody waits for long. After an interruption the
same call does the rest.
"""

import logging
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.admin.models import DELETION, LogEntry
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from chat import moderation
from chat.models import LoginSession, Message, Room, Visitor
from chat.services import delete_message

BATCH = 100  # messages in one transaction, which others wait for
ON_PAGES = 2000  # newest messages of a room that open pages may show: KEPT_READING in static/chat/log.js
REPEATS = timedelta(days=7)  # after which no browser sends a message again: OUTBOX_MS in static/chat/outbox.js

logger = logging.getLogger(__name__)


class Forgotten(NamedTuple):
    """How much was erased of a visitor."""

    messages: int
    login_sessions: int


def clear_messages(before: datetime) -> int:
    """Erase the messages from before that time; return how many.

    Those that were deleted before lose name and visitor, and are not counted.
    """
    unrepeatable = min(before, timezone.now() - REPEATS)
    cleared = 0
    for room in all_rooms():
        cleared += clear_room(room, before, unrepeatable)
        take_names(room, unrepeatable)
    truncate_wal()
    return cleared


def all_rooms() -> Iterator[Room]:
    """Yield the rooms, which may be many, without a cursor that stays open."""
    last = 0
    while batch := list(Room.objects.filter(pk__gt=last).order_by("pk")[:BATCH]):
        yield from batch
        last = batch[-1].pk


def clear_room(room: Room, before: datetime, unrepeatable: datetime) -> int:
    """Erase the messages of one room from before that time; those before `unrepeatable` may be removed."""
    shown = Message.objects.filter(room=room, deletion=None)
    on_pages = next(iter(shown.order_by("-seq").values_list("seq", flat=True)[ON_PAGES - 1 : ON_PAGES]), 0)
    cleared = 0
    while batch := oldest(shown, before):
        removable = [seq for seq, at in batch if seq < on_pages and at < unrepeatable]
        with transaction.atomic():
            shown.filter(seq__in=removable).delete()
            for seq in sorted({seq for seq, _ in batch}.difference(removable)):
                delete_message(room.slug, seq)
        cleared += len(batch)
    return cleared


def oldest(shown: QuerySet[Message], before: datetime) -> list[tuple[int, datetime]]:
    """Return number and time of a room's next messages to be cleared.

    Clocks of several machines differ, so a message may be older than the one before it. It is found in the same batch,
    or by the next call.
    """
    rows = shown.order_by("seq").values_list("seq", "at")[:BATCH]
    return [(seq, at) for seq, at in rows if at < before]


def take_names(room: Room, before: datetime) -> None:
    """Take name and visitor from the rows of deleted messages from before that time."""
    deleted = Message.objects.filter(room=room, deletion__isnull=False)
    last = 0
    while batch := list(
        deleted.filter(deletion__gt=last).order_by("deletion").values_list("deletion", flat=True)[:BATCH]
    ):
        named = deleted.filter(deletion__in=batch, at__lt=before).exclude(name="", visitor=None)
        named.update(name="", visitor=None)
        last = batch[-1] or last


def forget(visitor: int, by: AbstractBaseUser | None = None) -> Forgotten:
    """Erase a visitor: login sessions end, messages are deleted and lose the name, and the row goes with the name held.

    The log says so, and the console's history if it is known who did it. Raises Visitor.DoesNotExist.
    """
    with transaction.atomic():
        Visitor.objects.select_for_update().get(pk=visitor)
        moderation.mute([visitor])  # so that nothing more is stored
        ended = moderation.end_login_sessions(LoginSession.objects.filter(visitor=visitor))
    erased = 0
    while not remove(visitor, by):
        erased += erase_some(visitor)
    truncate_wal()
    logger.info("Forgot visitor %d: %d message(s), %d login session(s).", visitor, erased, ended)
    return Forgotten(erased, ended)


def erase_some(visitor: int) -> int:
    """Erase messages of a visitor, at most `BATCH`; return how many."""
    batch = list(Message.objects.filter(visitor=visitor).select_related("room")[:BATCH])
    with transaction.atomic():
        moderation.delete_messages(batch)
        Message.objects.filter(pk__in=[message.pk for message in batch]).update(name="", visitor=None)
    return len(batch)


def remove(visitor: int, by: AbstractBaseUser | None) -> bool:
    """Delete the visitor's row if no message is left; return whether it is gone.

    The lock keeps out a message that is being stored at this moment. It is not held while rooms are locked, because the
    writer of messages locks in the other order.
    """
    with transaction.atomic():
        found = Visitor.objects.select_for_update().filter(pk=visitor).first()
        if found is None:
            return True
        if Message.objects.filter(visitor=visitor).exists():
            return False
        found.name = None
        history = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(Visitor), object_id=visitor)
        history.update(object_repr=str(found))
        if by is not None:
            record(found, by)
        Visitor.objects.filter(pk=visitor).delete()
    return True


def record(visitor: Visitor, by: AbstractBaseUser) -> None:
    """Write into the console's history who forgot the visitor."""
    visitors: Sequence[Visitor] = [visitor]
    LogEntry.objects.log_actions(by.pk, visitors, DELETION, "Forgotten.", single_object=False)


def truncate_wal() -> None:
    """Have SQLite's write-ahead log, which has the former contents of pages, emptied as soon as nobody reads in it."""
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
