"""What is said: the only writer of rooms and messages.

Every message goes through `commit`, which takes many at once: those of a process that came while its last transaction
ran (see `writer.py`), or one, of a view or a command. In the transaction, in this order:

1. Repeats are found by (visitor, id), also those inside the batch: they get the first one's receipt and store
   nothing.
2. New rooms are made, then all rooms of the batch are locked in the order of their primary keys, so that two
   processes wait for each other and never in a circle. SQLite has one writer at a time anyway.
3. Under the locks the messages get the next numbers. So numbers have no holes and follow the order of commit: a
   number is given out only once its predecessor is committed or taken back.

A repeat that another process is storing at the same moment passes the first step and fails at the unique constraint;
so do the messages of a visitor deleted meanwhile. Then each message of the batch is tried for itself, and by then the
repeat is found. A lock for each visitor would avoid this, for a query in every batch against what hardly ever
happens.

The statements are plain SQL: Django's `bulk_create` costs three to five times as much processor time for each row
(50 µs against 11 on SQLite), and building its queries anew for every transaction doubles the price of a lone message.
"""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal, NamedTuple
from uuid import UUID, uuid4

import msgspec
from django.db import DataError, IntegrityError, connection, transaction
from django.utils import timezone

from channels_socketio import Item, Position, Refusal, Refused, session_gone
from channels_socketio import announce as announce_item
from chat.models import FOREVER, Message, Room, lies_ahead
from chat.rooms import deletion_item, iso, message_item, namespace_of
from chat.sql import FIND_REPEATS, FIND_ROOMS, FIND_VISITORS, INSERT_MESSAGE, LOCK, MOVE_HEAD

LONGEST_TEXT = 2000

TRIES = 3
UNSTORABLE = (IntegrityError, DataError, UnicodeError)  # what one draft can do to a transaction

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draft:
    """A message to be stored; `text` is what `clean_text` returned, `visitor` a primary key or nobody's.

    `client_id` makes a repeat by the same visitor known.
    """

    room: str
    name: str
    text: str
    visitor: int | None = None
    client_id: UUID = field(default_factory=uuid4)

    @property
    def key(self) -> tuple[int | None, UUID]:
        """What a repeat shares with the first."""
        return self.visitor, self.client_id


class Receipt(msgspec.Struct, frozen=True):
    """The ack of a message that is stored. `at`: ISO 8601, UTC."""

    seq: int
    at: str
    id: str
    ok: Literal[True] = True


class Announcement(NamedTuple):
    """What live clients have to hear: the arguments of `announce`."""

    namespace: str
    item: Item


class Committed(NamedTuple):
    """What became of each draft, in their order, and what there is to announce, in the order of the log."""

    outcomes: list[Receipt | Refused]
    announcements: list[Announcement]


def clean_text(text: str) -> str:
    """Return `text` trimmed; raises ValueError when it is no message."""
    text = text.strip()
    if not 1 <= len(text) <= LONGEST_TEXT:
        raise ValueError(f"expected 1 to {LONGEST_TEXT} characters, got {len(text)}")
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("expected text without NUL characters and half surrogate pairs, which cannot be stored")
    return text


def announce(announcement: Announcement) -> None:
    """Put what is committed before all live clients."""
    announce_item(*announcement)


def post(draft: Draft) -> Receipt:
    """Store one message and announce it once the current transaction, if any, commits. For synchronous code.

    The room stays locked until then. Raises Refused and DatabaseError.
    """
    (outcome,), announcements = commit([draft])
    for announcement in announcements:
        transaction.on_commit(partial(announce, announcement), robust=True)
    if isinstance(outcome, Refused):
        raise outcome
    return outcome


def delete_message(room: str, seq: int) -> bool:
    """Take a message back and overwrite its text; clients hear of it once the current transaction, if any, commits.

    Returns whether this did it: False for a message that is deleted already or never was.
    """
    with transaction.atomic():
        locked = Room.objects.select_for_update().filter(slug=room).first()
        if locked is None:
            return False
        deletion = locked.deletions + 1
        found = Message.objects.filter(room=locked, seq=seq, deletion=None)
        if not found.update(deletion=deletion, deleted_at=timezone.now(), text=""):
            return False
        Room.objects.filter(pk=locked.pk).update(deletions=deletion)
        item = deletion_item(room, Position(locked.head, deletion), seq)
        transaction.on_commit(partial(announce, Announcement(namespace_of(room), item)), robust=True)
    return True


def commit(drafts: Sequence[Draft]) -> Committed:
    """Store drafts in one transaction; the caller announces the news.

    A draft that cannot be stored is refused alone. Raises DatabaseError, with none of them stored, when
    the database does not work, or when it cannot be known whether they were.
    """
    try:
        return store(drafts)
    except UNSTORABLE:
        parts = [store_alone(draft) for draft in drafts]
    return Committed(
        [part.outcomes[0] for part in parts], [announcements for part in parts for announcements in part.announcements]
    )


def store_alone(draft: Draft) -> Committed:
    """Store one draft, or refuse it when the database does not take it.

    Another process may be storing the same at this moment too: once it has, the repeat is found.
    """
    for _ in range(TRIES):
        try:
            return store([draft])
        except UNSTORABLE as failure:
            error = failure
    logger.warning("A message in %s cannot be stored: %s", draft.room, type(error).__name__)
    return Committed([Refused("invalid", "The message cannot be stored.")], [])


def store(drafts: Sequence[Draft]) -> Committed:
    """Store drafts, all or, with an exception, none."""
    with transaction.atomic():
        keys = [draft.key for draft in drafts]
        outcomes: dict[Any, Receipt | Refused] = dict(find_repeats(drafts))
        refusals = find_refusals(drafts)
        fresh: dict[Any, Draft] = {}
        for key, draft in zip(keys, drafts, strict=True):
            if draft.visitor in refusals:
                outcomes.setdefault(key, refusals[draft.visitor])
            elif key not in outcomes:
                fresh.setdefault(key, draft)
        receipts, announcements = append(list(fresh.values()))
    outcomes.update(zip(fresh, receipts, strict=True))
    return Committed([outcomes[key] for key in keys], announcements)


def append(drafts: Sequence[Draft]) -> tuple[list[Receipt], list[Announcement]]:
    """Write drafts behind the ends of their rooms' logs."""
    rooms = lock_rooms({draft.room for draft in drafts})
    now = timezone.now()
    at = now.replace(microsecond=now.microsecond // 1000 * 1000)
    shown, moment = iso(at), connection.ops.adapt_datetimefield_value(at)
    rows, receipts, announcements = [], [], []
    for draft in drafts:
        room = rooms[draft.room]
        room.head += 1
        position = Position(room.head, room.deletions)
        item = message_item(room.slug, position, draft.name, draft.text, shown, draft.client_id)
        rows.append((room.pk, room.head, draft.visitor, plain(draft.client_id), draft.name, draft.text, moment))
        receipts.append(Receipt(seq=room.head, at=shown, id=item.data["id"]))
        announcements.append(Announcement(namespace_of(room.slug), item))
    with connection.cursor() as cursor:
        cursor.executemany(INSERT_MESSAGE, rows)
        cursor.executemany(MOVE_HEAD, [(room.head, room.pk) for room in rooms.values()])
    return receipts, announcements


def lock_rooms(slugs: Collection[str]) -> dict[str, Room]:
    """Return the rooms, made if need be, locked to the end of the transaction."""
    rooms = find_rooms(slugs)
    if missing := set(slugs) - set(rooms):
        # In one order everywhere: two processes that make the same rooms wait for each other.
        Room.objects.bulk_create([Room(slug=slug) for slug in sorted(missing)], ignore_conflicts=True)
        rooms = find_rooms(slugs)
    return rooms


def find_rooms(slugs: Collection[str]) -> dict[str, Room]:
    """Return those of the rooms that exist, locked in the order of their primary keys."""
    lock = LOCK if connection.features.has_select_for_update else ""  # SQLite's transaction is the lock
    rows = select(FIND_ROOMS + lock, slugs)
    return {slug: Room(pk=pk, slug=slug, head=head, deletions=deletions) for pk, slug, head, deletions in rows}


def find_refusals(drafts: Iterable[Draft]) -> dict[int | None, Refused]:
    """Return, of those visitors who may not say anything, why not: banned, muted, or not there any more."""
    wanted = {draft.visitor for draft in drafts if draft.visitor is not None}
    rows = select(FIND_VISITORS, wanted)
    refusals: dict[int | None, Refused] = {}
    for pk, banned_until, muted_until in rows:
        wanted.remove(pk)
        if banned_until is None and muted_until is None:
            continue
        if (refusal := refusal_of(aware(banned_until), aware(muted_until))) is not None:
            refusals[pk] = refusal
    for pk in wanted:
        refusals[pk] = session_gone()
    return refusals


def refusal_of(banned_until: datetime | None, muted_until: datetime | None) -> Refused | None:
    """Return what a visitor with these hears instead of a receipt, None who may speak."""
    if lies_ahead(banned_until):
        return Refused("banned", Refusal.BANNED.message)
    if not lies_ahead(muted_until):
        return None
    end = "" if muted_until == FOREVER else f" until {muted_until.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Refused("muted", f"You are muted{end}.")


def find_repeats(drafts: Iterable[Draft]) -> dict[tuple[int, UUID], Receipt]:
    """Return the receipts of those drafts that are stored already."""
    wanted = [
        value for draft in drafts if draft.visitor is not None for value in (draft.visitor, plain(draft.client_id))
    ]
    statement = FIND_REPEATS.format(", ".join(["(%s, %s)"] * (len(wanted) // 2)))
    found = {}
    for visitor, client_id, seq, at in select(statement, wanted):
        known = client_id if isinstance(client_id, UUID) else UUID(client_id)
        found[visitor, known] = Receipt(seq=seq, at=iso(aware(at)), id=str(known))
    return found


def select(statement: str, values: Collection[Any]) -> list[tuple[Any, ...]]:
    """Return the rows of a query, which has `{}` for a placeholder of each value; none without values."""
    if not values:
        return []
    with connection.cursor() as cursor:
        cursor.execute(statement.format(", ".join(["%s"] * len(values))), list(values))
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def aware(value: Any) -> Any:
    """Return a time, or None, as the database gives it, as one with a time zone: SQLite has text, or none, in UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment


def plain(client_id: UUID) -> UUID | str:
    """Return an id as the database takes it: SQLite has no type for it."""
    return client_id if connection.features.has_native_uuid_field else client_id.hex
