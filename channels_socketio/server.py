"""A Socket.IO server: consumers under one path of a site."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from .connections.application import Application, Review, Routes
from .connections.runtime import is_connected
from .consumer import SocketIOConsumer
from .handshake.admission import Admission, Admit, require_login_session
from .middleware.origin import OriginCheck
from .middleware.sessions import AuthMiddlewareStack
from .middleware.site import ASGI, SiteApplication
from .middleware.throttle import HandshakeThrottle
from .options import Options, load
from .sessions.credentials import Authenticate
from .transports.client_file import serve_client
from .transports.http import PollingEndpoint
from .transports.websocket import WebSocketTransport

Middleware = Callable[[ASGI], ASGI]


class SocketIOServer:
    """Serves `consumers` with the site's login sessions; `asgi` makes it the site's ASGI application.

    `admit(scope)` decides about every handshake, with `scope["session"]`, `scope["user"]`, `scope["cookies"]` and
    `scope["handshake"]` at hand: it raises Refused to answer 403 before the connection is accepted. `review(scope)` is
    asked about each connection whenever its login session is looked at, and returns why it must end, if it must.
    `options` has the keys of `SOCKETIO` in the settings, which is the default. Raises ImproperlyConfigured when
    something is wrong with consumers, options or settings.
    """

    def __init__(
        self,
        consumers: Sequence[type[SocketIOConsumer]],
        admit: Admit = require_login_session,
        options: Mapping[str, Any] | None = None,
        review: Review = lambda scope: None,
    ) -> None:
        if not apps.ready:
            raise ImproperlyConfigured("expected SocketIOServer below `get_asgi_application()`, which sets Django up.")
        if not apps.is_installed("channels_socketio"):
            raise ImproperlyConfigured(
                "INSTALLED_APPS: expected 'channels_socketio' in it, which ends sockets at log-out."
            )
        chosen = load(Options, getattr(settings, "SOCKETIO", {}) if options is None else options)
        self.application = Application(Routes(consumers), chosen, review)
        self.admission = Admission(self.application, admit)
        self.application.endpoint = PollingEndpoint.as_asgi(admission=self.admission)

    def asgi(
        self,
        pages: ASGI,
        path: str = "socket.io",
        *,
        websocket: ASGI | None = None,
        authenticate: Authenticate | None = None,
        middleware: Sequence[Middleware] = (),
    ) -> SiteApplication:
        """Return the ASGI application of the whole site: this server at `path`, everything else to `pages`.

        `websocket` gets the WebSockets of other paths, which are refused with 404 without it. `authenticate(scope)` is
        asked about clients without a session cookie: it returns the Credential that they show, or None. `middleware`
        are callables that wrap an ASGI application in another, the outermost first: each handshake passes them behind
        the login session and the user, before a client is admitted. Raises ImproperlyConfigured for a path that is none
        or is taken.
        """

        if authenticate is not None and not iscoroutinefunction(authenticate):
            raise ImproperlyConfigured(f"authenticate: expected a coroutine function, got {authenticate!r}.")

        def guarded(endpoint: Any) -> ASGI:
            application = endpoint
            for wrap in reversed(middleware):
                application = wrap(application)
            stack = AuthMiddlewareStack(application, authenticate, endpoint)  # puts `session` and `user` into the scope
            is_here = None if authenticate is None else is_connected
            return OriginCheck(HandshakeThrottle(stack, self.admission.handshakes, is_here))

        endpoints = {
            "http": guarded(self.application.endpoint),
            "websocket": guarded(WebSocketTransport.as_asgi(admission=self.admission)),
        }
        return SiteApplication(path, endpoints, serve_client, pages, websocket)
