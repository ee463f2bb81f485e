"""Private ids: by them a client comes back as the socket that it was, also after a restart or to another process.

No server keeps anything for that: a private id is the socket's id and a time, signed together with the login session
and the namespace, which it is worth nothing without. The alternative, to keep what left sockets missed, holds memory
for clients that never return, and ends with the process.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from django.core import signing

from .log import Position
from .protocol.offsets import parse_offset, split_auth


class Claim(NamedTuple):
    """Who a client says it was, proven, and what it says it has got, not checked against the log yet."""

    socket_id: str
    pid: str
    position: Position


def new_pid(socket_id: str, namespace: str, owner: str | None) -> str:
    """Return the private id of a socket; `owner` is what its login session is known by, see `audience.owner`."""
    return _signer(namespace, owner).sign(socket_id)


def read_claim(
    auth: Mapping[str, Any], namespace: str, owner: str | None, seconds: float
) -> tuple[dict[str, Any], Claim | None]:
    """Return auth without what belongs to recovery, and the claim in it if it is worth something."""
    rest, brought = split_auth(auth)
    if brought is None:
        return rest, None
    pid, offset = brought
    position = parse_offset(offset, namespace)
    try:
        socket_id = _signer(namespace, owner).unsign(pid, max_age=timedelta(seconds=seconds))
    except (signing.BadSignature, ValueError, OverflowError):  # the last two: a time that is none
        return rest, None
    return rest, None if position is None else Claim(socket_id, pid, Position(*position))


def _signer(namespace: str, owner: str | None) -> signing.TimestampSigner:
    owner = owner or ""
    return signing.TimestampSigner(salt=f"channels_socketio.recovery {len(owner)} {owner} {namespace}")
