"""Visitors, and what moderators do with them wherever they are listed."""

from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext, gettext_lazy

from channels_socketio.limits.addresses import block_of
from chat import moderation
from chat.admin.confirming import BanForm, ReasonForm, UnbanForm, UntilForm, confirm
from chat.admin.lists import ReadOnlyAdmin, end_of, link_to, shown, users_called, whole_number
from chat.models import LoginSession, Message, Room, Visitor

LATELY = 20  # messages of a visitor

Data = dict[str, Any]


class ModeratesVisitors(ReadOnlyAdmin):
    """Actions on visitors, for the admin of whatever leads to some; each needs a permission of `Visitor`."""

    def visitors_of(self, chosen: QuerySet[Any]) -> QuerySet[Visitor]:
        """Return the visitors behind the objects that were chosen."""
        raise NotImplementedError

    def has_ban_permission(self, request: HttpRequest) -> bool:
        """Return whether who asks may ban."""
        return request.user.has_perm("chat.ban_visitor")

    def has_mute_permission(self, request: HttpRequest) -> bool:
        """Return whether who asks may mute."""
        return request.user.has_perm("chat.mute_visitor")

    @admin.action(permissions=["ban"], description=gettext_lazy("Ban"))
    def ban(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let visitors in no more, and end their sockets."""

        def action(pks: list[int], data: Data) -> tuple[list[Visitor], str]:
            done = moderation.ban(pks, data["until"], data["with_address"], data["reason"])
            form = gettext("Banned with the address: %s.") if data["with_address"] else gettext("Banned: %s.")
            return done, form % end_of(data["until"])

        return self._moderate(request, queryset, BanForm, action)

    @admin.action(permissions=["ban"], description=gettext_lazy("Lift the ban"))
    def unban(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let visitors in again."""

        def action(pks: list[int], data: Data) -> tuple[list[Visitor], str]:
            done = moderation.unban(pks, data["with_address"])
            return done, gettext("Ban lifted with the address.") if data["with_address"] else gettext("Ban lifted.")

        return self._moderate(request, queryset, UnbanForm, action)

    @admin.action(permissions=["mute"], description=gettext_lazy("Mute"))
    def mute(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let visitors say nothing."""

        def action(pks: list[int], data: Data) -> tuple[list[Visitor], str]:
            return moderation.mute(pks, data["until"]), gettext("Muted: %s.") % end_of(data["until"])

        return self._moderate(request, queryset, UntilForm, action)

    @admin.action(permissions=["mute"], description=gettext_lazy("Let speak again"))
    def unmute(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Let visitors speak again."""

        def action(pks: list[int], data: Data) -> tuple[list[Visitor], str]:
            return moderation.unmute(pks), gettext("May speak again.")

        return self._moderate(request, queryset, ReasonForm, action)

    def _moderate(
        self, request: HttpRequest, chosen: QuerySet[Any], form_class: Any, action: Callable[..., Any]
    ) -> HttpResponse | None:
        """Ask; the page names the objects that were chosen, the record the visitors behind them."""

        def to_visitors(objects: Sequence[Any], data: Data) -> Any:
            pks = [each.pk for each in objects]
            return action(
                list(self.visitors_of(self.model.objects.filter(pk__in=pks)).values_list("pk", flat=True)), data
            )

        return confirm(self, request, chosen, CHANGE, form_class, to_visitors)


class StatusFilter(admin.SimpleListFilter):
    """Whether a visitor is banned or muted."""

    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("banned", gettext_lazy("banned")), ("muted", gettext_lazy("muted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the visitors of the choice."""
        if self.value() in ("banned", "muted"):
            return queryset.filter(Q(**{f"{self.value()}_until__gt": timezone.now()}))
        return queryset


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

    def visitors_of(self, chosen: QuerySet[Any]) -> QuerySet[Visitor]:
        """Return them."""
        return chosen

    @admin.display()
    def user(self, visitor: Visitor) -> str:
        """Return the Django user behind the login session, if any."""
        session = session_of(visitor)
        return link_to(session.user if session else None)

    @admin.display(description=gettext_lazy("login session"))
    def session(self, visitor: Visitor) -> str:
        """Return a link to the login session, if any."""
        return link_to(session_of(visitor))

    @admin.display(boolean=True)
    def live(self, visitor: Visitor) -> bool:
        """Return whether a live login session belongs to the visitor."""
        session = session_of(visitor)
        return session is not None and session.live

    @admin.display()
    def status(self, visitor: Visitor) -> str:
        """Return whether the visitor is banned or muted, and until when."""
        return status_of(visitor)

    @admin.display()
    def rooms(self, visitor: Visitor) -> str:
        """Return links to the rooms in which the visitor spoke lately."""
        return rooms_of(visitor)

    @admin.display(description=gettext_lazy("messages"))
    def said(self, visitor: Visitor) -> str:
        """Return what the visitor said last."""
        return said_by(visitor)


def session_of(visitor: Visitor) -> LoginSession | None:
    """Return the visitor's login session, or None."""
    try:
        return visitor.login_session
    except ObjectDoesNotExist:
        return None


def status_of(visitor: Visitor | None) -> str:
    """Return whether a visitor is banned or muted now, and until when; "-" for neither."""
    parts = []
    if visitor is not None and visitor.banned_until is not None and visitor.banned:
        parts.append(gettext("banned: %s") % end_of(visitor.banned_until))
    if visitor is not None and visitor.muted_until is not None and visitor.muted:
        parts.append(gettext("muted: %s") % end_of(visitor.muted_until))
    return ", ".join(parts) or "-"


def rooms_of(visitor: Visitor | None) -> str:
    """Return links to the rooms of a visitor's last messages."""
    rooms: dict[int, Room] = {message.room_id: message.room for message in last_messages(visitor)}
    return format_html_join(", ", "{}", ((link_to(room),) for room in rooms.values())) or "-"


def said_by(visitor: Visitor | None) -> str:
    """Return a visitor's last messages as a table, newest first, and a link to all of them."""
    messages = last_messages(visitor)
    if visitor is None or not messages:
        return "-"
    rows = format_html_join(
        "\n",
        "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
        ((shown(message.at), link_to(message), message.text) for message in messages),
    )
    address = f"{reverse('admin:chat_message_changelist')}?visitor__id__exact={visitor.pk}"
    return format_html('<table class="said">{}</table><a href="{}">{}</a>', rows, address, gettext("All messages"))


def last_messages(visitor: Visitor | None) -> list[Message]:
    """Return a visitor's last messages, newest first, each with its room."""
    if visitor is None:
        return []
    return list(visitor.messages.select_related("room").order_by("-at", "-id")[:LATELY])
