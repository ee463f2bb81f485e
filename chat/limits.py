"""How often a visitor may do what costs: `CHAT = {...}` in Django's settings, which `ChatOptions` describes.

`LIMITS=off` lifts all these limits. Processes count together where `REDIS_URL` is set, each for itself otherwise.
"""

from functools import cache
from math import ceil
from typing import Annotated, Any

import msgspec
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.signals import setting_changed

from channels_socketio import Limiter, Rate, Refused, counted_as, notices
from channels_socketio.options import Count, Options, doc, find_problems, load, redis_store


class ChatOptions(msgspec.Struct, frozen=True, kw_only=True, rename=str.upper):
    """The options of the chat."""

    messages_per_second: Annotated[Count, doc("messages of one login session in the long run, over all its tabs")] = 5
    messages_at_once: Annotated[Count, doc("messages of one login session that may come at once")] = 20
    new_rooms_per_minute: Annotated[Count, doc("rooms in which one login session may say the first word")] = 10
    new_sessions_per_minute: Annotated[Count, doc("login sessions that one address may begin")] = 120


class Limits:
    """The chat's limits of this process. Raises ImproperlyConfigured when `CHAT` is wrong."""

    def __init__(self) -> None:
        options = load(ChatOptions, getattr(settings, "CHAT", {}), "CHAT")
        self._store = redis_store(load(Options, settings.SOCKETIO).limits_redis) if settings.LIMITS else None
        self.messages = self._limiter("messages", Rate(options.messages_per_second, options.messages_at_once))
        self.rooms = self._limiter("rooms", Rate.per_minute(options.new_rooms_per_minute))
        self.sessions = self._limiter("sessions", Rate.per_minute(options.new_sessions_per_minute))

    def _limiter(self, name: str, rate: Rate) -> Limiter:
        return Limiter(name, rate if settings.LIMITS else None, self._store)


@cache
def current_limits() -> Limits:
    """Return the limits of this process."""
    return Limits()


async def count_message(visitor: Any, first: bool) -> None:
    """Count a message of a visitor, which makes a room if it is the `first`. Raises Refused."""
    limits = current_limits()
    checks = (limits.messages, limits.rooms) if first else (limits.messages,)
    for limiter in checks:
        wait = await limiter.take(str(visitor))
        if wait is not None:
            notices.note(limiter.name, "Refused a message of visitor %s: too many %s.", visitor, limiter.name)
            message = f"Too many {limiter.name}: please wait {ceil(wait)} s."
            raise Refused("too fast", message, retry_after=ceil(wait * 1000) / 1000)


def count_session(address: str) -> float | None:
    """Count a new login session. Return in how many seconds it may begin if there are too many. For threads."""
    limiter = current_limits().sessions
    wait = async_to_sync(limiter.take)(counted_as(address))
    if wait is not None:
        notices.note(limiter.name, "Refused a login session to %s: too many in a minute.", address)
    return wait


def check_limits(**kwargs: Any) -> list[CheckMessage]:
    """Check `CHAT` in the settings (id chat.E001)."""
    problems = find_problems(ChatOptions, getattr(settings, "CHAT", {}), "CHAT")
    return [Error(problem, id="chat.E001") for problem in problems]


def forget(setting: str, **kwargs: Any) -> None:
    """Make the limits anew when a test has changed the settings."""
    if setting in {"CHAT", "LIMITS", "SOCKETIO"}:
        current_limits.cache_clear()


setting_changed.connect(forget)
