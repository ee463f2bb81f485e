"""Why a connection or a socket ends, and why a request is refused: one table for each.

The texts are those of the JavaScript server where it has one for the case, because
applications compare them (https://socket.io/docs/v4/server-socket-instance/#disconnect).
What a socket is told when its login session ends is the table in `sessions/end_reasons.py`.
"""

import enum
import logging

# Close codes of WebSockets: RFC 6455 section 7.4.1, and IANA's registry for the last one.
NORMAL, GOING_AWAY, PROTOCOL_VIOLATED, POLICY_VIOLATED = 1000, 1001, 1002, 1008
TOO_BIG, UNEXPECTED, TRY_LATER = 1009, 1011, 1013
# Engine.IO's code and the status of HTTP for what the application refuses.
FORBIDDEN = (4, 403)


@enum.unique
class Reason(enum.Enum):
    """Why a connection or a socket ends.

    Each row: text, close code of a WebSocket, log level, whether the client may come back by itself, and whether a
    client that polls comes to be told. It does not when it is gone or hears of the end by the status of a request.
    """

    TRANSPORT_CLOSE = ("transport close", NORMAL, logging.DEBUG, True, False)
    TRANSPORT_ERROR = ("transport error", PROTOCOL_VIOLATED, logging.INFO, True, False)
    PING_TIMEOUT = ("ping timeout", POLICY_VIOLATED, logging.INFO, True, False)
    PARSE_ERROR = ("parse error", PROTOCOL_VIOLATED, logging.INFO, True, False)
    PAYLOAD_TOO_LARGE = ("payload too large", TOO_BIG, logging.INFO, True, False)
    CONNECT_TIMEOUT = ("connect timeout", POLICY_VIOLATED, logging.INFO, True, True)
    TOO_MANY_EVENTS = ("too many events", POLICY_VIOLATED, logging.INFO, True, False)
    SLOW_CONSUMER = ("slow consumer", POLICY_VIOLATED, logging.WARNING, True, True)
    SERVER_SHUTTING_DOWN = ("server shutting down", GOING_AWAY, logging.DEBUG, True, True)
    SESSION_ENDED = ("session ended", POLICY_VIOLATED, logging.INFO, False, True)
    SESSION_ROTATED = ("session rotated", POLICY_VIOLATED, logging.INFO, True, False)
    TAKEN_OVER = ("taken over", NORMAL, logging.INFO, True, True)
    LOG_UNAVAILABLE = ("log unavailable", TRY_LATER, logging.WARNING, True, True)
    INTERNAL_ERROR = ("internal error", UNEXPECTED, logging.INFO, True, True)  # the traceback is logged as an error
    # The application's. JavaScript clients come back all the same, because they get no DISCONNECT packet.
    FORCED_SERVER_CLOSE = ("forced server close", NORMAL, logging.INFO, False, True)
    # These two end one socket. The connection goes on.
    CLIENT_DISCONNECT = ("client namespace disconnect", NORMAL, logging.DEBUG, False, False)
    SERVER_DISCONNECT = ("server namespace disconnect", NORMAL, logging.INFO, False, False)

    def __init__(self, text: str, close_code: int, log_level: int, comes_back: bool, is_told: bool) -> None:
        self.text = text
        self.close_code = close_code
        self.log_level = log_level
        self.comes_back = comes_back
        self.is_told = is_told


@enum.unique
class Refusal(enum.Enum):
    """Why a request is refused before it reaches a connection.

    Each row: message, Engine.IO's code, status of HTTP, log level, and whether the client may try again as it is. The
    application refuses with `FORBIDDEN` as well, and says itself whether to try again (`Refused`).
    """

    UNKNOWN_TRANSPORT = ("Transport unknown", 0, 400, logging.DEBUG, False)
    UNKNOWN_SID = ("Session ID unknown", 1, 400, logging.DEBUG, True)
    BAD_METHOD = ("Bad handshake method", 2, 400, logging.DEBUG, False)
    BAD_REQUEST = ("Bad request", 3, 400, logging.DEBUG, False)
    UNSUPPORTED_VERSION = ("Unsupported protocol version", 5, 400, logging.DEBUG, False)
    # The next two are not Engine.IO's: its server closes the port, and serves no other path.
    SHUTTING_DOWN = ("Server shutting down", 3, 503, logging.DEBUG, True)
    UNKNOWN_PATH = ("Nothing here speaks WebSocket.", 3, 404, logging.DEBUG, False)
    NO_COOKIE = ("No cookie transmitted.", *FORBIDDEN, logging.INFO, False)
    NO_SESSION = ("Session unknown or expired.", *FORBIDDEN, logging.INFO, False)
    FOREIGN_ORIGIN = ("Origin not allowed.", *FORBIDDEN, logging.WARNING, False)
    BANNED = ("Banned.", *FORBIDDEN, logging.INFO, False)
    TOO_MANY_CONNECTIONS = ("Too many connections.", *FORBIDDEN, logging.WARNING, True)

    def __init__(self, message: str, code: int, status: int, log_level: int, may_retry: bool) -> None:
        self.message = message
        self.code = code
        self.status = status
        self.log_level = log_level
        self.may_retry = may_retry


@enum.unique
class SocketRefusal(enum.Enum):
    """Why a namespace or an event is refused inside a connection, which goes on.

    Each row: message, and the code for programs, which Socket.IO's own refusals lack.
    """

    UNKNOWN_NAMESPACE = ("Invalid namespace", "")
    TOO_MANY_NAMESPACES = ("Too many namespaces.", "")
    UNKNOWN_EVENT = ("Expected an event that this namespace knows.", "unknown event")
    INTERNAL = ("Something went wrong on the server.", "internal")

    def __init__(self, message: str, code: str) -> None:
        self.message = message
        self.code = code


class ProtocolError(Exception):
    """The peer sent what the protocol does not allow: says what was expected and what came.

    It never leaves `protocol/`: there it becomes a close with `reason`.
    """

    def __init__(self, message: str, reason: Reason = Reason.PARSE_ERROR) -> None:
        super().__init__(message)
        self.reason = reason
