"""What a socket is at, and what changes that."""

import enum


class SocketState(enum.Enum):
    """A socket that has left was gone before its connect was answered; one that has ended was connected."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    LEFT = "left"
    REFUSED = "refused"
    ENDED = "ended"


CONNECTING, CONNECTED, LEFT, REFUSED, ENDED = SocketState
TRANSITIONS = {
    CONNECTING: {"accept": CONNECTED, "refuse": REFUSED, "end": LEFT},
    CONNECTED: {"end": ENDED},
    LEFT: {"accept": ENDED},
    REFUSED: {},
    ENDED: {},
}
