"""What sees to it that connections live exactly as long as their login sessions.

Whoever ends or rotates a login session says so to all processes (see `revocation.py`): that is fast, and may be lost.
So each process also looks at the login sessions of its connections by itself, all of them in one query every
`SESSION_CHECK_INTERVAL` seconds, and one whose known expiry has come at that moment: a page may have renewed it.
What a look finds decides: the connections end, or are closed because the key was rotated, or go on.

A connection never changes its key or its user. When the key is rotated, or the session is another user's, the
connections of before are closed so that honest clients come back by the new cookie: whoever planted or stole the old
one before a login must not be the user after it.

News may overtake a handshake, which has read its login session and is not registered yet. Therefore news are remembered
for a while, and who comes by a login session of which there was news is looked at once more.

A session that is gone may have been rotated, and one that disagrees with its user's password may be the one that the
password is changed in: whoever does that says so a moment later. So nobody is put out for either at the first look.
"""

import asyncio
import contextvars
import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from django.contrib.auth import SESSION_KEY

from ..protocol.reasons import Reason
from .end_reasons import ENDED, EXPIRED, PASSWORD_CHANGED, USER_DELETED, USER_INACTIVE, EndReason
from .identity import session_hash, session_of
from .registry import Connection, Login, Registry
from .session_data import read_again
from .status import MOST, UNKNOWN, SessionStatus, agrees_with_password, find_statuses, find_users, may_log_in

logger = logging.getLogger(__name__)

END_SESSIONS = "end sessions"  # the kinds of publications
END_USER = "end user"
ROTATE_SESSIONS = "rotate sessions"
LOOK_AT_SESSIONS = "look at sessions"
LOOK_AT_USER = "look at user"
LOOK_AT_ALL = "look at all"

EVERYBODY = ",,"  # among the news, where users are behind one comma

HANDSHAKE_SECONDS = 30.0  # that a handshake may take from reading its login session to being registered
SETTLE_SECONDS = 0.3  # from a session that is gone, or a new password, to the word that says why
LATE_SECONDS = 10.0  # after a rotation, in which clients that come by the old key should ask once more


class SessionMonitor:
    """The authority of the login sessions over the connections of one event loop."""

    def __init__(
        self,
        now: Callable[[], float],
        schedule: Callable[[Any], None],
        handle: Callable[[str, Callable[..., None]], None],
    ) -> None:
        self.registry = Registry()
        self.scheduled_at = math.inf
        self._now, self._schedule = now, schedule
        self._interval = math.inf
        self._next_sweep = math.inf
        self._due: list[tuple[float, int, Login]] = []  # what must be looked at before the next sweep
        self._numbers = itertools.count()
        self._recent: dict[str, float] = {}  # hashes of keys, and users behind a comma, by when there was news
        self._rotated: dict[str, float] = {}  # hashes of keys by when they were rotated, as long as the news is kept
        self._doubted: set[Login] = set()
        self._looking: asyncio.Task[None] | None = None
        handle(END_SESSIONS, self._end_sessions)
        handle(END_USER, self._end_user)
        handle(ROTATE_SESSIONS, self._rotate_sessions)
        handle(LOOK_AT_SESSIONS, self._look_at_sessions)
        handle(LOOK_AT_USER, self._look_at_user)
        handle(LOOK_AT_ALL, self._look_at_everybody)

    def enter(self, connection: Connection, key: str, user: str | None, interval: float) -> Login:
        """Register a connection that lives by the login session with the hash `key`, of `user` if not None.

        `interval` is how often its login session must be looked at, in seconds.
        """
        before = self.registry.find([key])
        changed = any(login.user != user and "user" in login.scope and "user" in connection.scope for login in before)
        if changed:
            rotate(before[0])
        login = self.registry.enter(connection, key, user)
        self._interval = min(self._interval, interval)
        if self.scheduled_at == math.inf:  # nobody was here
            self._next_sweep = self._now() + self._interval
            self._schedule(self)
        self._expect(login, getattr(session_of(connection.scope), "expires_at", None))
        if changed or (self._recent and any(name in self._recent for name in (key, f",{user}", EVERYBODY))):
            login.stale = True
            self._doubt([login])
        return login

    def is_rotated(self, key: str) -> bool:
        """Return whether a login session went by this hash until some seconds ago, and does no more."""
        return key in self._rotated

    def is_late(self, key: str) -> bool:
        """Return whether a client may come by this hash only because it has not got its new cookie yet."""
        return self._now() < self._rotated.get(key, -math.inf) + LATE_SECONDS

    async def look_at(self, login: Login) -> None:
        """Return once the database was asked how `login` stands and it was done accordingly."""
        await asyncio.shield(self._doubt([login]))

    def next_deadline(self) -> float | None:
        """Part of Timers' contract."""
        if not self.registry.logins:
            return None
        return min(self._next_sweep, self._due[0][0]) if self._due else self._next_sweep

    def handle_timeout(self, now: float) -> None:
        """Look at the login sessions that it is time for; part of Timers' contract."""
        if now >= self._next_sweep:
            self._next_sweep = now + self._interval
            self._forget_recent(now)
            self._doubt(self.registry.logins.values())
        due = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        self._doubt(login for login in due if login.connections)

    def fail(self, error: Exception) -> None:
        """Part of Timers' contract; the next sweep looks at those that were not looked at now."""
        logger.error("Login sessions could not be looked at.", exc_info=error)

    def _end_sessions(self, keys: Sequence[str], reason: str, message: str) -> None:
        self._remember(keys)
        for login in self.registry.find(keys):
            end(login.connections, EndReason(reason, message))

    def _end_user(self, user: str, reason: str, message: str) -> None:
        self._remember([f",{user}"])
        for login in self.registry.of_user(user):
            end(login.connections, EndReason(reason, message))

    def _rotate_sessions(self, keys: Sequence[str]) -> None:
        self._remember(keys)
        for key in keys:
            self._rotated.setdefault(key, self._now())
        for login in self.registry.find(keys):
            rotate(login)

    def _look_at_sessions(self, keys: Sequence[str]) -> None:
        self._remember(keys)
        logins = self.registry.find(keys)
        for login in logins:
            login.stale = True
        self._doubt(logins)

    def _look_at_user(self, user: str) -> None:
        self._remember([f",{user}"])
        self._doubt(self.registry.of_user(user))

    def _look_at_everybody(self) -> None:
        self._remember([EVERYBODY])
        self._doubt(self.registry.logins.values())

    def _remember(self, names: Iterable[str]) -> None:
        now = self._now()
        self._forget_recent(now)
        for name in names:
            self._recent.pop(name, None)  # so that they are in the order of their times
            self._recent[name] = now

    def _forget_recent(self, now: float) -> None:
        while self._recent and self._recent[name := next(iter(self._recent))] < now - HANDSHAKE_SECONDS:
            del self._recent[name]
            self._rotated.pop(name, None)

    def _expect(self, login: Login, expires: Any) -> None:
        """Note when a login session expires, a datetime, None for unknown."""
        if expires is not None:
            login.expires = self._now() + expires.timestamp() - time.time()
            self._look_later(login, login.expires)

    def _look_later(self, login: Login, when: float) -> None:
        if when < self._next_sweep:  # otherwise it is looked at before
            heapq.heappush(self._due, (when, next(self._numbers), login))
            self._schedule(self)

    def _doubt(self, logins: Iterable[Login]) -> "asyncio.Task[None]":
        """Look at login sessions: all that are asked for while one query runs share the next."""
        self._doubted.update(logins)
        if self._looking is None:
            # In a context of its own: that of a request would have it use the request's thread, beyond its end.
            self._looking = asyncio.create_task(self._look_all(), context=contextvars.Context())
        return self._looking

    async def _look_all(self) -> None:
        try:
            while self._doubted:
                batch = [self._doubted.pop() for _ in range(min(MOST, len(self._doubted)))]
                try:
                    await self._look([login for login in batch if login.connections])
                except Exception as error:  # the store's, whatever it is: nobody is put out for it
                    logger.error("Login sessions could not be looked at: %s: %s", type(error).__name__, error)
        finally:
            self._looking = None

    async def _look(self, batch: list[Login]) -> None:
        """Ask the database about login sessions, and do what follows."""
        statuses = await find_statuses([login.scope["session"] for login in batch])
        live: list[tuple[Login, SessionStatus]] = []
        for login, status in zip(batch, statuses, strict=True):
            if status is None:
                self._lose(login)
            elif status.end_reason is not None:
                end(login.connections, status.end_reason)
            elif session_hash(status.session_key) != login.key:
                rotate(login)
            elif review(login):
                live.append((login, status))
        wanted = {login.user for login, _ in live if login.user is not None}
        users = await find_users(wanted) if wanted else {}
        for login, status in live:
            try:
                if login.connections:
                    await self._judge(login, status, None if login.user is None else users.get(login.user))
            except Exception as error:  # nobody is put out for it: the next sweep looks again
                logger.error("A login session could not be judged: %s: %s", type(error).__name__, error)

    def _lose(self, login: Login) -> None:
        """A login session is not there under its key, nor under another as far as its store can tell."""
        if login.key in self._rotated:
            rotate(login)
        elif self._now() >= login.expires:
            end(login.connections, EXPIRED)
        elif self._has_settled(login):
            end(login.connections, ENDED)

    async def _judge(self, login: Login, status: SessionStatus, user: Any) -> None:
        self._expect(login, status.expires)
        scope = login.scope
        session = scope["session"]
        if status.user not in (UNKNOWN, await session.aget(SESSION_KEY)):
            rotate(login)
        elif login.user is not None and (user is None or not may_log_in(session, user)):
            end(login.connections, USER_DELETED if user is None else USER_INACTIVE)
        elif not agrees_with_password(session, user):
            if self._has_settled(login):
                await self._judge_password(login, session, user)
        else:
            login.settles = None
            if login.stale or (user is not None and user.get_username() != scope["user"].get_username()):
                await self._rename(login, session, user)

    async def _judge_password(self, login: Login, session: Any, user: Any) -> None:
        """Put out who was here before a new password: for good, unless the login session knows it by now."""
        stored = await read_again(session)
        if stored is not None and agrees_with_password(stored, user):
            rotate(login)
        else:
            end(login.connections, PASSWORD_CHANGED)

    async def _rename(self, login: Login, session: Any, user: Any) -> None:
        """Have the connections of a login session know it, and its user if not None, as they are now."""
        login.stale = False
        stored = await read_again(session)
        if stored is not None:  # or else the next look finds out
            for_each(login.connections, lambda connection: connection.rename(stored, user))

    def _has_settled(self, login: Login) -> bool:
        """Return whether what is wrong with a login session has had its time to be explained; look again after it."""
        now = self._now()
        if login.settles is None:
            login.settles = now + SETTLE_SECONDS
        elif now >= login.settles:
            return True
        self._look_later(login, login.settles)
        return False


def end(connections: Collection[Connection], end_reason: EndReason) -> None:
    """End connections: by itself one that cannot say why."""
    for_each(connections, lambda connection: connection.end(end_reason), Reason.SESSION_ENDED)


def rotate(login: Login) -> None:
    """Close all connections that came by a key, or as a user, that their login session does not have any more."""
    for_each(login.connections, lambda connection: connection.rotate(), Reason.SESSION_ROTATED)


def for_each(
    connections: Collection[Connection], act: Callable[[Connection], None], reason: Reason = Reason.INTERNAL_ERROR
) -> None:
    """Do something with each of `connections`; one that fails is closed alone, for `reason`."""
    for connection in list(connections):
        try:
            act(connection)
        except Exception as error:
            connection.fail(error, reason)


def review(login: Login) -> bool:
    """End the connections of a login session that their server does not let stay; return whether any are left."""
    for connection in list(login.connections):
        try:
            end_reason = connection.review()
        except Exception as error:  # the application's: nobody is put out for it, it is asked again with the next look
            logger.error("Whether %s may stay could not be said.", connection.label, exc_info=error)
            continue
        if end_reason is not None:
            end([connection], end_reason)
    return bool(login.connections)
