"""Visitors, login sessions, rooms and messages in Django's admin: to look at, to end, to delete. Never to edit."""

import hashlib
import json
import re
from datetime import datetime
from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy, ngettext

from chat import services
from chat.models import LoginSession, LoginSessionQuerySet, Message, Room, Visitor

SECRET = re.compile("token|secret|password|hash|key", re.IGNORECASE)


class LiveFilter(admin.SimpleListFilter):
    """Whether a login session still lets somebody in."""

    title = gettext_lazy("life")
    parameter_name = "life"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("live", gettext_lazy("live")), ("expired", gettext_lazy("expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the login sessions of the choice."""
        sessions = cast(LoginSessionQuerySet, queryset)
        match self.value():
            case "live":
                return sessions.live()
            case "expired":
                return sessions.expired()
        return sessions


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """An admin whose objects are made and changed elsewhere."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(LoginSession)
class LoginSessionAdmin(ReadOnlyAdmin):
    """Who may come in now, and the means to end it. The session key is shown to nobody."""

    list_display = ("id", "name", "user", "first_seen", "last_seen", "expire_date", "live")
    list_select_related = ("visitor", "user")
    list_filter = (LiveFilter,)
    search_fields = ("=visitor__name", "user__username")
    search_help_text = gettext_lazy("A guest's number or a part of a username")
    ordering = ("-id",)
    actions = ("end_sessions",)
    fields = ("name", "user", "first_seen", "last_seen", "expire_date", "live", "fingerprint", "data")
    readonly_fields = fields

    @admin.display(ordering="visitor__name")
    def name(self, session: LoginSession) -> int | None:
        """Return the number that the visitor holds."""
        return session.visitor.name if session.visitor else None

    @admin.display(ordering="visitor__first_seen")
    def first_seen(self, session: LoginSession) -> datetime | None:
        """Return when the visitor came first."""
        return session.visitor.first_seen if session.visitor else None

    @admin.display(ordering="visitor__last_seen")
    def last_seen(self, session: LoginSession) -> datetime | None:
        """Return when the visitor was here last."""
        return session.visitor.last_seen if session.visitor else None

    @admin.display(boolean=True, ordering="expire_date")
    def live(self, session: LoginSession) -> bool:
        """Return whether it still lets somebody in."""
        return session.live

    @admin.display(description=gettext_lazy("key's fingerprint"))
    def fingerprint(self, session: LoginSession) -> str:
        """Return a hash that tells login sessions apart, as in the log, and opens none."""
        return fingerprint(session.session_key)

    @admin.display()
    def data(self, session: LoginSession) -> SafeString:
        """Return the session's data as JSON, without its secrets."""
        text = json.dumps(without_secrets(session.get_decoded()), indent=2, sort_keys=True, default=str)
        return format_html("<pre>{}</pre>", text)

    @admin.action(permissions=["delete"], description=gettext_lazy("End sessions"))
    def end_sessions(self, request: HttpRequest, queryset: QuerySet[LoginSession]) -> None:
        """Delete the login sessions one by one, so that each one's sockets hear of it."""
        self.log_deletions(request, queryset)
        count = 0
        for session in queryset:
            session.delete()
            count += 1
        ended = ngettext("%d login session ended.", "%d login sessions ended.", count) % count
        self.message_user(request, ended, messages.SUCCESS)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the actions; ending is deleting, so Django's own would be a second name for it."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


@admin.register(Visitor)
class VisitorAdmin(ReadOnlyAdmin):
    """Everybody who was here; whoever has no name any more has no login session either."""

    list_display = ("id", "name", "user", "first_seen", "last_seen", "live")
    list_select_related = ("login_session__user",)
    search_fields = ("=name", "login_session__user__username")
    ordering = ("-id",)
    fields = ("name", "user", "first_seen", "last_seen", "live")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a visitor goes when its login session is gone."""
        return False

    @admin.display(ordering="login_session__user__username")
    def user(self, visitor: Visitor) -> Any:
        """Return the Django user behind the login session, if any."""
        session = session_of(visitor)
        return session.user if session else None

    @admin.display(boolean=True)
    def live(self, visitor: Visitor) -> bool:
        """Return whether a live login session belongs to the visitor."""
        session = session_of(visitor)
        return session is not None and session.live


@admin.register(Room)
class RoomAdmin(ReadOnlyAdmin):
    """The rooms that have been written in."""

    list_display = ("slug", "head", "deletions")
    search_fields = ("slug",)
    ordering = ("slug",)
    fields = ("slug", "head", "deletions")
    readonly_fields = fields

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room that came again would count from 1 again."""
        return False


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """What was said. Deleting takes a message back from every page; its row stays, with the time of it."""

    list_display = ("room", "seq", "name", "text", "at", "deleted_at")
    list_select_related = ("room",)
    search_fields = ("=room__slug",)
    search_help_text = gettext_lazy("The slug of a room")
    ordering = ("-id",)
    fields = ("room", "seq", "name", "text", "at", "visitor", "client_id", "deletion", "deleted_at")
    readonly_fields = fields

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Take the message back."""
        services.delete_message(obj.room.slug, obj.seq)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Message]) -> None:
        """Take the messages back."""
        for message in queryset.order_by("room", "seq"):
            self.delete_model(request, message)


def session_of(visitor: Visitor) -> LoginSession | None:
    """Return the visitor's login session, or None."""
    try:
        return visitor.login_session
    except ObjectDoesNotExist:
        return None


def fingerprint(session_key: str) -> str:
    """Return the first digits of the key's hash."""
    return hashlib.sha256(session_key.encode()).hexdigest()[:12]


def without_secrets(data: Any) -> Any:
    """Return a copy of `data` in which the values of keys that name a secret are masked."""
    if isinstance(data, dict):
        return {key: "***" if SECRET.search(str(key)) else without_secrets(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_secrets(value) for value in data]
    return data
