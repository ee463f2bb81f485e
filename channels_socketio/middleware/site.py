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
        self.path = path = f"/{path.strip('/')}"
        if path == "/":
            raise ImproperlyConfigured("path: expected the path of Socket.IO, such as 'socket.io', got none.")
        if isinstance(pages, SiteApplication) and pages.path == path:
            raise ImproperlyConfigured(f"path: expected another path for a second server, got {path!r} twice.")
        self._client_path = f"{path}/socket.io.js"
        self._paths = {path, f"{path}/"}
        self._endpoints, self._client = endpoints, client
        self._pages = pages
        # The application of a second server is among the pages.
        self._websocket = websocket or (pages if isinstance(pages, SiteApplication) else refuse_unknown_path)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, or take part in the server's lifespan."""
        if scope["type"] == "lifespan":
            await serve_lifespan(self._pages, scope, receive, send)
            return
        prefix = settings.FORCE_SCRIPT_NAME or scope.get("root_path", "")  # as Django's handler has it
        path = scope["path"].removeprefix(prefix)
        if path in self._paths and scope["type"] in self._endpoints:
            scope[COMPOSED] = True
            application = self._endpoints[scope["type"]]
        elif scope["type"] == "websocket":
            application = self._websocket
        else:
            application = self._client if path == self._client_path else self._pages
        await application(scope, receive, send)


async def serve_lifespan(pages: ASGI, scope: Any, receive: Any, send: Any) -> None:
    """Let `pages` take part in the server's start and end (ASGI's lifespan protocol); answer if it does not.

    Django's own handler raises for a scope of this type, and so may others.
    """
    heard: list[Any] = []
    answered = False

    async def hear() -> Any:
        heard.append(await receive())
        return heard[-1]

    async def answer(event: Any) -> None:
        nonlocal answered
        answered = True
        await send(event)

    try:
        await pages(scope, hear, answer)
    except Exception:
        if answered:  # it took part, and failed
            raise
    if not answered:
        if not heard:
            await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
