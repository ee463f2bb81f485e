"""Addresses: which one a request comes from, and which network an address belongs to.

A request comes from the peer of the TCP connection, unless that is a proxy named in `TRUSTED_PROXIES`. The header
X-Forwarded-For of such a proxy is read from the right, where the nearest proxy writes. The first address that is not a
trusted proxy's is the client's. The client may have invented everything to the left of it. Servers must not do the same
on their own: uvicorn does, for proxies at 127.0.0.1, unless it is told `--no-proxy-headers`.

IPv4 inside IPv6 (`::ffff:192.0.2.1`) is IPv4 everywhere.
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

UNIX = "unix"  # among the trusted proxies: clients of a Unix socket, which have no address
UNKNOWN = "unknown"
IPV6_PREFIX = 64  # one subscriber has at least the addresses that this leaves, and may take any of them
FOUND = "channels_socketio.address"  # in the scope of a request, and in a Django request's META: its address

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")  # IPv4 inside IPv6


def address_of(scope: Any) -> str:
    """Return the address of an ASGI request in its usual form, `unknown` without one. It is found once for a scope."""
    address: str | None = scope.get(FOUND)
    if address is None:
        client = scope.get("client")
        forwarded = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        address = find_address(client[0] if client else None, forwarded.decode("latin-1"), trusted_proxies())
        scope[FOUND] = address
    return address


def address_of_request(request: Any) -> str:
    """Return the address of a Django request, as `address_of` does."""
    meta = request.META
    if FOUND not in meta:
        peer, forwarded = meta.get("REMOTE_ADDR") or None, meta.get("HTTP_X_FORWARDED_FOR", "")
        meta[FOUND] = find_address(peer, forwarded, trusted_proxies())
    return str(meta[FOUND])


def counted_as(address: str) -> str:
    """Return what an address, in its usual form, counts as: IPv6 as the network of one subscriber."""
    return (block_of(address) or address) if ":" in address else address


def block_of(address: str | None) -> str:
    """Return the network of one subscriber that an address is in: for IPv4 itself. Return "" for what is no address."""
    found = parse_address(address or "")
    if found is None:
        return ""
    return str(ipaddress.ip_network((found, IPV6_PREFIX if found.version == 6 else 32), strict=False))


def find_address(peer: str | None, forwarded: str, trusted: Sequence[str]) -> str:
    """Return the client's address: the peer's, or one in `forwarded`, X-Forwarded-For, as far as proxies are trusted.

    If a trusted proxy names no address, it is the address of that proxy.
    """
    address = UNKNOWN if peer is None else plain(peer)
    if not is_trusted(UNIX if peer is None else address, trusted):
        return address
    for entry in reversed(forwarded.split(",")):
        named = parse_address(without_port(entry.strip()))
        if named is None:
            return address
        address = str(named)
        if not is_trusted(address, trusted):
            return address
    return address


def hint(scope: Any) -> str:
    """Return what to log with a refused address if the proxy's header was there but not believed."""
    forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
    return "" if trusted_proxies() or not forwarded else " (X-Forwarded-For is believed of TRUSTED_PROXIES only)"


def trusted_proxies() -> tuple[str, ...]:
    """Return `TRUSTED_PROXIES` of the options."""
    return tuple(getattr(settings, "SOCKETIO", {}).get("TRUSTED_PROXIES", ()))


def is_trusted(address: str, trusted: Sequence[str]) -> bool:
    """Return whether an address, or `unix`, is among the trusted proxies."""
    if address == UNIX or not trusted:
        return address in trusted
    found = parse_address(address)
    return found is not None and any(found in network for network in networks(tuple(trusted)))


@lru_cache(maxsize=8)
def networks(trusted: tuple[str, ...]) -> list[Network]:
    """Return the networks among trusted proxies. Raises ValueError for what is no network."""
    return [network_of(entry, strict=True) for entry in trusted if entry != UNIX]


def network_of(text: str, strict: bool = False) -> Network:
    """Return a network, or an address as the smallest network. Raises ValueError.

    `strict`: a network must not name an address inside itself, as `10.0.0.1/8` does.
    """
    network = ipaddress.ip_network(text.strip(), strict)
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        first = network.network_address.ipv4_mapped
        return ipaddress.IPv4Network((str(first), network.prefixlen - MAPPED.prefixlen))
    return network


@lru_cache(maxsize=4096)
def parse_address(address: str) -> Address | None:
    """Return an address without its zone, None for what is no address."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


@lru_cache(maxsize=4096)
def plain(address: str) -> str:
    """Return an address in its usual form. What is no address stays as it is."""
    found = parse_address(address)
    return address if found is None else str(found)


def without_port(entry: str) -> str:
    """Return an entry of X-Forwarded-For without port and brackets."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
