"""Why a connection or a socket ends: one table.

The texts are those of the JavaScript server where it has one for the case, because
applications compare them (https://socket.io/docs/v4/server-socket-instance/#disconnect).
"""

import enum
import logging


class Reason(enum.Enum):
    """Each row: text, log level."""

    TRANSPORT_CLOSE = ("transport close", logging.DEBUG)
    TRANSPORT_ERROR = ("transport error", logging.INFO)
    PING_TIMEOUT = ("ping timeout", logging.INFO)
    PARSE_ERROR = ("parse error", logging.INFO)
    PAYLOAD_TOO_LARGE = ("payload too large", logging.INFO)
    CONNECT_TIMEOUT = ("connect timeout", logging.INFO)
    TOO_MANY_EVENTS = ("too many events", logging.INFO)
    SLOW_CONSUMER = ("slow consumer", logging.WARNING)
    SERVER_SHUTTING_DOWN = ("server shutting down", logging.DEBUG)
    SESSION_ENDED = ("session ended", logging.INFO)
    SESSION_ROTATED = ("session rotated", logging.INFO)
    TAKEN_OVER = ("taken over", logging.INFO)
    LOG_UNAVAILABLE = ("log unavailable", logging.WARNING)
    INTERNAL_ERROR = ("internal error", logging.INFO)  # the traceback is logged as an error
    FORCED_SERVER_CLOSE = ("forced server close", logging.INFO)
    CLIENT_DISCONNECT = ("client namespace disconnect", logging.DEBUG)
    SERVER_DISCONNECT = ("server namespace disconnect", logging.INFO)

    def __init__(self, text: str, log_level: int) -> None:
        self.text = text
        self.log_level = log_level


class ProtocolError(Exception):
    """The peer sent what the protocol does not allow: says what was expected and what came.

    It never leaves `protocol/`: there it becomes a close with `reason`.
    """

    def __init__(self, message: str, reason: Reason = Reason.PARSE_ERROR) -> None:
        super().__init__(message)
        self.reason = reason
