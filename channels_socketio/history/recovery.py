"""Private ids: by them a client comes back as the socket that it was, also after a restart or to another process.

No server keeps anything for that: a private id is the socket's id, a digest of its owner (login session and user) and
a time, signed together with the namespace, which it is worth nothing without. The alternative, to keep what left
sockets missed, holds memory for clients that never return, and ends with the process.

Another owner does not get the socket back. The client was a socket of this namespace all the same, so it may go on from
its position: somebody who has just logged in misses nothing.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from django.core import signing

from .log import Position

OFFSET = re.compile(r"(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})\.(/.*)", re.DOTALL | re.ASCII)
RECOVERY_KEYS = ("pid", "offset")
LONGEST = 1000  # characters of what a client brings; a namespace may be long


class Claim(NamedTuple):
    """Who a client says it was, proven, and what it says it has got, not checked against the log yet.

    `pid` is None when that socket was another owner's: then only the position counts.
    """

    socket_id: str
    pid: str | None
    position: Position


def new_pid(socket_id: str, namespace: str, owner: str | None) -> str:
    """Return the private id of a socket; `owner` is what login session and user are known by, see `identity.owner`."""
    return _signer(namespace).sign(f"{socket_id}.{_digest(socket_id, owner)}")


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
        signed = _signer(namespace).unsign(pid, max_age=timedelta(seconds=seconds))
    except (signing.BadSignature, ValueError, OverflowError, IndexError):  # the last three: a time that is none
        return rest, None
    if position is None:
        return rest, None
    socket_id, _, digest = signed.rpartition(".")
    return rest, Claim(socket_id, pid if digest == _digest(socket_id, owner) else None, Position(*position))


def parse_offset(text: str, namespace: str) -> tuple[int, int] | None:
    """Return entries and deletions from an offset; None if it is none, or one of another namespace."""
    found = OFFSET.fullmatch(text)
    if found is None or found[3] != namespace:
        return None
    return int(found[1]), int(found[2])


def split_auth(auth: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, str] | None]:
    """Return the application's part of a client's auth, and pid and offset if both may be such."""
    rest = {key: value for key, value in auth.items() if key not in RECOVERY_KEYS}
    pid, offset = (auth.get(key) for key in RECOVERY_KEYS)
    if not isinstance(pid, str) or not isinstance(offset, str) or max(len(pid), len(offset)) > LONGEST:
        return rest, None
    return rest, (pid, offset)


def _digest(socket_id: str, owner: str | None) -> str:
    return hashlib.sha256(f"{socket_id} {owner or ''}".encode()).hexdigest()[:32]


def _signer(namespace: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"channels_socketio.recovery {namespace}")
