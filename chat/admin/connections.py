"""Live connections: who is connected now, by what and from where, as the processes say it."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, gettext_lazy

from chat import moderation
from chat.admin.confirming import Outcome, ReasonForm, asks_first
from chat.admin.lists import ReadOnlyAdmin, link_to, links_to, needs, users_called, whole_number
from chat.models import LiveConnection, LoginSession, ServerProcess


class TransportFilter(admin.SimpleListFilter):
    """By what they are connected."""

    title = gettext_lazy("transport")
    parameter_name = "by"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("websocket", "websocket"), ("polling", "polling")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(transport=self.value()) if self.value() else queryset


class ProcessFilter(admin.SimpleListFilter):
    """To which process they are connected."""

    title = gettext_lazy("process")
    parameter_name = "at"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        living = ServerProcess.objects.filter(heartbeat__gte=ServerProcess.oldest_heartbeat())
        return list(living.order_by("name").values_list("pk", "name"))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(process=self.value()) if self.value() else queryset


@admin.register(LiveConnection)
class LiveConnectionAdmin(ReadOnlyAdmin):
    """The connections of processes that live, the newest first."""

    list_display = ("__str__", "whose", "of_user", "rooms", "transport", "address", "since", "process", "user_agent")
    list_select_related = ("login_session__visitor", "user", "process")
    list_filter = (TransportFilter, ProcessFilter)
    search_fields = ("address",)
    search_help_text = gettext_lazy("A guest's number, the beginning of a username, or an address")
    ordering = ("-since", "-id")
    actions = ("end_sessions",)
    fieldsets = (
        (None, {"fields": ("whose", "of_user", "rooms", "transport", "address", "user_agent", "since", "process")}),
    )

    of_user = links_to("user", gettext_lazy("user"))
    has_end_permission = needs("chat.delete_loginsession")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return LiveConnection.objects.live()

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by the number that the visitor holds, by the user, or by the address."""
        if (name := whole_number(term)) is not None:
            return queryset.filter(login_session__visitor__name=name)
        if any(mark in term for mark in ".:"):
            return queryset.filter(address=term)
        return queryset.filter(user__in=users_called(term))

    def describe(self, obj: LiveConnection) -> str:
        return f"{obj} \u2013 {obj.login_session or '-'}"

    @admin.display(description=gettext_lazy("visitor"))
    def whose(self, found: LiveConnection) -> str:
        """Return a link to the login session, called by its visitor's number."""
        session = found.login_session
        return link_to(session, session and session.visitor)

    @asks_first(ReasonForm, DELETION, "end", gettext_lazy("End sessions"))
    def end_sessions(self, found: Any, data: dict[str, Any]) -> Outcome:
        """End the login sessions of connections, and with them all that live by them."""
        sessions = LoginSession.objects.filter(pk__in={each.login_session_id for each in found}).order_by("pk")
        moderation.end_login_sessions(sessions)
        return found, gettext("Ended the login session.")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a row that is deleted ends nothing."""
        return False
