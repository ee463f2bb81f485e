"""What applications hand over, as values that a packet can carry."""

from collections.abc import Sequence
from typing import Any

import msgspec


def to_json(args: Sequence[Any]) -> list[Any]:
    """Return `args` with structs, dates, UUIDs and the like as JSON values; bytes stay bytes."""
    return list(msgspec.to_builtins(tuple(args), builtin_types=(bytes, bytearray, memoryview)))
