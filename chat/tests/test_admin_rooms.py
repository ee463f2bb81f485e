"""Announcements from the admin."""

import re
from uuid import UUID

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from chat.models import Message, Room
from chat.services import Draft, commit

pytestmark = pytest.mark.django_db

ROOMS = "/admin/chat/room/"


def rooms() -> list[int]:
    """Return two rooms in which something was said."""
    commit([Draft("tea", "42", "x"), Draft("milk", "42", "x")])
    return list(Room.objects.order_by("slug").values_list("pk", flat=True))


def test_an_announcement_is_asked_for_and_said_once_in_each_room(admin_client: Client) -> None:
    chosen = {"action": "announce", "_selected_action": rooms()}
    page = admin_client.post(ROOMS, chosen).content.decode()
    (announcement,) = re.findall('name="announcement" value="([^"]+)"', page)
    assert UUID(announcement)
    assert Message.objects.count() == 2
    sent = {**chosen, "confirmed": "yes", "announcement": announcement, "text": "  We restart. "}
    for _ in range(2):
        assert admin_client.post(ROOMS, sent).status_code == 302
    said = Message.objects.filter(name="announcement").values_list("room__slug", "seq", "text")
    assert sorted(said) == [("milk", 2, "We restart."), ("tea", 2, "We restart.")]
    assert LogEntry.objects.count() == 2
    assert LogEntry.objects.filter(change_message="Announced: We restart.", object_repr="tea").count() == 1


@pytest.mark.parametrize("text", ["", " ", "x" * 2001, "a\x00b"])
def test_what_is_no_message_is_asked_for_again(admin_client: Client, text: str) -> None:
    announcement = "00000000-0000-4000-8000-000000000000"
    sent = {"action": "announce", "_selected_action": rooms(), "confirmed": "yes", "announcement": announcement}
    assert 'class="errorlist"' in admin_client.post(ROOMS, {**sent, "text": text}).content.decode()
    assert Message.objects.count() == 2


def test_announcing_needs_its_permission(client: Client) -> None:
    user = get_user_model().objects.create_user("grace", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=["view_room", "change_room"]))
    client.force_login(user)
    client.post(ROOMS, {"action": "announce", "_selected_action": rooms(), "confirmed": "yes", "text": "x"})
    assert Message.objects.count() == 2


def test_rooms_are_found_by_the_beginning_of_their_name(admin_client: Client) -> None:
    rooms()
    for term, found in (("te", ["tea"]), ("tea", ["tea"]), ("ea", []), ("t_", []), ("%", [])):
        rows = admin_client.get(ROOMS, {"q": term}).context["cl"].result_list
        assert [room.slug for room in rows] == found


@pytest.mark.parametrize(("slug", "address"), [("lobby", "/"), ("tea", "/rooms/tea/")])
def test_the_page_of_a_room_leads_to_the_room(admin_client: Client, slug: str, address: str) -> None:
    commit([Draft(slug, "42", "x")])
    page = admin_client.get(f"{ROOMS}{Room.objects.get(slug=slug).pk}/change/").content.decode()
    assert f'<a href="{address}" class="viewsitelink">' in page
