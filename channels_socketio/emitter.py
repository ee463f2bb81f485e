"""Events from anywhere in Django: views, signals, management commands, other processes.

emit("news", {"text": "hello"}, namespace="/rooms/tea")        # after the transaction commits
await aemit("news", {"text": "hello"}, user=request.user)
"""

import asyncio
import warnings
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.db import transaction

from .connections.runtime import Runtime, runtimes
from .fanout.backplane import publication_item, send_alone
from .fanout.prepared import PreparedMessage, pack_event, to_json
from .fanout.targets import login_session_key, room_key, skip_keys, user_key
from .history.cache import Publication as LogPublication
from .history.cache import pack_item
from .history.feed import log_item
from .history.log import Item

NOBODY = (
    "The event {event!r} reaches nobody: no socket is served by this process, and the channel layer does not "
    "reach other processes. Configure one that does, for example channels_redis."
)


class Publication(NamedTuple):
    """The arguments of `Backplane.publish`."""

    target: str
    prepared: PreparedMessage
    skip: list[str]
    volatile: bool


def emit(event: str, *args: Any, using: str | None = None, **target: Any) -> None:
    """Send an event once the current transaction of the database `using` commits, at once without one.

    `target` is as in `aemit`. Safe from any thread without a running event loop, and inside one.
    """
    publication = _prepare(event, args, **target)
    transaction.on_commit(partial(_send, event, publication), using=using)


async def aemit(event: str, *args: Any, **target: Any) -> None:
    """Send an event now.

    `target` is `namespace` (default `/`) and at most one of `room`, `socket` (an id), `login_session` (a session
    key) and `user` (a model instance or primary key); `skip` (socket ids and rooms) and `volatile`. Raises TypeError
    for other targets and for data that JSON cannot carry.
    """
    publication = _prepare(event, args, **target)
    if not hand_over(partial(_publish, publication)):
        await _send_alone(event, publication)


def announce(namespace: str, item: Item, using: str | None = None) -> None:
    """Bring an item of a log before all clients once the current transaction of `using` commits, as `emit` does.

    Whatever becomes of it, the sockets get the item in its place: their processes look into the log by
    themselves. Raises TypeError for data that JSON cannot carry.
    """
    publication = pack_item(namespace, item, item.position)
    transaction.on_commit(partial(_announce, namespace, publication), using=using)


async def aannounce(namespace: str, item: Item) -> None:
    """Bring an item of a log, which was committed, before all clients now; see `announce`."""
    publication = pack_item(namespace, item, item.position)
    if not hand_over(partial(_announce_in, namespace, publication)):
        await send_alone(get_channel_layer(), log_item(namespace, publication))


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
) -> Publication:
    if sum(choice is not None for choice in (room, socket, login_session, user)) > 1:
        raise TypeError("expected at most one of room, socket, login_session and user")
    target = room_key(namespace, room)
    if socket is not None:
        target = socket
    elif login_session is not None:
        target = login_session_key(namespace, login_session)
    elif user is not None:
        target = user_key(namespace, user)
    return Publication(target, pack_event(namespace, [event, *to_json(args)]), skip_keys(namespace, skip), volatile)


def _send(event: str, publication: Publication) -> None:
    if not hand_over(partial(_publish, publication)):
        async_to_sync(_send_alone)(event, publication)


def _announce(namespace: str, publication: LogPublication) -> None:
    if not hand_over(partial(_announce_in, namespace, publication)):
        async_to_sync(send_alone)(get_channel_layer(), log_item(namespace, publication))


def _publish(publication: Publication, runtime: Runtime) -> None:
    runtime.backplane.publish(*publication)


def _announce_in(namespace: str, publication: LogPublication, runtime: Runtime) -> None:
    runtime.feeds.announce(namespace, publication)


def hand_over(work: Callable[[Runtime], None]) -> bool:
    """Have `work` done in the event loops of this process that serve sockets; return whether there is one.

    With a layer that crosses processes one of them is enough: it reaches the others as well.
    """
    serving = [runtime for runtime in list(runtimes.values()) if runtime.serving]
    if serving and serving[0].backplane.crosses_processes:
        del serving[1:]
    for runtime in serving:
        _do_in(runtime, work)
    return bool(serving)


def _do_in(runtime: Runtime, work: Callable[[Runtime], None]) -> None:
    try:
        inside = asyncio.get_running_loop() is runtime.loop
    except RuntimeError:
        inside = False
    if inside:
        work(runtime)
    else:
        runtime.loop.call_soon_threadsafe(work, runtime)


async def _send_alone(event: str, publication: Publication) -> None:
    """Send news from a process that serves no sockets."""
    if not await send_alone(get_channel_layer(), publication_item(*publication)):
        warnings.warn(NOBODY.format(event=event), RuntimeWarning, stacklevel=2)
