"""Who is here: visitors, and the login sessions that let them in."""

from datetime import timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.utils import timezone


class Visitor(models.Model):
    """Somebody who opened a page; the row is the identity, `name` only the number held now.

    `name` is NULL once the number was released. Whoever holds the number next is another
    visitor: an identity is never inherited.
    """

    name = models.BigIntegerField(unique=True, null=True, editable=False)
    first_seen = models.DateTimeField(default=timezone.now, editable=False)
    last_seen = models.DateTimeField(default=timezone.now, editable=False)

    def __str__(self) -> str:
        return f"Visitor {self.pk}" if self.name is None else str(self.name)


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
