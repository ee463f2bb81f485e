"""Rooms, and announcements in them."""

from typing import Any
from uuid import uuid5

from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from chat import moderation
from chat.admin.confirming import AnnouncementForm, confirm
from chat.admin.lists import ReadOnlyAdmin, begins_with
from chat.models import Room
from chat.rooms import LOBBY


@admin.register(Room)
class RoomAdmin(ReadOnlyAdmin):
    """The rooms that have been written in."""

    list_display = ("name", "newest", "deleted", "messages")
    search_fields = ("slug",)
    search_help_text = gettext_lazy("The beginning of a room's name")
    ordering = ("slug",)
    actions = ("announce",)
    fields = ("name", "newest", "deleted", "messages")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room that came again would count from 1 again."""
        return False

    def has_announce_permission(self, request: HttpRequest) -> bool:
        """Return whether who asks may announce."""
        return request.user.has_perm("chat.announce_room")

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """Find by the beginning of the slug."""
        return queryset.filter(begins_with("slug", term))

    def view_on_site(self, obj: Room) -> str:
        """Return the address of the room's page."""
        return reverse("chat:lobby") if obj.slug == LOBBY else reverse("chat:room", args=[obj.slug])

    @admin.display()
    def name(self, room: Room) -> str:
        """Return what the room is called."""
        return room.slug

    @admin.display(description=gettext_lazy("newest message"))
    def newest(self, room: Room) -> int:
        """Return the number of the newest message, which is how many there ever were."""
        return room.head

    @admin.display(description=gettext_lazy("deleted messages"))
    def deleted(self, room: Room) -> int:
        """Return how many messages were taken back."""
        return room.deletions

    @admin.display()
    def messages(self, room: Room) -> str:
        """Return a link to the room's messages."""
        address = f"{reverse('admin:chat_message_changelist')}?q={room.slug}"
        return format_html('<a href="{}">{}</a>', address, gettext("Messages"))

    @admin.action(permissions=["announce"], description=gettext_lazy("Announce"))
    def announce(self, request: HttpRequest, queryset: QuerySet[Room]) -> HttpResponse | None:
        """Say something in rooms as the site; the same form sent twice says it once."""

        def say(rooms: Any, data: dict[str, Any]) -> tuple[list[Room], str]:
            said = [
                room
                for room in rooms
                if moderation.announce(room.slug, data["text"], uuid5(data["announcement"], room.slug))
            ]
            return said, gettext("Announced: %s") % data["text"]

        return confirm(self, request, queryset, CHANGE, AnnouncementForm, say)
