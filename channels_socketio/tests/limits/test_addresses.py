"""Whose request it is, with and without proxies."""

from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from channels_socketio.limits.addresses import address_of, address_of_request, counted_as, hint

PROXIES = ["10.0.0.0/8", "192.0.2.1", "fd00::/8", "unix"]

# Peer, X-Forwarded-For, the client.
TRUSTING: list[tuple[str | None, list[str], str]] = [
    ("203.0.113.5", [], "203.0.113.5"),
    ("203.0.113.5", ["198.51.100.1"], "203.0.113.5"),
    ("10.1.2.3", [], "10.1.2.3"),
    ("10.1.2.3", [""], "10.1.2.3"),
    ("10.1.2.3", ["198.51.100.1"], "198.51.100.1"),
    ("192.0.2.1", ["198.51.100.1"], "198.51.100.1"),
    ("192.0.2.2", ["198.51.100.1"], "192.0.2.2"),
    ("10.1.2.3", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
    ("10.1.2.3", ["1.1.1.1, 198.51.100.1, 10.0.0.9"], "198.51.100.1"),
    ("10.1.2.3", ["1.1.1.1, 198.51.100.1", "10.0.0.9"], "198.51.100.1"),
    ("10.1.2.3", ["10.0.0.7,10.0.0.8"], "10.0.0.7"),
    ("10.1.2.3", ["198.51.100.1, unknown"], "10.1.2.3"),
    ("10.1.2.3", ["198.51.100.1, unknown, 10.0.0.9"], "10.0.0.9"),
    ("10.1.2.3", ["198.51.100.1:4711"], "198.51.100.1"),
    ("10.1.2.3", ["[2001:db8::1]:4711"], "2001:db8::1"),
    ("10.1.2.3", ["2001:DB8:0::1"], "2001:db8::1"),
    ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
    ("::ffff:10.1.2.3", ["::ffff:198.51.100.1"], "198.51.100.1"),
    ("10.1.2.3", ["a" * 5000], "10.1.2.3"),
    (None, ["198.51.100.1"], "198.51.100.1"),
    (None, [], "unknown"),
]


def scope(peer: str | None, forwarded: list[str]) -> dict[str, Any]:
    """Return the scope of a request."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"client": None if peer is None else [peer, 4711], "headers": [(b"host", b"chat"), *headers]}


@pytest.mark.parametrize(("peer", "forwarded", "address"), TRUSTING)
def test_trusted_proxies_are_believed_from_the_right(
    settings: Settings, peer: str | None, forwarded: list[str], address: str
) -> None:
    settings.SOCKETIO = {"TRUSTED_PROXIES": PROXIES}
    assert address_of(scope(peer, forwarded)) == address


@pytest.mark.parametrize(("peer", "forwarded", "address"), TRUSTING)
def test_pages_have_the_same_address_as_sockets(
    settings: Settings, rf: RequestFactory, peer: str | None, forwarded: list[str], address: str
) -> None:
    settings.SOCKETIO = {"TRUSTED_PROXIES": PROXIES}
    joined: Any = {"HTTP_X_FORWARDED_FOR": ",".join(forwarded)} if forwarded else {}
    assert address_of_request(rf.get("/", REMOTE_ADDR=peer or "", **joined)) == address


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "::1", "203.0.113.5"])
def test_by_default_nobody_is_believed_not_even_this_machine(settings: Settings, peer: str) -> None:
    settings.SOCKETIO = {}
    assert address_of(scope(peer, ["198.51.100.1"])) == peer


def test_a_unix_socket_is_believed_only_if_it_is_named(settings: Settings) -> None:
    settings.SOCKETIO = {"TRUSTED_PROXIES": ["127.0.0.1"]}
    assert address_of(scope(None, ["198.51.100.1"])) == "unknown"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "hinted"),
    [([], ["198.51.100.1"], True), ([], [], False), (["10.0.0.1"], ["198.51.100.1"], False)],
)
def test_a_header_that_is_not_believed_is_worth_a_hint(
    settings: Settings, trusted: list[str], forwarded: list[str], hinted: bool
) -> None:
    settings.SOCKETIO = {"TRUSTED_PROXIES": trusted}
    assert ("TRUSTED_PROXIES" in hint(scope("127.0.0.1", forwarded))) is hinted


@pytest.mark.parametrize(
    ("peer", "address"),
    [("2001:DB8::0:1", "2001:db8::1"), ("::ffff:192.0.2.9", "192.0.2.9"), ("fe80::1%eth0", "fe80::1")],
)
def test_an_address_has_one_form(settings: Settings, peer: str, address: str) -> None:
    settings.SOCKETIO = {}
    assert address_of(scope(peer, [])) == address


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.5", "203.0.113.5"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("unknown", "unknown"),
    ],
)
def test_ipv6_counts_by_the_network_of_one_customer(address: str, counted: str) -> None:
    assert counted_as(address) == counted
