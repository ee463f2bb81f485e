"""What a connection asks of the way to its client. Nobody asks which one it is."""

from collections.abc import Sequence
from typing import Protocol

from ..fanout.prepared import PreparedMessage
from ..protocol.reasons import Reason


class Transport(Protocol):
    """A transport feeds `Connection.receive` and `Connection.close`, and has these methods.

    None of them waits or raises; after `close` the others do nothing.
    """

    @property
    def name(self) -> str:
        """What Engine.IO calls it."""

    @property
    def upgrades(self) -> Sequence[str]:
        """The transports that a client may change to."""

    @property
    def ready(self) -> bool:
        """Whether a packet would be on its way at once."""

    def send_prepared(self, prepared: PreparedMessage) -> None:
        """Send what is in a message behind what was sent before."""

    def close(self, reason: Reason) -> None:
        """Close the way to the client, behind what was sent before."""

    def resume(self) -> None:
        """Read on: the connection is not congested any more."""
