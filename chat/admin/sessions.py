"""Login sessions: who may come in now, and the means to end it. The session key is shown to nobody."""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from chat import moderation
from chat.admin.confirming import Outcome, ReasonForm, asks_first
from chat.admin.lists import ConditionFilter, link_to, links_to, shown, users_called, whole_number
from chat.admin.visitors import ModeratesVisitors
from chat.models import LiveConnection, LoginSession

MOST_CONNECTIONS = 20  # on the page of a login session
SECRET = re.compile("token|secret|password|hash|key", re.IGNORECASE)


class LiveFilter(ConditionFilter):
    """Whether a login session still lets somebody in."""

    title = gettext_lazy("life")
    parameter_name = "life"
    conditions = {
        "live": (gettext_lazy("live"), lambda sessions: sessions.live()),
        "expired": (gettext_lazy("expired"), lambda sessions: sessions.expired()),
    }


@admin.register(LoginSession)
class LoginSessionAdmin(ModeratesVisitors):
    """The login sessions, those first that were renewed last."""

    list_display = ("id", "name", "user", "live", "status", "first_seen", "last_seen", "expire_date")
    list_select_related = ("visitor", "user")
    list_filter = (LiveFilter,)
    date_hierarchy = "expire_date"
    search_fields = ("visitor__name",)
    search_help_text = gettext_lazy("A guest's number, or the beginning of a username")
    ordering = ("-expire_date", "-id")
    actions = ("end_sessions", "ban", "unban", "mute", "unmute")
    fieldsets = (
        (None, {"fields": ("of_visitor", "of_user", "first_seen", "last_seen", "expire_date", "live")}),
        (gettext_lazy("Here now"), {"fields": ("connections",)}),
        (gettext_lazy("Moderation"), {"fields": ("status",)}),
        (gettext_lazy("Said lately"), {"fields": ("rooms", "said")}),
        (gettext_lazy("Data"), {"fields": ("fingerprint", "data")}),
    )
    of_visitor = links_to("visitor", gettext_lazy("visitor"))
    of_user = links_to("user", gettext_lazy("user"))

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by the number that the visitor holds, or by the user."""
        if (name := whole_number(term)) is not None:
            return queryset.filter(visitor__name=name)
        return queryset.filter(user__in=users_called(term))

    def describe(self, obj: LoginSession) -> str:
        return " \u2013 ".join(str(each) for each in (obj, obj.visitor, obj.user) if each is not None)

    @admin.display()
    def name(self, session: LoginSession) -> int | None:
        """Return the number that the visitor holds."""
        return session.visitor.name if session.visitor else None

    @admin.display()
    def first_seen(self, session: LoginSession) -> str:
        return shown(session.visitor.first_seen if session.visitor else None)

    @admin.display()
    def last_seen(self, session: LoginSession) -> str:
        return shown(session.visitor.last_seen if session.visitor else None)

    @admin.display(boolean=True)
    def live(self, session: LoginSession) -> bool:
        return session.live

    @admin.display()
    def connections(self, session: LoginSession) -> str:
        """Return links to its live connections."""
        found = LiveConnection.objects.live().filter(login_session=session).order_by("-since")[:MOST_CONNECTIONS]
        lines = [(link_to(each), each.rooms, each.transport, each.address, shown(each.since)) for each in found]
        return format_html_join("", "<p>{} \u2013 {} \u2013 {}, {}, {}</p>", lines) or "-"

    @admin.display(description=gettext_lazy("key's fingerprint"))
    def fingerprint(self, session: LoginSession) -> str:
        """Return a hash that tells login sessions apart, as in the log, and opens none."""
        return hashlib.sha256(session.session_key.encode()).hexdigest()[:12]

    @admin.display()
    def data(self, session: LoginSession) -> SafeString:
        """Return the session's data as JSON, without its secrets."""
        text = json.dumps(without_secrets(session.get_decoded()), indent=2, sort_keys=True, default=str)
        return format_html("<pre>{}</pre>", text)

    @asks_first(ReasonForm, DELETION, "delete", gettext_lazy("End sessions"))
    def end_sessions(self, sessions: Sequence[LoginSession], data: dict[str, Any]) -> Outcome:
        """End login sessions, and the sockets that live by them."""
        recorded = [LoginSession(pk=session.pk) for session in sessions]  # deleting takes the primary key away
        moderation.end_login_sessions(sessions)
        return recorded, gettext("Ended.")


def without_secrets(data: Any) -> Any:
    """Return a copy of `data` in which the values of keys that name a secret are masked."""
    if isinstance(data, dict):
        return {key: "***" if SECRET.search(str(key)) else without_secrets(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [without_secrets(value) for value in data]
    return data
