"""Why the authority of a login session ends: what its sockets are told, one table."""

from typing import NamedTuple

from ..protocol.reasons import Reason, Refusal


class EndReason(NamedTuple):
    """The data of the event `session ended`: `reason` is for programs, `message` for people."""

    reason: str
    message: str


EVENT = Reason.SESSION_ENDED.text

LOGGED_OUT = EndReason("logged out", "You have logged out.")
ENDED = EndReason("ended", "Your session has ended.")
EXPIRED = EndReason("expired", "Your session has expired.")
USER_INACTIVE = EndReason("user inactive", "Your account is not active any more.")
USER_DELETED = EndReason("user deleted", "Your account was deleted.")
PASSWORD_CHANGED = EndReason("password changed", "Your password was changed. Please log in again.")
BANNED = EndReason("banned", Refusal.BANNED.message)
