"""How often a visitor may do what costs: `CHAT = {...}` in Django's settings.

| key | default | meaning |
|---|---|---|
| MESSAGES_PER_SECOND | 5 | messages of one login session in the long run |
| MESSAGES_AT_ONCE | 20 | messages of one login session that may come at once |
| NEW_ROOMS_PER_MINUTE | 10 | rooms in which one login session may say the first word |
| NEW_SESSIONS_PER_MINUTE | 120 | login sessions that one address may begin |

`LIMITS=off` lifts them all. Processes count together where `REDIS_URL` is set, each for itself otherwise.
"""

from functools import cache
from math import ceil
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from channels_socketio.exceptions import Refused
from channels_socketio.limits.addresses import counted_as
from channels_socketio.limits.rates import Limiter, Rate, notices
from channels_socketio.options import find_problems, redis_store

DEFAULTS: dict[str, Any] = {
    "MESSAGES_PER_SECOND": 5,
    "MESSAGES_AT_ONCE": 20,
    "NEW_ROOMS_PER_MINUTE": 10,
    "NEW_SESSIONS_PER_MINUTE": 120,
}


class Limits:
    """The chat's limits of this process; raises ImproperlyConfigured when `CHAT` is wrong."""

    def __init__(self) -> None:
        if problems := problems_in_settings():
            raise ImproperlyConfigured(" ".join(problems))
        values = DEFAULTS | getattr(settings, "CHAT", {})
        on = settings.LIMITS
        store = redis_store(str(settings.SOCKETIO.get("LIMITS_REDIS", ""))) if on else None
        messages = Rate(values["MESSAGES_PER_SECOND"], values["MESSAGES_AT_ONCE"])
        rooms = Rate.per_minute(values["NEW_ROOMS_PER_MINUTE"])
        sessions = Rate.per_minute(values["NEW_SESSIONS_PER_MINUTE"])
        self.messages = Limiter("messages", messages if on else None, store)
        self.rooms = Limiter("rooms", rooms if on else None, store)
        self.sessions = Limiter("sessions", sessions if on else None, store)


@cache
def current_limits() -> Limits:
    """Return the limits of this process."""
    return Limits()


async def count_message(visitor: Any, first: bool) -> None:
    """Count a message of a visitor, who has one login session; `first`: it makes a room. Raises Refused."""
    limits = current_limits()
    checks = (limits.messages, limits.rooms) if first else (limits.messages,)
    for limiter in checks:
        wait = await limiter.take(str(visitor))
        if wait is not None:
            notices.note(limiter.name, "Refused a message of visitor %s: too many %s.", visitor, limiter.name)
            raise too_fast(limiter, wait)


def count_session(address: str) -> float | None:
    """Count a login session that begins; return in how many seconds it may if that is too many. For threads."""
    limiter = current_limits().sessions
    wait = async_to_sync(limiter.take)(counted_as(address))
    if wait is not None:
        notices.note(limiter.name, "Refused a login session to %s: too many in a minute.", address)
    return wait


def too_fast(limiter: Limiter, wait: float) -> Refused:
    """Return the refusal of what may be tried again in `wait` seconds."""
    message = f"Too many {limiter.name}: please wait {ceil(wait)} s."
    return Refused("too fast", message, retry_after=ceil(wait * 1000) / 1000)


def problems_in_settings() -> list[str]:
    """Return one sentence for each thing that is wrong in `CHAT`."""
    return find_problems(getattr(settings, "CHAT", {}), "CHAT", DEFAULTS)


def check_limits(**kwargs: Any) -> list[CheckMessage]:
    """Check `CHAT` in the settings (id chat.E001)."""
    return [Error(problem, id="chat.E001") for problem in problems_in_settings()]


def forget(setting: str, **kwargs: Any) -> None:
    """Tests change settings; what was made of the old ones goes."""
    if setting in {"CHAT", "LIMITS", "SOCKETIO"}:
        current_limits.cache_clear()


setting_changed.connect(forget)
