"""Events from anywhere in Django: views, signals, management commands, other processes.

emit("news", {"text": "hello"}, namespace="/rooms/tea")        # after the transaction commits
await aemit("news", {"text": "hello"}, user=request.user)
"""

from collections.abc import Collection
from typing import Any

from .fanout.backplane import EVENT, apublish, publish
from .fanout.prepared import event_packets
from .fanout.targets import login_session_key, room_key, skip_keys, user_key

NOBODY = (
    "The event {event!r} reaches nobody: no socket is served by this process, and the channel layer does not "
    "reach other processes. Configure one that does, for example channels_redis."
)


def emit(event: str, *args: Any, using: str | None = None, **target: Any) -> None:
    """Send an event once the current transaction of the database `using` commits, at once without one.

    `target` is as in `aemit`. Safe from any thread without a running event loop, and inside one. A channel layer that
    fails then is logged: callers have committed already.
    """
    publish(EVENT, *_prepare(event, args, **target), using=using, unheard=NOBODY.format(event=event))


async def aemit(event: str, *args: Any, **target: Any) -> None:
    """Send an event now.

    `target` is `namespace` (default `/`) and at most one of `room`, `socket` (an id), `login_session` (a session
    key) and `user` (a model instance or primary key); `skip` (socket ids and rooms) and `volatile`. Raises TypeError
    for other targets and for data that JSON cannot carry.
    """
    await apublish(EVENT, *_prepare(event, args, **target), unheard=NOBODY.format(event=event))


def _prepare(
    event: str,
    args: tuple[Any, ...],
    *,
    namespace: str = "/",
    room: str | None = None,
    socket: str | None = None,
    login_session: str | None = None,
    user: Any = None,
    skip: Collection[str] = (),
    volatile: bool = False,
) -> tuple[Any, ...]:
    """Return the arguments of EVENT."""
    if sum(choice is not None for choice in (room, socket, login_session, user)) > 1:
        raise TypeError("expected at most one of room, socket, login_session and user")
    target = room_key(namespace, room)
    if socket is not None:
        target = socket
    elif login_session is not None:
        target = login_session_key(namespace, login_session)
    elif user is not None:
        target = user_key(namespace, user)
    return target, *event_packets(namespace, [event, *args]), skip_keys(namespace, skip), volatile
