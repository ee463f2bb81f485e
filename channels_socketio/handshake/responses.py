"""Saying no: to a namespace, to an event, and to a handshake before it completes."""

import asyncio
import json
from contextlib import suppress
from typing import Any

from ..protocol.reasons import POLICY_VIOLATED, Refusal

DRAIN_SECONDS = 1.0


def error_body(code: int, message: str) -> bytes:
    """Return Engine.IO's JSON error."""
    return json.dumps({"code": code, "message": message}, separators=(",", ":")).encode()


async def refuse(scope: Any, receive: Any, send: Any, refusal: Refusal, *headers: tuple[bytes, bytes]) -> None:
    """Answer a request of either type before anything has been read from it; `headers` go to HTTP requests."""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        await refuse_websocket(scope, receive, send, refusal.status, refusal.code, refusal.message)
    else:
        await respond(send, refusal.status, error_body(refusal.code, refusal.message), "application/json", *headers)


async def respond(send: Any, status: int, body: bytes, content_type: str, *headers: tuple[bytes, bytes]) -> None:
    """Answer an HTTP request; nothing here may be kept by caches."""
    fixed = [
        (b"content-type", content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": [*fixed, *headers]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def refuse_websocket(
    scope: Any, receive: Any, send: Any, status: int, code: int, message: str, *more: tuple[bytes, bytes]
) -> None:
    """Answer a WebSocket handshake with `status` and Engine.IO's JSON error.

    A server without the ASGI extension `websocket.http.response` (Daphne) can only say 403 without a body.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATED, "reason": message})
        return
    body = error_body(code, message)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body, "more_body": False})
    # uvicorn reports a disconnect at once and once more when the answer has gone out; it takes an application that
    # returns in between for a broken one.
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            await receive()
            await receive()


async def refuse_unknown_path(scope: Any, receive: Any, send: Any) -> None:
    """ASGI application for WebSockets that asked for a path where there is none: 404."""
    await refuse(scope, receive, send, Refusal.UNKNOWN_PATH)
