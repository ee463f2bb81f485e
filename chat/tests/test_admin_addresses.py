"""Banned addresses in the admin."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client

from chat.models import FOREVER, AddressBan

pytestmark = pytest.mark.django_db

LIST = "/admin/chat/addressban/"


def test_a_network_is_banned_and_let_in_again(admin_client: Client) -> None:
    assert admin_client.post(LIST + "add/", {"network": "192.0.2.7/24", "reason": "spam"}).status_code == 302
    ban = AddressBan.objects.get()
    assert (ban.network, ban.until, ban.reason) == ("192.0.2.0/24", FOREVER, "spam")
    assert "for ever" in admin_client.get(LIST, {"q": "192.0.2.0/24"}).content.decode()
    assert admin_client.get(LIST, {"q": "192.0.2.0"}).context["cl"].result_count == 0
    assert admin_client.get(f"{LIST}{ban.pk}/change/").status_code == 200
    assert admin_client.post(f"{LIST}{ban.pk}/change/", {"network": "192.0.2.9"}).status_code == 403
    assert admin_client.post(f"{LIST}{ban.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not AddressBan.objects.exists()
    assert LogEntry.objects.count() == 2


@pytest.mark.parametrize("network", ["", "tea", "192.0.2.7/33", "192.0.2.0/24"])
def test_what_is_no_network_or_banned_already_is_asked_for_again(admin_client: Client, network: str) -> None:
    AddressBan.objects.create(network="192.0.2.0/24")
    assert 'class="errorlist"' in admin_client.post(LIST + "add/", {"network": network}).content.decode()
    assert AddressBan.objects.count() == 1


def test_banning_needs_its_permission(client: Client) -> None:
    user = get_user_model().objects.create_user("grace", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_addressban"))
    client.force_login(user)
    assert client.get(LIST).status_code == 200
    assert client.post(LIST + "add/", {"network": "192.0.2.7"}).status_code == 403
    assert not AddressBan.objects.exists()
