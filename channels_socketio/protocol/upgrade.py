"""The server's half of an upgrade from polling to WebSocket, as seen on the candidate WebSocket.

https://socket.io/docs/v4/engine-io-protocol/#upgrade. Anything but probe and upgrade, in this order,
fails the candidate alone: the polling session goes on.
"""

import enum

from .engine_packets import Encoded

PROBE = "2probe"
PROBE_ANSWER = "3probe"
UPGRADE = "5"
NOOP = "6"


class UpgradeState(enum.Enum):
    """Opened, probed, then either upgraded or failed."""

    OPENED = "opened"
    PROBED = "probed"
    UPGRADED = "upgraded"
    FAILED = "failed"


OPENED, PROBED, UPGRADED, FAILED = UpgradeState
# Any other packet leads to FAILED.
TRANSITIONS: dict[UpgradeState, dict[Encoded, UpgradeState]] = {
    OPENED: {PROBE: PROBED},
    PROBED: {UPGRADE: UPGRADED},
    UPGRADED: {},
    FAILED: {},
}


class UpgradeProtocol:
    """One candidate."""

    def __init__(self) -> None:
        self.state = OPENED
        self._packets: list[Encoded] = []

    def receive_data(self, data: Encoded) -> None:
        """Take one packet from the candidate."""
        self.state = TRANSITIONS[self.state].get(data, FAILED)
        if self.state is PROBED:
            self._packets.append(PROBE_ANSWER)

    def data_to_send(self) -> list[Encoded]:
        """Return the packets to write on the candidate."""
        packets, self._packets = self._packets, []
        return packets
