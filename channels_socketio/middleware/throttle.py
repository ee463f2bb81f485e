"""How often an address may shake hands: asked before the login session is looked up, which is what costs."""

from collections.abc import Callable
from math import ceil
from typing import Any

from ..handshake.request import parse_query
from ..handshake.responses import refuse
from ..limits.addresses import address_of, counted_as, hint
from ..limits.rates import Limiter, notices
from ..protocol.reasons import Refusal


class HandshakeThrottle:
    """ASGI middleware above `AuthMiddlewareStack`: answers 403 to more handshakes than `limiter` allows an address.

    Requests that name a connection are none: `Admission.count_unknown_sid` is for these. Where looking them up costs
    more than that can count, `is_here` says of an engine id whether its connection is here, and all others count. The
    answer to HTTP says in `Retry-After` when to try again.
    """

    def __init__(self, application: Any, limiter: Limiter, is_here: Callable[[str], bool] | None = None) -> None:
        self.application, self.limiter, self.is_here = application, limiter, is_here

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass the request on or refuse it."""
        sid = parse_query(scope).get("sid") if b"sid=" in scope["query_string"] else None
        if sid is not None and (self.is_here is None or self.is_here(sid)):
            await self.application(scope, receive, send)
            return
        address = address_of(scope)
        wait = await self.limiter.take(counted_as(address))
        if wait is None:
            await self.application(scope, receive, send)
            return
        notices.note("handshakes", "Refused a handshake from %s%s: too many in a minute.", address, hint(scope))
        await refuse(scope, receive, send, Refusal.TOO_MANY_CONNECTIONS, (b"retry-after", b"%d" % ceil(wait)))
