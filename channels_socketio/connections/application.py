"""What an application says about all of its connections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.urls.resolvers import RoutePattern

from ..history.recovery import read_claim
from ..options import Options
from ..protocol.socketio import ConnectRequested
from ..sessions.end_reasons import EndReason
from .runtime import new_id
from .socket import Socket

if TYPE_CHECKING:
    from ..consumer import SocketIOConsumer
    from .connection import Connection

Review = Callable[[Any], EndReason | None]


class Routes:
    """Finds the consumer of a namespace; patterns are Django's path patterns with a leading slash."""

    def __init__(self, consumers: "Sequence[type[SocketIOConsumer]]") -> None:
        by_pattern: dict[str, type[SocketIOConsumer]] = {}
        for consumer in consumers:
            name, namespaces = f"{consumer.__name__}.namespaces", consumer.namespaces
            if isinstance(namespaces, str) or not namespaces:
                raise ImproperlyConfigured(f"{name}: expected a list of patterns such as '/', got {namespaces!r}.")
            for pattern in (namespace.removeprefix("/") for namespace in namespaces):
                if (other := by_pattern.setdefault(pattern, consumer)) is not consumer:
                    raise ImproperlyConfigured(f"{name}: expected other patterns, '/{pattern}' is {other.__name__}'s.")
        self._routes = [(RoutePattern(pattern, is_endpoint=True), found) for pattern, found in by_pattern.items()]

    def match(self, namespace: str) -> "tuple[type[SocketIOConsumer], dict[str, Any]] | None":
        """Return the consumer class and what its pattern captured, None for an unknown namespace."""
        for pattern, consumer in self._routes:
            if (found := pattern.match(namespace[1:])) is not None:
                return consumer, found[2]
        return None


@dataclass(slots=True)
class Application:
    """Consumers by namespace, options, and `review`, which says why a connection may not stay.

    `endpoint` is the ASGI application that answers requests by HTTP.
    """

    routes: Routes
    options: Options
    review: Review
    endpoint: Any = None

    def open_socket(self, connection: "Connection", event: ConnectRequested) -> bool:
        """Make the socket that a client asks for; return False for a namespace that no consumer has."""
        found = self.routes.match(event.namespace)
        if found is None:
            return False
        consumer_class, kwargs = found
        auth, claim = event.auth, None
        if consumer_class.log is not None:
            owner, seconds = connection.handshake.owner, self.options.recovery_seconds
            auth, claim = read_claim(auth, event.namespace, owner, seconds)
            claim = claim if self.options.recovery else None
        socket_id = new_id() if claim is None or claim.pid is None else claim.socket_id
        socket = Socket(connection, consumer_class, event.namespace, kwargs, socket_id)
        connection.sockets[event.namespace] = socket
        socket.handle_connect(auth, claim)
        return True
