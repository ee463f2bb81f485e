"""Rooms, and announcements in them."""

from collections.abc import Sequence
from typing import Any
from uuid import uuid5

from django.contrib import admin
from django.contrib.admin.models import CHANGE
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext, gettext_lazy

from chat import moderation
from chat.admin.confirming import AnnouncementForm, Outcome, asks_first
from chat.admin.lists import ReadOnlyAdmin, begins_with, needs
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
    has_announce_permission = needs("chat.announce_room")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a room that came again would count from 1 again."""
        return False

    def find(self, request: HttpRequest, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        return queryset.filter(begins_with("slug", term))

    def view_on_site(self, obj: Room) -> str:
        return reverse("chat:lobby") if obj.slug == LOBBY else reverse("chat:room", args=[obj.slug])

    @admin.display()
    def name(self, room: Room) -> str:
        return room.slug

    @admin.display(description=gettext_lazy("newest message"))
    def newest(self, room: Room) -> int:
        """Return the number of the newest message, which is how many there ever were."""
        return room.head

    @admin.display(description=gettext_lazy("deleted messages"))
    def deleted(self, room: Room) -> int:
        return room.deletions

    @admin.display()
    def messages(self, room: Room) -> str:
        address = f"{reverse('admin:chat_message_changelist')}?q={room.slug}"
        return format_html('<a href="{}">{}</a>', address, gettext("Messages"))

    @asks_first(AnnouncementForm, CHANGE, "announce", gettext_lazy("Announce"))
    def announce(self, rooms: Sequence[Room], data: dict[str, Any]) -> Outcome:
        """Say something in rooms as the site; the same form sent twice says it once."""
        text, announcement = data["text"], data["announcement"]
        said = [room for room in rooms if moderation.announce(room.slug, text, uuid5(announcement, room.slug))]
        return said, gettext("Announced: %s") % text
