"""Messages on their way to the disk: those that come while a transaction runs share the next one.

The event loop never waits for the database. Messages wait in a queue; a task, which lives only while there are any,
hands what waits to a thread that commits it, gives every sender the answer, and announces the news. A first message
is committed at once, and under load the batch is what came during the last commit: no timer is involved.

Senders are answered right after the commit. News of it wait for the next commit, if there are messages for one by
then, and for no other: what is announced together reaches each client in one write, which is most of a message's
price. Should that commit hang, clients get the message all the same, when their process looks where the log ends.

Every sender gets an answer within `PATIENCE` seconds. One whose message waits in the queue for longer is refused, and
the message will not be stored. One whose message is in a transaction that does not end is refused although the
message may be stored later; sending it again with the same id tells, and stores it once in either case.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass
from itertools import chain

from django.db import DatabaseError

from channels_socketio import PerLoop, Refused, aannounce
from chat import services
from chat.database import DatabaseThread
from chat.services import Announcement, Committed, Draft, Receipt

BATCH = 500  # messages in one transaction
QUEUE = 5000  # messages that may wait for one
PATIENCE = 10.0

logger = logging.getLogger(__name__)
thread = DatabaseThread("chat-writer")


@dataclass(frozen=True, slots=True)
class QueuedDraft:
    """A message, who waits for its answer, and until when."""

    draft: Draft
    answer: asyncio.Future[Receipt]
    deadline: float

    def refuse(self) -> None:
        """Answer that the message is not known to be stored."""
        self.settle(Refused("unavailable", "The message could not be stored. Please try again."))

    def settle(self, outcome: Receipt | Refused) -> None:
        """Answer what became of the message."""
        if self.answer.done():  # the sender was refused by now, or has gone
            return
        if isinstance(outcome, Refused):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


class Writer:
    """Stores the messages of one event loop.

    `commit` runs in a thread, `announce` on the loop, in the order of the commits and after the senders' answers. They
    are attributes so that a test can have the process die at either.
    """

    commit = staticmethod(services.commit)
    announce = staticmethod(aannounce)

    def __init__(self) -> None:
        self._waiting: deque[QueuedDraft] = deque()
        self._task: asyncio.Task[None] | None = None

    def send(self, draft: Draft) -> asyncio.Future[Receipt]:
        """Have a message stored after those that were sent before; the future has the receipt once it is on disk.

        The future raises Refused: with the code `unavailable` the message may be sent again.
        """
        loop = asyncio.get_running_loop()
        entry = QueuedDraft(draft, loop.create_future(), loop.time() + PATIENCE)
        if len(self._waiting) >= QUEUE:
            entry.refuse()
            return entry.answer
        self._waiting.append(entry)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return entry.answer

    async def _work(self) -> None:
        held: list[Announcement] = []
        try:
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                announcements = await self._store(batch)
                if self._waiting and not held:
                    held = announcements
                else:
                    await self._announce(held + announcements)
                    held = []
        finally:
            self._task = None

    async def _store(self, batch: list[QueuedDraft]) -> list[Announcement]:
        """Commit, and give the senders their answers; return what is to be announced."""
        try:
            committed = await self._commit(batch)
        except Exception as error:
            # Whatever it was, nobody may be left waiting; what is no failure of the database is a mistake here.
            expected = isinstance(error, DatabaseError)
            logger.error("Storing %d messages failed: %s", len(batch), error, exc_info=not expected)
            for entry in batch:
                entry.refuse()
            return []
        for entry, outcome in zip(batch, committed.outcomes, strict=True):
            entry.settle(outcome)
        await asyncio.sleep(0)  # the senders, woken, answer their clients first
        return committed.announcements

    async def _announce(self, announcements: list[Announcement]) -> None:
        for namespace, item in announcements:
            try:
                await self.announce(namespace, item)
            except Exception:  # the message is stored, and those behind it must be
                logger.exception("A message in %s could not be announced.", namespace)

    async def _commit(self, batch: list[QueuedDraft]) -> Committed:
        """Commit in the thread; in the meantime refuse those whose patience ends."""
        commit = thread.run(self.commit, [entry.draft for entry in batch])
        loop = asyncio.get_running_loop()
        while not commit.done():
            while self._waiting and self._waiting[0].deadline <= loop.time():
                self._waiting.popleft().refuse()
            for entry in batch:
                if entry.deadline <= loop.time():
                    entry.refuse()
            timers = (entry.deadline for entry in chain(batch, self._waiting) if not entry.answer.done())
            deadline = next(timers, loop.time() + PATIENCE)
            await asyncio.wait({commit}, timeout=deadline - loop.time())
        return commit.result()


current_writer = PerLoop(Writer)
