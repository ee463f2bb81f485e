"""The HTTP endpoint of the polling transport, as a Channels consumer: handshake, poll, post.

A poll that finds nothing is held by one future; no thread, no timer and no database connection
waits with it. Every request must come with the key of the login session that the connection lives by, so a stolen
engine id alone is worth nothing. The database is not asked for that: a connection ends with its login session.
"""

import asyncio
import gzip
import sys
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from channels.consumer import AsyncConsumer

from ..connections.runtime import current_runtime
from ..exceptions import Refused, session_gone
from ..fanout.relay import RELAYED, claimed_key, new_question, send_response
from ..handshake.admission import Admission
from ..handshake.request import EngineRequest, HandshakeError, parse_request
from ..handshake.responses import error_body, refuse, respond
from ..protocol.engine_packets import TEXT, Encoded
from ..protocol.reasons import FORBIDDEN, Reason, Refusal
from .polling import PollingTransport

if TYPE_CHECKING:
    from ..connections.connection import Connection

BODY_SECONDS = 20.0  # that a client has to send a body
TURN_PACKETS = 50  # that one client may have handled before others get their turn
COMPRESS_FROM = 1024  # bytes
PACKETS_FOR_PYTHON = 16  # python-engineio closes when an answer has more
JSON = "application/json"


class PostError(Exception):
    """A request that is answered without JSON: `status` is HTTP's. With a `reason` the connection ends as well."""

    def __init__(self, status: int, message: str, reason: Reason | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class PollingEndpoint(AsyncConsumer):
    """Answers one request. Expects `AuthMiddlewareStack` above it."""

    scope: Any

    def __init__(self, admission: Admission) -> None:
        self.admission = admission

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer the request."""
        self.scope, self.receive, self.base_send = scope, receive, send
        try:
            await self._answer(parse_request(scope, "polling"))
        except HandshakeError as error:
            await refuse(scope, receive, send, error.refusal)
        except Refused as refused:
            self.admission.log_refusal(scope, refused)
            code, status = FORBIDDEN
            await respond(send, status, error_body(code, refused.message), JSON, *refused.headers)
        except PostError as error:
            await respond(send, error.status, str(error).encode(), TEXT)

    async def _answer(self, request: EngineRequest) -> None:
        if request.sid is None:
            await self._open(request)
            return
        transport = current_runtime().polling.get(request.sid)
        if transport is None:
            await self._relay(request.sid)
            return
        await self.admission.check_owner(transport.connection, self.scope)
        match self.scope["method"]:
            case "GET":
                await self._poll(transport)
            case "POST" if transport.connection.close_reason is Reason.SESSION_ENDED:
                raise session_gone()
            case "POST":
                await self._post(transport)
            case method:
                raise PostError(405, f"expected GET or POST, got {method}")

    async def _open(self, request: EngineRequest) -> None:
        async with self.admission.handshake(self.scope) as slot:
            python = self._is_python()
            limit = PACKETS_FOR_PYTHON if python else sys.maxsize
            transport = PollingTransport(limit, stays_away=python)
            connection = self.admission.new_connection(request, self.scope, transport, slot)
            transport.attach(connection)
            connection.open()
        await self._respond_packets(connection, transport.take())

    async def _relay(self, sid: str) -> None:
        """Have the process that has the connection answer."""
        runtime = current_runtime()
        counted = self.admission.count_unknown_sid(self.scope)
        owner = runtime.relay.owner_of(sid)
        if RELAYED not in self.scope and (owner is None or claimed_key(self.scope) is None):
            await self.admission.admit_late(self.scope)
        if sid in runtime.ended:
            raise session_gone()
        if sid in runtime.connections:
            raise HandshakeError(Refusal.BAD_REQUEST)
        if owner is None:
            raise HandshakeError(Refusal.UNKNOWN_SID)
        await runtime.backplane.start()
        body = await self._read_body() if self.scope["method"] == "POST" else b""
        question = new_question(sid, self.scope, body)
        response = await runtime.relay.ask(owner, question, self._client_gone())
        if response is None:
            await self.admission.admit_late(self.scope)
            raise HandshakeError(Refusal.SHUTTING_DOWN if runtime.closing else Refusal.UNKNOWN_SID)
        if response[0] != HTTPStatus.FORBIDDEN:
            self.admission.refund(counted)
        await send_response(self.base_send, response)

    async def _poll(self, transport: PollingTransport) -> None:
        if transport.polling:
            transport.connection.close(Reason.TRANSPORT_ERROR, "two polls at once")
            raise PostError(400, "expected one poll at a time")
        ready = transport.hold()
        try:
            if not ready.done() and not await self._wait(ready):
                transport.connection.close(Reason.TRANSPORT_CLOSE, "the client gave up its poll")
                return
            if (refusal := ready.result()) is not None:
                raise HandshakeError(refusal)
            packets = transport.take()
        finally:
            transport.let_go()
        await self._respond_packets(transport.connection, packets)

    async def _wait(self, ready: "asyncio.Future[Refusal | None]") -> bool:
        """Wait for `ready`; return False when the client goes away before."""
        gone: asyncio.Future[Any] = asyncio.ensure_future(self._client_gone())
        try:
            await asyncio.wait({ready, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
        return ready.done()

    async def _client_gone(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def _post(self, transport: PollingTransport) -> None:
        connection = transport.connection
        if transport.posting:
            connection.close(Reason.TRANSPORT_ERROR, "two posts at once")
            raise PostError(400, "expected one post at a time")
        transport.posting = True
        try:
            body = await self._read_body()
            await self._feed(transport, body)
        except PostError as error:
            if error.reason is not None:
                connection.close(error.reason, f"its post: {error}")
            raise
        finally:
            transport.posting = False
        if connection.close_reason is Reason.TOO_MANY_EVENTS:
            raise PostError(429, Reason.TOO_MANY_EVENTS.text)
        if connection.close_reason is Reason.SESSION_ROTATED:
            raise session_gone()
        if connection.close_reason not in (None, Reason.TRANSPORT_CLOSE):
            raise PostError(400, "expected Engine.IO packets")
        await respond(self.base_send, 200, b"ok", "text/html")

    async def _feed(self, transport: PollingTransport, body: bytes) -> None:
        """Hand on what a body holds: as many packets as a client may send at once, or any number without limits."""
        for number, packet in enumerate(transport.connection.split_body(body, self._content_type()), start=1):
            transport.connection.receive(packet)
            await transport.read_on()
            if number % TURN_PACKETS == 0:
                await asyncio.sleep(0)

    async def _read_body(self) -> bytes:
        limit = self.admission.application.options.engine.max_payload
        too_large = PostError(413, f"expected at most {limit} bytes")
        length = self._header(b"content-length")
        if length.isdecimal() and int(length[:20]) > limit:
            raise too_large
        body = bytearray()
        try:
            async with asyncio.timeout(BODY_SECONDS):
                while True:
                    message = await self.receive()
                    if message["type"] == "http.disconnect":
                        raise PostError(400, "expected the whole body", Reason.TRANSPORT_CLOSE)
                    body += message.get("body", b"")
                    if len(body) > limit:
                        raise too_large
                    if not message.get("more_body", False):
                        return bytes(body)
        except TimeoutError:
            message = f"expected the whole body within {BODY_SECONDS:g} s"
            raise PostError(408, message, Reason.TRANSPORT_ERROR) from None

    def _is_python(self) -> bool:
        """Return whether this is the Python client, which nothing but the name of its HTTP library tells.

        With its limit of packets for all, the others could not make up for slow polls by fetching more with each.
        """
        return "python" in self._header(b"user-agent").lower()

    def _content_type(self) -> str:
        return self._header(b"content-type").partition(";")[0].strip().lower()

    def _header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self.scope["headers"] if key == name), "")

    async def _respond_packets(self, connection: "Connection", packets: Sequence[Encoded]) -> None:
        body, content_type = connection.engine.framing.encode_body(packets)
        if len(body) > COMPRESS_FROM and "gzip" in self._header(b"accept-encoding"):
            packed = gzip.compress(body, mtime=0)
            await respond(self.base_send, 200, packed, content_type, (b"content-encoding", b"gzip"))
        else:
            await respond(self.base_send, 200, body, content_type)
