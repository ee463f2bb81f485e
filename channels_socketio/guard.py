"""What sees to it that connections live exactly as long as their login sessions.

Whoever ends or rotates a login session says so to all processes (see `authority.py`): that is fast, and may be lost.
So each process also looks at the login sessions of its connections by itself, all of them in one query every
`SESSION_CHECK_INTERVAL` seconds, and one whose known expiry has come at that moment: a page may have renewed it.
What a look finds decides: the connections end, or are bound to the new key, or go on.

News may overtake a handshake, which has read its login session and is not registered yet. Therefore news are remembered
for a while, and who comes by a login session of which there was news is looked at once more.

A new password is stored before the login session that it was changed in is: in between, a session that disagrees with
its user's password may still be the right one. So nobody is put out for that at the first look.
"""

import asyncio
import contextvars
import heapq
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django.contrib.auth import SESSION_KEY

from .audience import login_key, session_hash, session_of, user_of
from .endings import ENDED, EXPIRED, PASSWORD_CHANGED, USER_DELETED, USER_INACTIVE, Ending
from .protocol.reasons import Reason
from .registry import Login, Registry
from .standing import (
    MOST,
    UNKNOWN,
    Standing,
    agrees_with_password,
    find_standings,
    find_users,
    may_log_in,
    session_store,
)

if TYPE_CHECKING:
    from .connection import Connection
    from .runtime import Runtime

logger = logging.getLogger(__name__)

END_SESSIONS = "end sessions"  # the kinds of the backplane's news
END_USER = "end user"
LOOK_AT_SESSIONS = "look at sessions"
LOOK_AT_USER = "look at user"
LOOK_AT_ALL = "look at all"

EVERYBODY = ",,"  # among the news, where users are behind one comma

HANDSHAKE_SECONDS = 30.0  # that a handshake may take from reading its login session to being registered
SETTLE_SECONDS = 0.3  # from a new password to the login session that knows it
LATE_SECONDS = 10.0  # that a request may be under way, which was sent before its key was rotated
ROTATION_SECONDS = 10.0  # the same, once it is known that the login session is being changed


class Guard:
    """The authority of the login sessions over the connections of one event loop."""

    def __init__(self, runtime: "Runtime") -> None:
        self.registry = Registry()
        self.watched_until = math.inf
        self._runtime = runtime
        self._interval = math.inf
        self._next_sweep = math.inf
        self._due: list[tuple[float, int, Login]] = []  # what must be looked at before the next sweep
        self._numbers = itertools.count()
        self._news: dict[str, float] = {}  # hashes of keys, and users behind a comma, by when there was news
        self._renamed: dict[str, tuple[str, float]] = {}  # as long as the news is kept: the next hash, and since when
        self._doubted: set[Login] = set()
        self._looking: asyncio.Task[None] | None = None
        self._handlers: dict[str, Callable[..., None]] = {
            END_SESSIONS: self._end_sessions,
            END_USER: self._end_user,
            LOOK_AT_SESSIONS: self._look_at_sessions,
            LOOK_AT_USER: self._look_at_user,
            LOOK_AT_ALL: self._look_at_everybody,
        }
        for kind, handler in self._handlers.items():
            runtime.backplane.handle(kind, handler)

    def enter(self, connection: "Connection") -> Login | None:
        """Register a connection; return its login session, None if it has none."""
        key, user = login_key(connection.scope), user_of(connection.scope)
        if key is None:
            return None
        login = self.registry.enter(connection, key, user)
        self._interval = min(self._interval, connection.server.options.session_check_interval)
        if self.watched_until == math.inf:  # nobody was here
            self._next_sweep = self._runtime.now() + self._interval
            self._runtime.deadlines.watch(self)
        self._expect(login, getattr(session_of(connection.scope), "expires_at", None))
        if self._news and any(name in self._news for name in (key, f",{user}", EVERYBODY)):
            self._doubt([login])
        return login

    def leave(self, connection: "Connection", login: Login) -> None:
        """Forget a connection that has ended."""
        self.registry.leave(connection, login)

    def present_key(self, key: str | None) -> str | None:
        """Return the hash that a login session has now which had this one a moment ago."""
        return self._follow(key, self._runtime.now() - LATE_SECONDS)

    def tell(self, kind: str, *args: Any) -> None:
        """Do what one kind of news says, here and in all other processes, which hear of it first."""
        self._runtime.backplane.tell_all(kind, *args)
        self._handlers[kind](*args)

    async def look_at(self, login: Login) -> None:
        """Return once the database was asked how `login` stands and it was done accordingly."""
        await asyncio.shield(self._doubt([login]))

    def next_deadline(self) -> float | None:
        """Part of Deadlines' contract."""
        if not self.registry.logins:
            return None
        return min(self._next_sweep, self._due[0][0]) if self._due else self._next_sweep

    def handle_timeout(self, now: float) -> None:
        """Look at the login sessions that it is time for; part of Deadlines' contract."""
        if now >= self._next_sweep:
            self._next_sweep = now + self._interval
            self._forget_news(now)
            self._doubt(self.registry.logins.values())
        due = []
        while self._due and self._due[0][0] <= now:
            due.append(heapq.heappop(self._due)[2])
        self._doubt(login for login in due if login.connections)

    def fail(self, error: Exception) -> None:
        """Part of Deadlines' contract; the next sweep looks at those that were not looked at now."""
        logger.error("Login sessions could not be looked at.", exc_info=error)

    def _end_sessions(self, keys: Sequence[str], reason: str, message: str) -> None:
        self._remember(keys)
        for login in self._find(keys):
            end(login, Ending(reason, message))

    def _end_user(self, user: str, reason: str, message: str) -> None:
        self._remember([f",{user}"])
        for login in self.registry.of_user(user):
            end(login, Ending(reason, message))

    def _look_at_sessions(self, keys: Sequence[str]) -> None:
        self._remember(keys)
        self._doubt(self._find(keys))

    def _look_at_user(self, user: str) -> None:
        self._remember([f",{user}"])
        self._doubt(self.registry.of_user(user))

    def _look_at_everybody(self) -> None:
        self._remember([EVERYBODY])
        self._doubt(self.registry.logins.values())

    def _find(self, keys: Iterable[str]) -> list[Login]:
        return self.registry.find([present for key in keys if (present := self._follow(key)) is not None])

    def _follow(self, key: str | None, since: float = -math.inf) -> str | None:
        """Return the hash that has become of this one by rotations after `since`."""
        while key is not None and (renamed := self._renamed.get(key)) is not None and renamed[1] > since:
            key = renamed[0]
        return key

    def _remember(self, names: Iterable[str]) -> None:
        now = self._runtime.now()
        self._forget_news(now)
        for name in names:
            self._news.pop(name, None)  # so that they are in the order of their times
            self._news[name] = now

    def _forget_news(self, now: float) -> None:
        while self._news and self._news[name := next(iter(self._news))] < now - HANDSHAKE_SECONDS:
            del self._news[name]
            self._renamed.pop(name, None)

    def _expect(self, login: Login, expires: Any) -> None:
        """Note when a login session expires, a datetime, None for unknown."""
        if expires is not None:
            login.expires = self._runtime.now() + expires.timestamp() - time.time()
            self._look_later(login, login.expires)

    def _look_later(self, login: Login, when: float) -> None:
        if when < self._next_sweep:  # otherwise it is looked at before
            heapq.heappush(self._due, (when, next(self._numbers), login))
            self._runtime.deadlines.watch(self)

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
        standings = await find_standings([login.scope["session"] for login in batch])
        live: list[tuple[Login, Standing]] = []
        for login, standing in zip(batch, standings, strict=True):
            if standing is None:
                end(login, EXPIRED if self._runtime.now() >= login.expires else ENDED)
            elif standing.ending is not None:
                end(login, standing.ending)
            elif review(login):
                live.append((login, standing))
        wanted = {user for login, standing in live for user in (login.user, standing.user) if user}
        users = await find_users(wanted) if wanted else {}
        for login, standing in live:
            if login.connections:
                await self._judge_alone(login, standing, users)

    async def _judge_alone(self, login: Login, standing: Standing, users: dict[str, Any]) -> None:
        """Do what follows for one login session; the others of its batch go on when that fails."""
        try:
            await self._judge(login, standing, users)
        except Exception as error:  # nobody is put out for it: the next sweep looks again
            logger.error("A login session could not be judged: %s: %s", type(error).__name__, error)

    async def _judge(self, login: Login, standing: Standing, users: dict[str, Any]) -> None:
        self._expect(login, standing.expires)
        session, user = login.scope["session"], None if login.user is None else users.get(login.user)
        if login.user is not None and (user is None or not may_log_in(session, user)):
            end(login, USER_DELETED if user is None else USER_INACTIVE)
        elif (
            session_hash(standing.session_key) != login.key
            or standing.user not in (UNKNOWN, login.user)
            or not agrees_with_password(session, user)
        ):
            await self._read_again(login, standing.session_key, users)
        else:
            login.settles = None
            if user is not None and user.get_username() != login.scope["user"].get_username():
                self._bind(login, session, user)

    async def _read_again(self, login: Login, session_key: str, users: dict[str, Any]) -> None:
        """Bind connections to the login session as it is stored now, unless it disagrees with its user's password."""
        session = session_store()(session_key)
        pk = await session.aget(SESSION_KEY)
        if session.session_key is None:  # rotated or ended since it was asked how it stands
            self._look_later(login, self._runtime.now())
            return
        user = None if pk is None else users.get(str(pk)) or (await find_users([str(pk)])).get(str(pk))
        if not login.connections:
            return
        if pk is not None and (user is None or not may_log_in(session, user)):
            end(login, USER_DELETED if user is None else USER_INACTIVE)
            return
        rotated = session_hash(session_key) != login.key
        if agrees_with_password(session, user):
            login.settles = None
        elif not self._wait_for_password(login, rotated):
            return
        self._bind(login, session, user)

    def _wait_for_password(self, login: Login, rotated: bool) -> bool:
        """Give a session that disagrees with its user's password time; return whether to go by it until then."""
        now = self._runtime.now()
        if rotated:
            login.settles = now + ROTATION_SECONDS
        elif login.settles is None:
            login.settles = now + SETTLE_SECONDS
        elif now >= login.settles:
            end(login, PASSWORD_CHANGED)
            return False
        self._look_later(login, login.settles)
        return rotated

    def _bind(self, login: Login, session: Any, user: Any) -> None:
        """Have the connections of `login` live by `session`, of `user` if not None, from now on."""
        before = login.key
        login = self.registry.move(login, session_hash(session.session_key), None if user is None else str(user.pk))
        if login.key != before:
            self._remember([before])
            self._renamed[before] = login.key, self._runtime.now()
        for connection in list(login.connections):
            try:
                connection.rebind(login, session, user)
            except Exception as error:
                connection.fail(error)


def end(login: Login, ending: Ending) -> None:
    """End all connections that live by a login session."""
    for connection in list(login.connections):
        end_connection(connection, ending)


def end_connection(connection: "Connection", ending: Ending) -> None:
    """End a connection: by itself if it cannot say why."""
    try:
        connection.end(ending)
    except Exception as error:
        connection.fail(error, Reason.SESSION_ENDED)


def review(login: Login) -> bool:
    """End the connections of a login session that their server does not let stay; return whether any are left."""
    for connection in list(login.connections):
        try:
            ending = connection.server.review(connection.scope)
        except Exception as error:  # the application's: nobody is put out for it, it is asked again with the next look
            logger.error("Whether %s may stay could not be said.", connection.label, exc_info=error)
            continue
        if ending is not None:
            end_connection(connection, ending)
    return bool(login.connections)
