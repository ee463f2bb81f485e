"""The client for pages, at the address where Socket.IO servers have it."""

import hashlib
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

CLIENT = Path(__file__).parents[1] / "static" / "socket.io" / "socket.io.js"


@cache
def read_client() -> tuple[bytes, bytes]:
    """Return the client and its ETag."""
    content = CLIENT.read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:16]}"'.encode()


async def serve_client(scope: Any, receive: Any, send: Any) -> None:
    """ASGI application that answers with the client. Browsers keep it for an hour, then ask whether it has changed."""
    content, etag = read_client()
    status, body = HTTPStatus.OK, content
    if scope["method"] not in {"GET", "HEAD"}:
        status, body = HTTPStatus.METHOD_NOT_ALLOWED, b""
    elif {etag, b"*"} & known_etags(scope):
        status, body = HTTPStatus.NOT_MODIFIED, b""
    headers = [(b"etag", etag), (b"cache-control", b"max-age=3600, public")]
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        headers = [(b"allow", b"GET, HEAD")]
    if status != HTTPStatus.NOT_MODIFIED:  # whose length would be that of the content (RFC 9110 section 8.6)
        headers += [
            (b"content-type", b"text/javascript; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def known_etags(scope: Any) -> set[bytes]:
    """Return the entity tags in the header If-None-Match, weak ones as strong ones (RFC 9110 section 13.1.2)."""
    values = [value for name, value in scope["headers"] if name == b"if-none-match"]
    return {tag.strip().removeprefix(b"W/") for value in values for tag in value.split(b",")}
