"""Who may not come in: bans of addresses, as one process knows them.

Every page and every handshake asks, and the table changes a few times a day; so each process keeps a copy and reads
it again when it is `SECONDS` old, or when its sockets' login sessions are looked at. The bans of visitors need no copy:
they are in the visitor's row, which is read with the login session.
"""

import logging
import time
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.utils import timezone

from chat.models import AddressBan, lies_ahead

SECONDS = 1.0
BLOCK_V6 = 64  # a single subscriber has as many IPv6 addresses as this leaves, and may take another at any moment
MAPPED = IPv6Network("::ffff:0:0/96")  # IPv4 in the clothes of IPv6

Network = IPv4Network | IPv6Network

logger = logging.getLogger(__name__)


class BanList:
    """The bans of addresses that have not ended, at most `SECONDS` old after `refresh`."""

    def __init__(self) -> None:
        self._until: dict[Network, datetime] = {}
        self._prefixes: dict[int, list[int]] = {4: [], 6: []}
        self._stale_at = 0.0

    def refresh(self) -> None:
        """Read the bans, if that is due. From synchronous code, in whichever thread."""
        if time.monotonic() >= self._stale_at:
            self.read()

    def read(self) -> None:
        """Read the bans."""
        rows = AddressBan.objects.filter(until__gt=timezone.now()).values_list("network", "until")
        until: dict[Network, datetime] = {}
        for text, end in rows:
            try:
                network = ip_network(network_of(text))
            except ValueError:  # written past `moderation`: one row must not shut everybody out
                logger.error("Expected an address or a network in a ban, got %r", text)
            else:
                until[network] = max(end, until.get(network, end))
        prefixes = {
            version: sorted({network.prefixlen for network in until if network.version == version})
            for version in (4, 6)
        }
        # Other threads read these meanwhile: each is replaced at once, never changed.
        self._until, self._prefixes = until, prefixes
        self._stale_at = time.monotonic() + SECONDS

    def forget(self) -> None:
        """Have the bans read at the next `refresh`."""
        self._stale_at = 0.0

    @property
    def empty(self) -> bool:
        """Whether no ban was read."""
        return not self._until

    def covers(self, address: str | None) -> bool:
        """Return whether a ban that was read covers the address; that costs a look for each length of prefix."""
        if self.empty or (found := parse(address)) is None:
            return False
        networks = (ip_network((found, length), strict=False) for length in self._prefixes[found.version])
        return any(lies_ahead(self._until.get(network)) for network in networks)


ban_list = BanList()


def is_banned(address: str | None) -> bool:
    """Return whether nobody may come in from this address. For synchronous code."""
    ban_list.refresh()
    return ban_list.covers(address)


def block_of(address: str | None) -> str:
    """Return the network that a ban of this address bans: itself, or all of its subscriber's in IPv6; "" for none."""
    found = parse(address)
    if found is None:
        return ""
    return str(ip_network((found, BLOCK_V6 if found.version == 6 else 32), strict=False))


def network_of(text: str) -> str:
    """Return an address or network as `AddressBan` has it; raises ValueError."""
    network = ip_network(text.strip(), strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(MAPPED):
        return str(ip_network((parse(str(network.network_address)), network.prefixlen - MAPPED.prefixlen)))
    return str(network)


def parse(address: str | None) -> Any:
    """Return an address to calculate with, in its IPv4 form if it has one; None if it is none."""
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
