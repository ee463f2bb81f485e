"""Connection state recovery on the wire: what a client brings along, and the offset at the end of its events.

An official client that knows a `pid` remembers the last argument of each event if that is a text: its offset. It
sends both in its next CONNECT, among the application's own auth.
https://socket.io/docs/v4/connection-state-recovery
"""

import re
from collections.abc import Mapping
from typing import Any

OFFSET = re.compile(r"(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,14})\.(/.*)", re.DOTALL | re.ASCII)
RECOVERY_KEYS = ("pid", "offset")
LONGEST = 1000  # characters of what a client brings; a namespace may be long


def format_offset(seq: int, deletions: int, namespace: str) -> str:
    """Return the offset of a client that has got `seq` entries and `deletions` deletions of a namespace's log."""
    return f"{seq}.{deletions}.{namespace}"


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
