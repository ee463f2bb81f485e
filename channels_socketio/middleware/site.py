"""The ASGI application of a whole site: Socket.IO under one path, everything else to the site's own applications.

Nothing else may stand in front of Socket.IO's endpoints: without the origin check every web site could use a visitor's
login session. So `SocketIOServer.asgi` makes this application, and the endpoints refuse requests that did not come
through it.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from ..handshake.request import COMPOSED
from ..handshake.responses import refuse_unknown_path

ASGI = Callable[[Any, Any, Any], Awaitable[None]]


class SiteApplication:
    """Passes requests on.

    `endpoints` are Socket.IO's by the type of their scopes, served at `path` with and without a slash at its end.
    `client` answers `path/socket.io.js`. `pages` gets all other HTTP, and `websocket` all other WebSockets, which are
    refused with 404 without it. `path` is below the site's script prefix, as Django's URLs are.
    """

    def __init__(
        self, path: str, endpoints: Mapping[str, ASGI], client: ASGI, pages: ASGI, websocket: ASGI | None = None
    ) -> None:
        path = f"/{path.strip('/')}"
        if path == "/":
            raise ImproperlyConfigured("path: expected the path of Socket.IO, such as 'socket.io', got none.")
        self._paths = {path, f"{path}/"}
        # The application of a second server is among the pages.
        self._second = pages if isinstance(pages, SiteApplication) else None
        if self._second is not None and self._second.serves(path):
            raise ImproperlyConfigured(f"path: expected another path for a second server, got {path!r} twice.")
        self._client_path = f"{path}/socket.io.js"
        self._endpoints, self._client, self._pages = endpoints, client, pages
        self._websocket = websocket or self._second or refuse_unknown_path

    def serves(self, path: str) -> bool:
        """Return whether Socket.IO is at a path, here or at another server's."""
        return path in self._paths or (self._second is not None and self._second.serves(path))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, or take part in the server's lifespan."""
        if scope["type"] == "lifespan":
            await serve_lifespan(self._pages, scope, receive, send)
            return
        prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path") or ""  # as Django's handler has it
        path = scope["path"].removeprefix(prefix)
        if path in self._paths and scope["type"] in self._endpoints:
            await self._endpoints[scope["type"]]({**scope, COMPOSED: True}, receive, send)
        elif path == self._client_path and scope["type"] == "http":
            await self._client(scope, receive, send)
        elif scope["type"] == "websocket" and not (self._second is not None and self._second.serves(path)):
            await self._websocket(scope, receive, send)
        else:
            await self._pages(scope, receive, send)


async def serve_lifespan(pages: ASGI, scope: Any, receive: Any, send: Any) -> None:
    """Let `pages` take part in the server's start and end (ASGI's lifespan protocol); answer for them if they do not.

    Django's own handler raises for a scope of this type before it reads an event, and so may others.
    """
    heard: list[str] = []
    answered: list[str] = []

    async def hear() -> Any:
        event = await receive()
        heard.append(event["type"])
        return event

    async def answer(event: Any) -> None:
        answered.append(event["type"])
        await send(event)

    try:
        await pages(scope, hear, answer)
    except Exception as error:
        if heard and not answered:
            await send({"type": "lifespan.startup.failed", "message": f"{type(error).__name__}: {error}"})
        if heard:  # they took part, and failed
            raise
    for kind in ("lifespan.startup", "lifespan.shutdown"):
        if kind not in heard:
            await receive()
        if not any(each.startswith(kind) for each in answered):
            await send({"type": f"{kind}.complete"})
