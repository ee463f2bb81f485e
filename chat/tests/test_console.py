"""The dates that lists of the admin offer."""

import re

import pytest
from django.test import Client

from chat.models import Message
from chat.services import Draft, commit


@pytest.mark.django_db
def test_the_dates_that_are_offered_lead_from_the_years_to_the_days(admin_client: Client) -> None:
    commit([Draft("tea", "42", "one"), Draft("tea", "42", "two")])
    Message.objects.filter(seq=1).update(at="2024-11-29T12:00Z")
    Message.objects.filter(seq=2).update(at="2025-02-02T12:00Z")

    def offered(query: str) -> list[str]:
        page = admin_client.get(f"/admin/chat/message/?{query}").content.decode()
        (links,) = re.findall('<nav class="toplinks">(.*?)</nav>', page, re.DOTALL)
        return [text.replace("&lsaquo;", "").strip() for text in re.findall(">([^<>]+)<", links) if text.strip()]

    assert offered("") == ["2024", "2025"]
    assert offered("at__year=2024") == ["All dates", "November 2024", "December 2024"]
    assert offered("at__year=2024&at__month=11") == ["2024", "November 29", "November 30"]
    assert offered("at__year=2025&at__month=2") == ["2025", "February 1", "February 2"]
    assert offered("at__year=2024&at__month=11&at__day=29")[0] == "November 2024"


def test_a_list_of_nothing_offers_no_dates(admin_client: Client) -> None:
    assert "toplinks" not in admin_client.get("/admin/chat/message/").content.decode()
