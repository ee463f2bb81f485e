"""Whose request it is, with and without proxies."""

from typing import Any

import pytest
from django.test import RequestFactory
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from channels_socketio.limits import addresses
from channels_socketio.limits.addresses import (
    address_of,
    address_of_request,
    block_of,
    counted_as,
    hint,
    network_of,
    parse_address,
)

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
        ("fd:3", "fd:3"),
    ],
)
def test_ipv6_counts_by_the_network_of_one_customer(address: str, counted: str) -> None:
    assert counted_as(address) == counted


@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", ""),
        (None, ""),
    ],
)
def test_the_block_of_an_address_is_what_one_subscriber_has(address: str | None, block: str) -> None:
    assert block_of(address) == block


@pytest.mark.parametrize(
    ("text", "network"),
    [
        (" 192.0.2.7 ", "192.0.2.7/32"),
        ("192.0.2.7/24", "192.0.2.0/24"),
        ("2001:DB8::1/64", "2001:db8::/64"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("::ffff:192.0.2.7", "192.0.2.7/32"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
    ],
)
def test_a_network_has_one_form(text: str, network: str) -> None:
    assert str(network_of(text)) == network


@pytest.mark.parametrize("text", ["", "x", "192.0.2", "192.0.2.7/33", "192.0.2.7 192.0.2.8"])
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        network_of(text)


@pytest.mark.parametrize("proxy", ["::ffff:10.0.0.0/104", "::ffff:10.1.2.3", "10.0.0.0/8"])
@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "::ffff:a01:203"])
def test_ipv4_inside_ipv6_is_ipv4_for_trusted_proxies_as_well(settings: Settings, proxy: str, peer: str) -> None:
    settings.SOCKETIO = {"TRUSTED_PROXIES": [proxy]}
    assert address_of(scope(peer, ["198.51.100.1"])) == "198.51.100.1"


def test_the_address_of_a_request_is_found_once(
    settings: Settings, rf: RequestFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever copies the scope, as middleware does, has the address as well."""
    settings.SOCKETIO = {"TRUSTED_PROXIES": PROXIES}
    handshake = scope("10.1.2.3", ["198.51.100.1"])
    page: Any = rf.get("/", REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_FOR="198.51.100.1")
    assert address_of(handshake) == address_of_request(page) == "198.51.100.1"
    monkeypatch.delattr(addresses, "find_address")
    assert address_of(handshake) == address_of(dict(handshake)) == address_of_request(page) == "198.51.100.1"


@given(st.text(max_size=60) | st.ip_addresses().map(str) | st.from_regex(r"[0-9a-f:%./]*", fullmatch=True))
def test_any_text_is_an_address_or_none_and_nothing_raises(text: str) -> None:
    found, block = parse_address(text), block_of(text)
    assert (found is None) is (block == "")
    assert counted_as(text) in {text, block}
    if found is not None:
        assert found in network_of(block)
        assert parse_address(str(found)) == found
        assert block_of(str(network_of(block).network_address)) == block
