"""Messages: what was said. Deleting takes a message back from every page; its row stays, with the time of it."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import DELETION
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.text import Truncator
from django.utils.translation import gettext, gettext_lazy

from chat import moderation
from chat.admin.confirming import ReasonForm, confirm
from chat.admin.lists import link_to, whole_number
from chat.admin.visitors import ModeratesVisitors
from chat.models import Message, Room, Visitor

NEWEST = 10_000  # messages of a room in which words are looked for
SHOWN = 200  # characters of a message in the list


class DeletedFilter(admin.SimpleListFilter):
    """Those that were taken back, room by room."""

    title = gettext_lazy("deletion")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the choices."""
        return [("yes", gettext_lazy("deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the messages of the choice."""
        return queryset.filter(deletion__isnull=False) if self.value() == "yes" else queryset


@admin.register(Message)
class MessageAdmin(ModeratesVisitors):
    """The messages of all rooms, newest first. A date and a room together cost a walk through that date."""

    list_display = ("at", "room", "number", "name", "shown_text", "deleted_at")
    list_display_links = ("number",)
    list_select_related = ("room",)
    list_filter = (DeletedFilter,)
    lookups = ("visitor__id__exact",)
    date_hierarchy = "at"
    search_fields = ("room__slug",)
    search_help_text = gettext_lazy(
        "A room, a room and a message's number, or a room and words of its newest %(count)s messages"
    ) % {"count": NEWEST}
    actions = ("delete_messages", "ban", "unban", "mute", "unmute")
    fields = ("room", "number", "name", "text", "at", "of_visitor", "client_id", "deletion", "deleted_at")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the order of the index that answers."""
        return ("-room_id", "-deletion") if request.GET.get("deleted") == "yes" else ("-at", "-id")

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by room, and in it by number or words."""
        slug, _, rest = term.partition(" ")
        room = Room.objects.filter(slug=slug).first()
        if room is None:
            return queryset.none()
        found: QuerySet[Any] = queryset.filter(room=room)
        if f"{self.date_hierarchy}__year" in request.GET:
            # Hidden from the database's planner, which would walk through all of the room rather than through the date.
            found = queryset.alias(in_room=F("room_id") + 0).filter(in_room=room.pk)
        elif request.GET.get("deleted") != "yes":
            found = found.order_by("-seq")
        words = rest.strip()
        if (seq := whole_number(words)) is not None:
            return found.filter(seq=seq)
        return found.filter(seq__gt=room.head - NEWEST, text__icontains=words) if words else found

    def describe(self, obj: Message) -> str:
        """Return where it is, and who said what."""
        return f"{obj} \u2013 {obj.name}: {self.shown_text(obj)}"

    def visitors_of(self, chosen: QuerySet[Any]) -> QuerySet[Visitor]:
        """Return the senders."""
        return Visitor.objects.filter(pk__in=chosen.order_by().values("visitor"))

    @admin.display()
    def number(self, message: Message) -> int:
        """Return which of its room's messages it is."""
        return message.seq

    @admin.display(description=gettext_lazy("text"))
    def shown_text(self, message: Message) -> str:
        """Return the beginning of the text."""
        return Truncator(message.text).chars(SHOWN)

    @admin.display(description=gettext_lazy("visitor"))
    def of_visitor(self, message: Message) -> str:
        """Return a link to the sender, if still there."""
        return link_to(message.visitor)

    @admin.action(permissions=["delete"], description=gettext_lazy("Delete"))
    def delete_messages(self, request: HttpRequest, queryset: QuerySet[Message]) -> HttpResponse | None:
        """Take messages back."""

        def delete(messages: Any, data: dict[str, Any]) -> tuple[Any, str]:
            return moderation.delete_messages(messages), gettext("Deleted.")

        return confirm(self, request, queryset, DELETION, ReasonForm, delete)

    def delete_model(self, request: HttpRequest, obj: Message) -> None:
        """Take the message back."""
        moderation.delete_messages([obj])
