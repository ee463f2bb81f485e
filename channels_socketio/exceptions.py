"""What an application raises, and what it may have to catch."""

from typing import Any

from .protocol.reasons import Refusal


class Refused(Exception):
    """Raise it in `connect` to refuse a namespace, in a handler to refuse an event.

    `code` is for programs, `message` for people; both are sent to the client, and `more` beside the code.
    """

    def __init__(self, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """What the refusal of a handshake has beside code and message: when to try again, if that is known."""
        return [(b"retry-after", b"%d" % self.more["retry_after"])] if "retry_after" in self.more else []


class SocketEnded(ConnectionError):
    """A call's client has gone, or has not come yet."""


def session_gone(**more: Any) -> Refused:
    """Return the refusal of a request whose login session is none, or another one than was expected."""
    return Refused("no session", Refusal.NO_SESSION.message, **more)
