"""Who is here, visitors and the login sessions that let them in; and what was said, rooms and their messages."""

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeGuard

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)  # the end of a ban or of a silence that has none


class Visitor(models.Model):
    """Somebody who opened a page; the row is the identity, `name` only the number held now.

    `name` is NULL once the number was released. Whoever holds the number next is another
    visitor: an identity is never inherited. `address` is what a ban of the visitor's address
    would ban: where the last page was opened from, as the library's `block_of` writes it.
    `chat.moderation` is the only writer of the times of ban and silence; NULL is neither.
    """

    name = models.BigIntegerField(unique=True, null=True, editable=False)
    first_seen = models.DateTimeField(default=timezone.now, editable=False)
    last_seen = models.DateTimeField(default=timezone.now, editable=False)
    address = models.CharField(max_length=50, default="", editable=False)
    banned_until = models.DateTimeField(null=True, editable=False)
    muted_until = models.DateTimeField(null=True, editable=False)

    class Meta:
        permissions = [("ban_visitor", "Can ban visitors"), ("mute_visitor", "Can mute visitors")]
        indexes = [
            models.Index(fields=["first_seen"], name="visitor_first_seen"),
            models.Index(fields=["address", "first_seen"], name="visitor_address"),
            models.Index(
                fields=["banned_until"], condition=models.Q(banned_until__isnull=False), name="visitor_banned"
            ),
            models.Index(fields=["muted_until"], condition=models.Q(muted_until__isnull=False), name="visitor_muted"),
        ]

    def __str__(self) -> str:
        return f"Visitor {self.pk}" if self.name is None else str(self.name)

    @property
    def banned(self) -> bool:
        """Whether the visitor may not come in now."""
        return lies_ahead(self.banned_until)

    @property
    def muted(self) -> bool:
        """Whether the visitor may not say anything now."""
        return lies_ahead(self.muted_until)


class AddressBan(models.Model):
    """A network, or one address as the smallest of networks, from which nobody may come in.

    `chat.moderation` is the only writer, `chat.bans` the reader. `network` is as the library's `network_of` writes it.
    """

    network = models.CharField(max_length=50, unique=True)
    until = models.DateTimeField(default=FOREVER)
    reason = models.CharField(max_length=200, blank=True)
    made = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = "banned address"
        verbose_name_plural = "banned addresses"

    def __str__(self) -> str:
        return self.network


class LoginSessionQuerySet(models.QuerySet["LoginSession"]):
    """Login sessions by whether they still let somebody in."""

    def live(self) -> "LoginSessionQuerySet":
        """Return those that have not expired."""
        return self.filter(expire_date__gt=timezone.now())

    def expired(self, since: timedelta = timedelta()) -> "LoginSessionQuerySet":
        """Return those that expired, at least `since` ago."""
        return self.filter(expire_date__lte=timezone.now() - since)


class LoginSession(AbstractBaseSession):
    """Django's session, with its visitor and user as columns.

    `chat.sessions.SessionStore` is the only writer. The primary key is a number of its own,
    because the session key is a credential and primary keys appear in addresses and logs.
    The one-to-one column is what makes a name belong to one login session only.
    """

    id = models.BigAutoField(primary_key=True)
    session_key = models.CharField(max_length=32, unique=True, editable=False)
    visitor = models.OneToOneField(
        Visitor, on_delete=models.CASCADE, null=True, editable=False, related_name="login_session"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, editable=False, related_name="login_sessions"
    )

    # Not the manager of the base class, which fills columns by their position.
    objects: ClassVar[Any] = LoginSessionQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = "login session"
        verbose_name_plural = "login sessions"

    def __str__(self) -> str:
        return f"Login session {self.pk}"

    @property
    def live(self) -> bool:
        """Whether it still lets somebody in."""
        return self.expire_date > timezone.now()

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        """Return the store that signs and reads the data of these rows."""
        from chat.sessions import SessionStore

        return SessionStore


class Room(models.Model):
    """A room that has been written in, and the end of its log.

    The row is what writers lock: whoever holds it gives out the next numbers. So `head`, the `seq` of the
    newest message, has no holes behind it, and numbers follow the order of commit; the same for `deletions`.
    """

    slug = models.CharField(max_length=50, unique=True, editable=False)
    head = models.BigIntegerField(default=0, editable=False)
    deletions = models.BigIntegerField(default=0, editable=False)

    class Meta:
        permissions = [("announce_room", "Can announce in rooms")]

    def __str__(self) -> str:
        return self.slug


class Message(models.Model):
    """What was said. `chat.services` is the only writer, but for what `chat.erasure` erases.

    `name` is the sender's as it was then, so that a message outlives the visitor; with the visitor goes only the
    key that makes a repeat known, which nobody can use any more. `deletion` is the number of the
    deletion that took the message back, counted in its room; the text is empty from then on.
    """

    room = models.ForeignKey(Room, on_delete=models.PROTECT, db_index=False, editable=False, related_name="messages")
    seq = models.BigIntegerField(editable=False)
    visitor = models.ForeignKey(
        Visitor, on_delete=models.SET_NULL, null=True, db_index=False, editable=False, related_name="messages"
    )
    client_id = models.UUIDField(editable=False)
    name = models.TextField(editable=False)
    text = models.TextField(editable=False)
    at = models.DateTimeField(editable=False)
    deletion = models.BigIntegerField(null=True, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        # Each read is a range of one of these; the columns of foreign keys come first in them, so that those need none.
        constraints = [
            models.UniqueConstraint(fields=["room", "seq"], name="message_seq"),
            models.UniqueConstraint(fields=["visitor", "client_id"], name="message_client_id"),
            models.UniqueConstraint(
                fields=["room", "deletion"], condition=models.Q(deletion__isnull=False), name="message_deletion"
            ),
        ]
        indexes = [
            models.Index(fields=["room", "seq"], condition=models.Q(deletion__isnull=True), name="message_shown"),
            models.Index(fields=["at"], name="message_at"),
        ]

    def __str__(self) -> str:
        return f"{self.room} {self.seq}"


class ServerProcess(models.Model):
    """A process that serves sockets, as long as its heartbeats come: `chat.live_connections` writes them.

    The times are the database's, so that the clocks of several machines need not agree.
    """

    id = models.CharField(max_length=16, primary_key=True, editable=False)
    name = models.CharField(max_length=100, editable=False)
    heartbeat = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        verbose_name_plural = "server processes"

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def oldest_heartbeat() -> Any:
        """Return the time, as an expression, before which the heartbeat of a process that lives cannot be."""
        return Now() - timedelta(seconds=settings.CHAT_LEASE)


class LiveConnectionQuerySet(models.QuerySet["LiveConnection"]):
    """Connections by whether anybody vouches for them."""

    def live(self) -> "LiveConnectionQuerySet":
        """Return those of processes that live: what a process leaves behind that was killed is none."""
        return self.filter(process__heartbeat__gte=ServerProcess.oldest_heartbeat())


class LiveConnection(models.Model):
    """A client that is connected now, as its process wrote it a second ago: `chat.live_connections` is the only writer.

    `id` is a hash, because the engine id is a credential. The login session and the user may be gone already, which is
    what ends the connection: so nothing binds them. `rooms` are slugs, `address` and `user_agent` what the client's
    handshake came with, not checked any further.
    """

    id = models.CharField(max_length=32, primary_key=True, editable=False)
    process = models.ForeignKey(ServerProcess, on_delete=models.CASCADE, editable=False, related_name="connections")
    login_session = models.ForeignKey(
        LoginSession,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        editable=False,
        related_name="connections",
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        null=True,
        db_constraint=False,
        editable=False,
        related_name="+",
    )
    rooms = models.TextField(editable=False)
    transport = models.CharField(max_length=10, editable=False)
    address = models.CharField(max_length=50, editable=False)
    user_agent = models.CharField(max_length=200, editable=False)
    since = models.DateTimeField(editable=False)

    objects: ClassVar[Any] = LiveConnectionQuerySet.as_manager()

    class Meta:
        verbose_name = "live connection"
        indexes = [
            models.Index(fields=["since"], name="connection_since"),
            models.Index(fields=["address"], name="connection_address"),
        ]

    def __str__(self) -> str:
        return f"Connection {self.pk[:8]}"


def lies_ahead(moment: datetime | None) -> TypeGuard[datetime]:
    """Return whether `moment` is one, and in the future."""
    return moment is not None and moment > timezone.now()
