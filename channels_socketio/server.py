"""A Socket.IO server: consumers under one path."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from .connections.application import Application, Review, Routes
from .consumer import SocketIOConsumer
from .handshake.admission import Admission, Admit, require_login_session
from .limits.rates import Limiter
from .options import Options, load
from .transports.http import PollingEndpoint
from .transports.websocket import WebSocketTransport


class SocketIOServer:
    """Serves `consumers`; its ASGI applications are `websocket()` and, for HTTP, `polling()`, under the same path.

    `admit(scope)` decides about every handshake, with `scope["session"]`, `scope["user"]`, `scope["cookies"]` and
    `scope["handshake"]` at hand: it raises Refused to answer 403 before the connection is accepted. `review(scope)` is
    asked about each connection whenever its login session is looked at, and returns why it must end, if it must.
    `options` has the keys of `SOCKETIO` in the settings, which is the default; raises ImproperlyConfigured when they
    are wrong.
    """

    def __init__(
        self,
        consumers: Sequence[type[SocketIOConsumer]],
        admit: Admit = require_login_session,
        options: Mapping[str, Any] | None = None,
        review: Review = lambda scope: None,
    ) -> None:
        chosen = load(Options, getattr(settings, "SOCKETIO", {}) if options is None else options)
        self.application = Application(Routes(consumers), chosen, review)
        self.admission = Admission(self.application, admit)
        self.application.endpoint = self.polling()

    @property
    def handshakes(self) -> Limiter:
        """How often an address may shake hands: for `HandshakeThrottle`."""
        return self.admission.handshakes

    def websocket(self) -> Any:
        """Return the ASGI application of the WebSocket endpoint."""
        return WebSocketTransport.as_asgi(admission=self.admission)

    def polling(self) -> Any:
        """Return the ASGI application of the HTTP endpoint."""
        return PollingEndpoint.as_asgi(admission=self.admission)
