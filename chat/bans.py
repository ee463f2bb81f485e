"""Bans of addresses, as one process knows them.

Every page and every handshake asks, and the table changes a few times a day. So each process keeps a copy. It reads the
bans again when the copy is `SECONDS` old, or when its sockets' login sessions are looked at. The bans of visitors need
no copy: they are in the visitor's row, which is read with the login session.
"""

import logging
import time
from datetime import datetime
from ipaddress import ip_network

from django.utils import timezone

from channels_socketio import Network, network_of, parse_address
from chat.models import AddressBan, lies_ahead

SECONDS = 1.0

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
                network = network_of(text)
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
        if self.empty or (found := parse_address(address or "")) is None:
            return False
        networks = (ip_network((found, length), strict=False) for length in self._prefixes[found.version])
        return any(lies_ahead(self._until.get(network)) for network in networks)


ban_list = BanList()


def is_banned(address: str | None) -> bool:
    """Return whether nobody may come in from this address. For synchronous code."""
    ban_list.refresh()
    return ban_list.covers(address)
