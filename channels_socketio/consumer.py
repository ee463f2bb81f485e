"""What an application writes: a class for a pattern of namespaces, a method for each event.

    class Echo(SocketIOConsumer):
        namespaces = ["/", "/rooms/<slug:room>"]

        async def connect(self, auth): ...      # raise Refused(code, message) to refuse

        @on("say")
        async def say(self, text: str) -> dict: ...     # typed in, ack out

One instance serves one socket. Its handlers run one after the other, in the order of the
events. What a handler returns is the ack (a tuple: several arguments). A handler that returns an `asyncio.Future`
lets the next one run at once; what becomes of the future is the ack. `emit` goes to this socket, `broadcast` to
everybody in the namespace.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, get_type_hints

import msgspec
from django.contrib.sessions.backends.base import UpdateError

from .exceptions import Refused, session_gone
from .history.log import Log
from .sessions.session_data import changes

if TYPE_CHECKING:
    from .connections.socket import Socket

__all__ = ["Refused", "SocketIOConsumer", "on"]

Function = TypeVar("Function", bound=Callable[..., Awaitable[Any]])
EVENT_KEY = "socketio_event"


def on(event: str) -> Callable[[Function], Function]:
    """Mark a method as the handler of `event`.

    Its annotations are the types of the event's arguments, anything that msgspec can convert;
    arguments that do not fit are refused with the code `invalid` and the method is not called.
    """

    def mark(function: Function) -> Function:
        function.__dict__[EVENT_KEY] = event
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Handler:
    """A row of a consumer's table: the method of one event and the types of its arguments."""

    event: str
    function: Callable[..., Awaitable[Any]]
    types: tuple[Any, ...]
    required: int
    rest: bool

    @classmethod
    def from_function(cls, event: str, function: Callable[..., Awaitable[Any]]) -> "Handler":
        """Read the types from the signature of `function`, a method."""
        hints = get_type_hints(function, include_extras=True)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        plain = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
        return cls(
            event=event,
            function=function,
            types=tuple(hints.get(parameter.name, Any) for parameter in plain),
            required=sum(parameter.default is parameter.empty for parameter in plain),
            rest=any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters),
        )

    def decode(self, args: list[Any]) -> list[Any]:
        """Return `args` as the method's types; more than it takes are ignored.

        Raises Refused with the code `invalid`.
        """
        if len(args) < self.required:
            raise Refused("invalid", f"{self.event}: expected {self.required} argument(s), got {len(args)}.")
        decoded: list[Any] = []
        for value, kind in zip(args, self.types, strict=False):
            try:
                decoded.append(msgspec.convert(value, kind))
            except (msgspec.ValidationError, RecursionError) as error:
                raise Refused("invalid", f"{self.event}: {error}.") from None
        return decoded + args[len(self.types) :] if self.rest else decoded


class SocketIOConsumer:
    """Base class of an application's namespaces.

    `namespaces`: Django path patterns with a leading slash; the captured values are in `self.kwargs`.
    `refusal_event`: the event that tells a client why its event was refused, when it asked for no ack; its
    argument is `{"code", "message"}`.
    `log`: what is stored of the namespaces' events. With one, `announce` brings its items before all clients, in
    order and without gaps; clients that come or come back get what they lack first.
    """

    namespaces: ClassVar[Collection[str]] = ["/"]
    refusal_event: ClassVar[str] = "refused"
    log: ClassVar[Log | None] = None
    handlers: ClassVar[dict[str, Handler]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = {
            event: Handler.from_function(event, getattr(cls, name)) for name, event in marked_methods(cls).items()
        }

    def __init__(self, socket: "Socket") -> None:
        self.socket = socket

    @property
    def id(self) -> str:
        """The public id of this socket; with a log it is final once `welcome` is called."""
        return self.socket.id

    @property
    def offset(self) -> str:
        """Where this socket is in the log: the last argument of an event from which its client may recover.

        Other events in a namespace with a log must not end in a text: official clients take it for an offset.
        """
        return self.socket.offset

    @property
    def head(self) -> int:
        """The number of the newest entry of the log that this socket has got; it is live only after `welcome`."""
        return self.socket.head

    @property
    def recovered(self) -> bool:
        """Whether the client has come back as the socket that it was."""
        return self.socket.recovered

    @property
    def namespace(self) -> str:
        """The namespace, for example `/rooms/tea`."""
        return self.socket.namespace

    @property
    def kwargs(self) -> dict[str, Any]:
        """What the pattern captured from the namespace."""
        return self.socket.kwargs

    @property
    def scope(self) -> dict[str, Any]:
        """The ASGI scope of the handshake."""
        return self.socket.connection.scope

    @property
    def session(self) -> Any:
        """The login session, as it was at the handshake or when its name changed; see `fresh_session`."""
        return self.socket.connection.scope["session"]

    @property
    def user(self) -> Any:
        """The Django user, always the same one, as it was at the handshake or when its name changed."""
        return self.socket.connection.scope["user"]

    @property
    def leaving(self) -> bool:
        """Whether no more events reach the client, or the process is about to end: time to be brief."""
        return not self.socket.connected or self.socket.connection.runtime.closing

    async def fresh_session(self) -> Any:
        """Read the login session again; the answer is `self.session` from then on.

        Raises Refused when it is over.
        """
        return await self.socket.connection.read_session()

    @asynccontextmanager
    async def session_changes(self) -> AsyncIterator[dict[str, Any]]:
        """Change the login session: `async with self.session_changes() as data: data["count"] += 1`.

        `data` is what is stored at that moment, locked until the end, when it is saved; after an exception it is not.
        Await nothing inside that writes to the database or takes long. Raises Refused when the login session is over,
        TimeoutError after some seconds.
        """
        session = await self.fresh_session()
        try:
            async with changes(session.session_key) as data:
                yield data
        except UpdateError:
            raise session_gone() from None
        await self.fresh_session()

    async def connect(self, auth: dict[str, Any]) -> None:
        """Decide about a new socket; `auth` is what its client sent along.

        Raise Refused to keep it out. What is emitted here arrives behind the answer to the connect.
        """

    async def welcome(self, head: int) -> None:
        """Greet a socket that may enter a namespace with a log, the newest entry of which is `head`, 0 for none.

        What is emitted here comes before all that is in the log, and with `self.offset` as its last
        argument it lets a client recover that gets nothing more before its link dies.
        """

    async def gap(self, first: int, last: int) -> None:
        """Tell a socket, after `welcome`, that the log's entries `first` to `last` are not sent to it.

        A recovered socket missed too many, or they are too long to be sent at once (`REPLAY_BYTES`), also to a new one.
        With `self.offset` as the last argument a client that recovers once more is not told of them again.
        """

    async def renamed(self) -> None:
        """The login session or the user may go by another name: `session` and `user` are fresh, and the same ones.

        It happens when the user is renamed, and after `revocation.look_at_sessions`. A login, another user or a new
        password closes the connection instead, and its client comes back by the new session key.
        """

    def entered(self) -> None:
        """The socket is live: what is emitted here comes behind all that it was greeted with.

        An exception ends the connection. After it, and only then or if the client left at this very moment,
        `disconnect` is called.
        """

    async def disconnect(self, reason: str) -> None:
        """Clean up after a socket whose `connect` returned; called once, after all its events."""

    async def emit(self, event: str, *args: Any, volatile: bool = False) -> None:
        """Send an event to this socket; nothing happens once it is gone.

        A volatile event is dropped when it would have to wait for the client.
        """
        self.socket.emit(event, args, volatile)

    async def call(self, event: str, *args: Any, timeout: float = 20.0) -> list[Any]:
        """Send an event and return the arguments of its ack.

        Raises TimeoutError after `timeout` seconds and ConnectionError when the socket ends before.
        """
        return await self.socket.call(event, args, timeout)

    async def broadcast(
        self, event: str, *args: Any, room: str | None = None, skip: Collection[str] = (), volatile: bool = False
    ) -> None:
        """Send an event to all sockets of this namespace, or of one of its rooms, on all processes.

        `skip` holds ids of sockets and names of rooms that do not get it.
        """
        self.socket.broadcast(event, args, room, skip, volatile)

    async def call_all(
        self, event: str, *args: Any, room: str | None = None, timeout: float = 20.0
    ) -> dict[str, list[Any] | None]:
        """Send an event to all sockets of this namespace or room on this process and return their acks by socket id.

        None stands for a socket that did not answer within `timeout` seconds.
        """
        return await self.socket.call_all(event, args, room, timeout)

    async def join(self, room: str) -> None:
        """Put this socket into a room of its namespace; it leaves by itself when it ends."""
        self.socket.join(room)

    async def leave(self, room: str) -> None:
        """Take this socket out of a room."""
        self.socket.leave(room)

    async def close(self) -> None:
        """Disconnect this socket from its namespace; official clients do not come back by themselves."""
        self.socket.disconnect()


def marked_methods(consumer_class: type) -> dict[str, str]:
    """Return the event of each method that `on` marked, in the class or any of its bases, by the method's name.

    A method that overrides a marked one need not be marked again.
    """
    return {
        name: function.__dict__[EVENT_KEY]
        for base in reversed(consumer_class.__mro__)
        for name, function in vars(base).items()
        if EVENT_KEY in getattr(function, "__dict__", {})
    }
