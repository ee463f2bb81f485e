"""Why the authority of a login session ends: what its sockets are told, one table."""

from typing import NamedTuple


class Ending(NamedTuple):
    """The data of the event `session ended`: `reason` is for programs, `message` for people."""

    reason: str
    message: str


EVENT = "session ended"

LOGGED_OUT = Ending("logged out", "You have logged out.")
ENDED = Ending("ended", "Your session has ended.")
EXPIRED = Ending("expired", "Your session has expired.")
USER_INACTIVE = Ending("user inactive", "Your account is not active any more.")
USER_DELETED = Ending("user deleted", "Your account was deleted.")
PASSWORD_CHANGED = Ending("password changed", "Your password was changed. Please log in again.")
BANNED = Ending("banned", "Banned.")
