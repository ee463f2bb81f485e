"""Bans of addresses, as a process knows them."""

import time
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import bans
from chat.bans import BanList
from chat.models import FOREVER, AddressBan


@pytest.fixture
def banned(db: None) -> BanList:
    """A list that has just been read, of two networks, a subscriber, and an address whose ban is over."""
    for network in ("192.0.2.7/32", "198.51.100.0/24", "2001:db8:1:2::/64"):
        AddressBan.objects.create(network=network)
    AddressBan.objects.create(network="203.0.113.9/32", until=timezone.now() - timedelta(seconds=1))
    found = BanList()
    found.refresh()
    return found


@pytest.mark.parametrize(
    ("address", "covered"),
    [
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("::ffff:192.0.2.7", True),
        ("198.51.100.1", True),
        ("198.51.101.1", False),
        ("2001:db8:1:2:3::4", True),
        ("2001:db8:1:3::4", False),
        ("203.0.113.9", False),
        ("unknown", False),
        ("", False),
        (None, False),
    ],
)
def test_who_is_covered(banned: BanList, address: str | None, covered: bool) -> None:
    assert banned.covers(address) is covered


def test_a_ban_ends_without_another_look(banned: BanList, monkeypatch: pytest.MonkeyPatch) -> None:
    AddressBan.objects.update(until=timezone.now() + timedelta(hours=1))
    banned.forget()
    banned.refresh()
    assert banned.covers("192.0.2.7")
    later = timezone.now() + timedelta(hours=2)
    monkeypatch.setattr(timezone, "now", lambda: later)
    assert not banned.covers("192.0.2.7")


def test_the_table_is_read_now_and_then_only(banned: BanList, monkeypatch: pytest.MonkeyPatch) -> None:
    with CaptureQueriesContext(connection) as queries:
        banned.refresh()
        assert not queries
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + bans.SECONDS)
        banned.refresh()
        assert len(queries) == 1
        banned.refresh()
        assert len(queries) == 1


def test_a_row_that_is_no_network_shuts_nobody_out_and_is_logged(
    banned: BanList, caplog: pytest.LogCaptureFixture
) -> None:
    soon = timezone.now() + timedelta(hours=1)
    for network, until in [("nowhere", FOREVER), ("192.0.2.9/24", soon), ("192.0.2.0/24", FOREVER)]:
        AddressBan.objects.create(network=network, until=until)
    banned.read()
    assert banned.covers("192.0.2.8")
    assert not banned.covers("203.0.113.1")
    assert "got 'nowhere'" in caplog.text
    AddressBan.objects.filter(network="192.0.2.0/24").delete()
    banned.read()
    assert banned.covers("192.0.2.8")


def test_for_ever_is_after_all_times_in_all_zones() -> None:
    assert FOREVER + timedelta(days=1) > FOREVER
    assert timezone.now() + timedelta(days=365_000) < FOREVER
