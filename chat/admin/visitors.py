"""Visitors, and what moderators do with them wherever they are listed."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy

from channels_socketio import block_of
from chat import moderation
from chat.admin.confirming import BanForm, Outcome, ReasonForm, UnbanForm, UntilForm, asks_first
from chat.admin.lists import (
    ConditionFilter,
    ReadOnlyAdmin,
    end_of,
    link_to,
    links_to,
    needs,
    shown,
    users_called,
    whole_number,
)
from chat.models import LoginSession, Message, Visitor, lies_ahead

LATELY = 20  # messages of a visitor

Data = dict[str, Any]


class ModeratesVisitors(ReadOnlyAdmin):
    """Columns of visitors and actions on them, for the admin of whatever leads to some.

    Each action needs a permission of `Visitor`.
    """

    visitor_key = "visitor_id"  # the attribute of an object that has the primary key of the visitor behind it
    has_ban_permission = needs("chat.ban_visitor")
    has_mute_permission = needs("chat.mute_visitor")

    def visitor_of(self, obj: Any) -> Visitor | None:
        """Return the visitor behind an object."""
        visitor: Visitor | None = obj.visitor
        return visitor

    def keys_of(self, objects: Sequence[Any]) -> set[int]:
        """Return the primary keys of the visitors behind objects."""
        return {pk for each in objects if (pk := getattr(each, self.visitor_key)) is not None}

    @admin.display()
    def status(self, obj: Any) -> str:
        """Return whether the visitor is banned or muted now, and until when; "-" for neither."""
        visitor = self.visitor_of(obj)
        if visitor is None:
            return "-"
        ends = {gettext("banned: %s"): visitor.banned_until, gettext("muted: %s"): visitor.muted_until}
        return ", ".join(text % end_of(end) for text, end in ends.items() if lies_ahead(end)) or "-"

    @admin.display()
    def rooms(self, obj: Any) -> str:
        """Return links to the rooms of the visitor's last messages."""
        rooms = {message.room_id: message.room for message in last_messages(self.visitor_of(obj))}
        return format_html_join(", ", "{}", ((link_to(room),) for room in rooms.values())) or "-"

    @admin.display(description=gettext_lazy("messages"))
    def said(self, obj: Any) -> str:
        """Return the visitor's last messages as a table, newest first, and a link to all of them."""
        messages = last_messages(self.visitor_of(obj))
        if not messages:
            return "-"
        rows = format_html_join(
            "\n",
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            ((shown(message.at), link_to(message), message.text) for message in messages),
        )
        address = f"{reverse('admin:chat_message_changelist')}?visitor__id__exact={messages[0].visitor_id}"
        return format_html('<table class="said">{}</table><a href="{}">{}</a>', rows, address, gettext("All messages"))

    @asks_first(BanForm, CHANGE, "ban", gettext_lazy("Ban"))
    def ban(self, objects: Sequence[Any], data: Data) -> Outcome:
        """Let visitors in no more, and end their sockets."""
        done = moderation.ban(self.keys_of(objects), data["until"], data["with_address"], data["reason"])
        form = gettext("Banned with the address: %s.") if data["with_address"] else gettext("Banned: %s.")
        return done, form % end_of(data["until"])

    @asks_first(UnbanForm, CHANGE, "ban", gettext_lazy("Lift the ban"))
    def unban(self, objects: Sequence[Any], data: Data) -> Outcome:
        """Let visitors in again."""
        done = moderation.unban(self.keys_of(objects), data["with_address"])
        return done, gettext("Ban lifted with the address.") if data["with_address"] else gettext("Ban lifted.")

    @asks_first(UntilForm, CHANGE, "mute", gettext_lazy("Mute"))
    def mute(self, objects: Sequence[Any], data: Data) -> Outcome:
        """Let visitors say nothing."""
        return moderation.mute(self.keys_of(objects), data["until"]), gettext("Muted: %s.") % end_of(data["until"])

    @asks_first(ReasonForm, CHANGE, "mute", gettext_lazy("Let speak again"))
    def unmute(self, objects: Sequence[Any], data: Data) -> Outcome:
        """Let visitors speak again."""
        return moderation.unmute(self.keys_of(objects)), gettext("May speak again.")


class StatusFilter(ConditionFilter):
    """Whether a visitor is banned or muted."""

    title = gettext_lazy("status")
    parameter_name = "status"
    conditions = {
        "banned": (gettext_lazy("banned"), lambda visitors: visitors.filter(banned_until__gt=timezone.now())),
        "muted": (gettext_lazy("muted"), lambda visitors: visitors.filter(muted_until__gt=timezone.now())),
    }


@admin.register(Visitor)
class VisitorAdmin(ModeratesVisitors):
    """Everybody who was here; whoever has no name any more has no login session either."""

    list_display = ("id", "name", "user", "live", "status", "address", "first_seen", "last_seen")
    list_select_related = ("login_session__user",)
    list_filter = (StatusFilter,)
    date_hierarchy = "first_seen"
    search_fields = ("name",)
    search_help_text = gettext_lazy("A guest's number, the beginning of a username, or an address")
    actions = ("ban", "unban", "mute", "unmute")
    fieldsets = (
        (None, {"fields": ("name", "user", "session", "address", "first_seen", "last_seen", "live")}),
        (gettext_lazy("Moderation"), {"fields": ("status",)}),
        (gettext_lazy("Said lately"), {"fields": ("rooms", "said")}),
    )
    visitor_key = "pk"
    session = links_to("login_session", gettext_lazy("login session"))

    def visitor_of(self, obj: Visitor) -> Visitor:
        return obj

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a visitor goes when its login session is gone."""
        return False

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the order of the index that answers."""
        status = request.GET.get("status")
        return (f"-{status}_until" if status in ("banned", "muted") else "-first_seen", "-id")

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by the number that is held, by address, or by the user."""
        if (name := whole_number(term)) is not None:
            return queryset.filter(name=name)
        if block := block_of(term.partition("/")[0]):
            return queryset.filter(address=block)
        return queryset.filter(login_session__user__in=users_called(term))

    @admin.display()
    def user(self, visitor: Visitor) -> str:
        """Return a link to the Django user behind the login session, if any."""
        return link_to(getattr(session_of(visitor), "user", None))

    @admin.display(boolean=True)
    def live(self, visitor: Visitor) -> bool:
        """Return whether a live login session belongs to the visitor."""
        session = session_of(visitor)
        return session is not None and session.live


def session_of(visitor: Visitor) -> LoginSession | None:
    """Return the visitor's login session, or None."""
    return getattr(visitor, "login_session", None)


def last_messages(visitor: Visitor | None) -> list[Message]:
    """Return a visitor's last messages, newest first, each with its room."""
    if visitor is None:
        return []
    return list(visitor.messages.select_related("room").order_by("-at", "-id")[:LATELY])
