"""Who asks for a connection."""

from dataclasses import dataclass
from typing import Any, Self

from ..limits.addresses import address_of
from ..sessions.identity import login_key, owner, user_of


@dataclass(frozen=True, slots=True)
class Handshake:
    """What a connection is known by for all its life; consumers find it in `scope["handshake"]`.

    `address`: whose request it is, see `limits.addresses`. `session`: the hash of the login session's key, None without
    one. `user`: the primary key of the Django user as text, None for nobody. `owner`: what login session and user are
    known by also after the key was rotated, None without a login session.
    """

    address: str
    session: str | None
    user: str | None
    owner: str | None

    @classmethod
    def of(cls, scope: Any) -> Self:
        """Return the handshake of a request whose login session was read."""
        return cls(address_of(scope), login_key(scope), user_of(scope), owner(scope))
