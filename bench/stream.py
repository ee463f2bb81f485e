"""The messages that all clients of one room must receive: the same frames in the same order, byte for byte.

Each message is `<run>-<author>-<number>`: `run` tells this run's messages from those that a server remembers of
earlier ones, and every author counts its own: 0, 1, 2 ...
"""

import re
import secrets
from bisect import bisect_right

MESSAGE = re.compile(rb'"msg": ?"[^"]*: ([0-9a-f]{8})-(\d+)-(\d+)"')


class WrongAnswerError(Exception):
    """The server did what it must not do; a figure for it would mean nothing."""


class Stream:
    """What was broadcast to a room in one run, as far as any of its clients has got it.

    `authors` has the author of each message. Unless it is `ordered`, an author's messages may come in any order, once.
    """

    def __init__(self, ordered: bool = True) -> None:
        self.ordered = ordered
        self.run = secrets.token_hex(4)
        self.data = bytearray()
        self.authors: list[int] = []
        self._numbers: dict[int, int] = {}
        self._taken: set[tuple[int, int]] = set()
        self._starts: list[int] = []

    def __len__(self) -> int:
        return len(self._starts)

    def text(self, author: int, number: int, digits: int) -> str:
        """Return the text of a message."""
        return f"{self.run}-{author}-{number:0{digits}}"

    def count(self, position: int) -> int:
        """Return how many whole frames end at or before `position`."""
        begun = bisect_right(self._starts, position)
        return begun if position == len(self.data) else begun - 1

    def start_of_frame(self, position: int) -> int:
        """Return where the frame begins in which `position` lies."""
        begun = bisect_right(self._starts, position)
        return position if position == len(self.data) else self._starts[begun - 1]

    def ends(self) -> list[int]:
        """Return where each frame ends."""
        return [*self._starts[1:], len(self.data)]

    def take(self, frame: bytes, position: int) -> bool:
        """Take a broadcast frame that a client received at `position`; return whether it is one of this run.

        Raises WrongAnswerError when it does not belong there.
        """
        if self.data.startswith(frame, position) and position < len(self.data):
            return True
        author, number = read(frame, self.run)
        if number is None:
            return False
        if position < len(self.data):
            raise WrongAnswerError(f"expected what other clients got, got {frame[:200]!r}")
        self._count(author, number, frame)
        self._starts.append(position)
        self.authors.append(author)
        self.data += frame
        return True

    def _count(self, author: int, number: int, frame: bytes) -> None:
        if not self.ordered:
            if (author, number) in self._taken:
                raise WrongAnswerError(f"expected each message once, got {frame[:200]!r} again")
            self._taken.add((author, number))
            return
        expected = self._numbers.get(author, 0)
        if number != expected:
            raise WrongAnswerError(f"expected message {expected} of client {author}, got {frame[:200]!r}")
        self._numbers[author] = number + 1


def read(frame: bytes, run: str) -> tuple[int, int | None]:
    """Return author and number of a message; the number is None when it was not said in `run`."""
    found = MESSAGE.search(frame)
    if found is None or found[1] != run.encode():
        return 0, None
    return int(found[2]), int(found[3])
