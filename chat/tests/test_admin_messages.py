"""The admin's pages of messages and rooms."""

import pytest
from django.test import Client
from django.urls import reverse

from chat import services
from chat.models import Message, Room
from chat.services import Announcement, Draft, commit

pytestmark = pytest.mark.django_db

MESSAGES = reverse("admin:chat_message_changelist")


def test_rooms_and_messages_are_shown_and_nothing_can_be_added_or_changed(admin_client: Client) -> None:
    commit([Draft("tea", "42", "<b>bold</b>")])
    page = admin_client.get(MESSAGES, {"q": "tea"}).content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in page
    assert admin_client.get(MESSAGES, {"q": "te"}).context["cl"].result_count == 0
    for model, pk in (("message", Message.objects.get().pk), ("room", Room.objects.get().pk)):
        assert admin_client.get(reverse(f"admin:chat_{model}_changelist")).status_code == 200
        assert admin_client.get(reverse(f"admin:chat_{model}_change", args=[pk])).status_code == 200
        assert admin_client.post(reverse(f"admin:chat_{model}_change", args=[pk]), {"text": "x"}).status_code == 403
        assert admin_client.get(reverse(f"admin:chat_{model}_add")).status_code == 403
    delete = reverse("admin:chat_room_delete", args=[Room.objects.get().pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.django_db(transaction=True)
def test_deleting_messages_takes_them_back_and_tells_clients(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Announcement] = []
    monkeypatch.setattr(services, "announce", told.append)
    commit([Draft("tea", "42", text) for text in ("one", "two", "three", "four")])
    first, *rest = Message.objects.order_by("seq").values_list("pk", flat=True)
    path = reverse("admin:chat_message_delete", args=[first])
    assert admin_client.post(path, {"post": "yes"}).status_code == 302
    ticked = {"action": "delete_messages", "_selected_action": [first, *rest[:2]], "confirmed": "yes"}
    assert admin_client.post(MESSAGES, ticked).status_code == 302
    kept = Message.objects.order_by("seq").values_list("text", "deletion")
    assert list(kept) == [("", 1), ("", 2), ("", 3), ("four", None)]
    assert [announcements.item.data for announcements in told] == [{"room": "tea", "seq": seq} for seq in (1, 2, 3)]
