"""Whose request it is: the address that limits count by and that operators see.

It is the peer of the TCP connection, unless that is a proxy named in `TRUSTED_PROXIES`. What such a proxy says in
X-Forwarded-For is read from the right, where the nearest one writes, and the first address that is not a
trusted proxy's is the client's: whatever stands further left may be the client's invention. Servers must not do
the same on their own (uvicorn does, for proxies at 127.0.0.1, unless it is told `--no-proxy-headers`).
"""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.conf import settings

UNIX = "unix"  # among the trusted proxies: whoever comes by a Unix socket, and so has no address
UNKNOWN = "unknown"
IPV6_PREFIX = 64  # what one IPv6 customer has at least

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def address_of(scope: Any) -> str:
    """Return the address of an ASGI request's client in its usual form, `unknown` without one."""
    client = scope.get("client")
    forwarded = ""
    if trusted := trusted_proxies():
        values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        forwarded = b",".join(values).decode("latin-1")
    return find_address(client[0] if client else None, forwarded, trusted)


def address_of_request(request: Any) -> str:
    """Return the address of a Django request's client, as `address_of` does."""
    forwarded = request.META.get("HTTP_X_FORWARDED_FOR", "")
    return find_address(request.META.get("REMOTE_ADDR") or None, forwarded, trusted_proxies())


def counted_as(address: str) -> str:
    """Return what an address counts as: IPv6 by the network of one customer, who may take any address in it."""
    if ":" not in address:
        return address
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


def find_address(peer: str | None, forwarded: str, trusted: Sequence[str]) -> str:
    """Return the client's address: the peer's, or that in `forwarded`, X-Forwarded-For, as far as proxies are trusted.

    Where a trusted proxy names nobody, or what is no address, it is the address of that proxy.
    """
    address = UNKNOWN if peer is None else plain(peer)
    if not is_trusted(UNIX if peer is None else address, trusted):
        return address
    for entry in reversed(forwarded.split(",")):
        named = plain(without_port(entry.strip()))
        if parse(named) is None:
            return address
        address = named
        if not is_trusted(address, trusted):
            return address
    return address


def hint(scope: Any) -> str:
    """Return what an operator may have to know about an address that is refused."""
    forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
    return "" if trusted_proxies() or not forwarded else " (X-Forwarded-For is believed of TRUSTED_PROXIES only)"


def trusted_proxies() -> tuple[str, ...]:
    """Return `TRUSTED_PROXIES` of the options."""
    return tuple(getattr(settings, "SOCKETIO", {}).get("TRUSTED_PROXIES", ()))


def is_trusted(address: str, trusted: Sequence[str]) -> bool:
    """Return whether an address, or `unix`, is among the trusted proxies."""
    if address == UNIX or not trusted:
        return address in trusted
    found = parse(address)
    return found is not None and any(found in network for network in networks(tuple(trusted)))


@lru_cache(maxsize=8)
def networks(trusted: tuple[str, ...]) -> list[Network]:
    """Return the networks among trusted proxies; raises ValueError for what is none."""
    return [ipaddress.ip_network(entry) for entry in trusted if entry != UNIX]


@lru_cache(maxsize=4096)
def parse(address: str) -> Address | None:
    """Return an address, None for what is none."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def plain(address: str) -> str:
    """Return an address in its usual form, IPv4 inside IPv6 as IPv4; what is none stays as it is."""
    found = parse(address.partition("%")[0])  # without the zone of a link-local address
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return address if found is None else str(mapped or found)


def without_port(entry: str) -> str:
    """Return an entry of X-Forwarded-For without port and brackets."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
