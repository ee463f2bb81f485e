"""Names of visitors: random numbers, each held by one live login session at most.

Numbers come from 0..10000 while fewer than half of these are held by live login sessions,
then from 0..100000, and so on: a random try then hits a free number at least every other
time, and names stay short. How wide the range is costs the same for any number of visitors.

Who gets a number when two want it is decided by the unique column `Visitor.name`, never by a
query before. A number whose login session is dead is taken from its visitor and given to a
new one, in one transaction with the end of the dead row. Dead means ended, or expired for an
hour: a request that began before the expiry may still renew its login session, and its name
must not be gone by then. The price is that such numbers stay out of use for that hour.
"""

import math
import secrets
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import LoginSession, Visitor
from chat.sessions import SessionStore

HIGHEST_NAME = 10_000
GRACE = timedelta(hours=1)
TRIES = 64
WIDENINGS = 3
KNOWN_SECONDS = 10.0

known: dict[int, tuple[float, bool]] = {}  # by the ends of ranges: when the database was asked, and what it said


class NoFreeNameError(Exception):
    """No free number was found in any of the ranges that were tried."""


def is_named(session: SessionBase | Mapping[str, Any]) -> bool:
    """Return whether `session` says who its visitor is."""
    return session.get("visitor") is not None and session.get("name") is not None


def display_name(session: SessionBase, user: AbstractBaseUser | AnonymousUser) -> str | None:
    """Return the name that others see: the username, or a guest's digits, or None without any."""
    if user.is_authenticated:
        return user.get_username()
    return str(session["name"]) if is_named(session) else None


def assign(session: SessionStore, highest: int = HIGHEST_NAME, address: str = "") -> None:
    """Give `session` a visitor and a name and save it, unless its row has them by now; `address` is the visitor's.

    Requests that come at the same time with the same cookie wait for each other at the row
    and all end with the name that the first one got. A session without a row gets row,
    visitor and name together, or nothing. Raises NoFreeNameError.
    """
    session.get("name")  # a key without a live row is forgotten here
    highest = widest_needed(highest)  # counted before the lock, which others may wait for
    with transaction.atomic():
        row = session.lock()
        if row is None and session.session_key is not None:
            session.flush()  # ended since it was loaded: nothing of it may come back
        stored = {} if row is None else session.read(row)
        if is_named(stored):
            session.update({"visitor": stored["visitor"], "name": stored["name"]})
        else:
            visitor = new_visitor(highest, address)
            session.update({"visitor": visitor.pk, "name": visitor.name})
        session.save()


def new_visitor(highest: int = HIGHEST_NAME, address: str = "") -> Visitor:
    """Return a new visitor under a free number of 0..`highest`, or of a wider range if those are rare.

    Must be called in a transaction that also saves the login session. Raises NoFreeNameError.
    """
    for _ in range(WIDENINGS):
        for number in free_numbers(highest):
            try:
                with transaction.atomic():
                    release(number)
                    return Visitor.objects.create(name=number, address=address)
            except IntegrityError:
                continue  # somebody else was faster
        highest *= 10
    raise NoFreeNameError(f"expected a free number up to {highest // 10}, found none in {TRIES} tries per range")


def widest_needed(highest: int) -> int:
    """Return the end of the first range, from 0..`highest` on, of which less than half is held."""
    while is_half_held(highest):
        highest *= 10
    return highest


def is_half_held(highest: int) -> bool:
    """Return whether at least half of 0..`highest` is held by live login sessions.

    For the first range that is counted each time, no further than to the half. Of wider ones, which take long to
    count, this process knows it for `KNOWN_SECONDS`.
    """
    if highest <= HIGHEST_NAME:
        return count_to_half(highest)
    asked_at, answer = known.get(highest, (-math.inf, False))
    if asked_at < time.monotonic() - KNOWN_SECONDS:
        answer = count_to_half(highest)
        known[highest] = time.monotonic(), answer
    return answer


def count_to_half(highest: int) -> bool:
    """Ask the database what is_half_held() returns."""
    enough = highest // 2 + 1
    held = Visitor.objects.filter(name__lte=highest, login_session__expire_date__gt=timezone.now())
    return held[:enough].count() == enough


def free_numbers(highest: int) -> Iterator[int]:
    """Yield random numbers of 0..`highest` that nobody seemed to hold when this began."""
    tries = [secrets.randbelow(highest + 1) for _ in range(TRIES)]
    holders = LoginSession.objects.filter(visitor__name__in=tries, expire_date__gt=timezone.now() - GRACE)
    held = set(holders.values_list("visitor__name", flat=True))
    return (number for number in tries if number not in held)


def release(number: int) -> None:
    """Take `number` from its visitor if the login session is dead, and end the dead row."""
    dead = LoginSession.objects.expired(since=GRACE).filter(visitor__name=number)
    for row in dead.select_for_update(of=("self",)):
        row.delete()
    Visitor.objects.filter(name=number, login_session=None).update(name=None)
