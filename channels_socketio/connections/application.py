"""What an application says about all of its connections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.urls.resolvers import RoutePattern

from ..options import Options
from ..sessions.end_reasons import EndReason

if TYPE_CHECKING:
    from ..consumer import SocketIOConsumer

Review = Callable[[Any], EndReason | None]


class Routes:
    """Finds the consumer of a namespace; patterns are Django's path patterns with a leading slash."""

    def __init__(self, consumers: "Sequence[type[SocketIOConsumer]]") -> None:
        self._routes = [
            (RoutePattern(namespace.removeprefix("/"), is_endpoint=True), consumer)
            for consumer in consumers
            for namespace in consumer.namespaces
        ]

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
