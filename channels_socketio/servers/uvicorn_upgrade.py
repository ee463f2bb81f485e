"""An HTTP protocol for uvicorn that hands WebSocket requests on as it parsed them.

    uvicorn --http channels_socketio.servers.uvicorn_upgrade:UpgradeProtocol --ws ...:FramesProtocol

uvicorn writes the request out again for the WebSocket library, which parses it once more and builds request and
response objects: a good part of what a connect costs. Here the common request is checked where it is (RFC 6455
section 4.2.1) and answered with one line of bytes. Whatever is not that common, and every refusal, goes uvicorn's way.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha1
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .uvicorn_frames import FramesProtocol

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
VERSION = b"13"
KEY_BYTES = 16
# Requests with these are left to the library; the first three must be there once, the others not at all.
KEY, UPGRADE, PROTOCOL_VERSION = b"sec-websocket-key", b"upgrade", b"sec-websocket-version"
UNCOMMON = frozenset({b"sec-websocket-protocol", b"content-length", b"transfer-encoding"})
USED = ("app_state", "connections", "handle_websocket_upgrade", "scope", "server_state", "transport", "url")


class UpgradeProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol for a server whose WebSocket protocol is FramesProtocol."""

    def handle_websocket_upgrade(self) -> None:
        """Part of uvicorn's class: a request to upgrade has come."""
        key = None if self.config.ws_per_message_deflate else accept_key(self.scope["headers"])
        if key is None or self.scope["method"] != "GET" or self.scope["http_version"] != "1.1":
            super().handle_websocket_upgrade()
            return
        self.connections.discard(self)
        protocol = FramesProtocol(self.config, self.server_state, self.app_state)
        protocol.take_over(self.transport, self.server, self.client, self.scheme == "https")
        path, _, query = self.url.partition(b"?")
        root_path = self.scope["root_path"]
        protocol.start(
            {
                "type": "websocket",
                "asgi": {"version": self.asgi_version, "spec_version": "2.4"},
                "http_version": "1.1",
                "scheme": protocol.scheme,
                "server": self.server,
                "client": self.client,
                "root_path": root_path,
                "path": root_path + unquote(path.decode("ascii")),
                "raw_path": root_path.encode("ascii") + path,
                "query_string": query,
                "headers": self.scope["headers"],
                "subprotocols": [],
                "state": self.scope["state"],
                "extensions": {"websocket.http.response": {}},
            },
            self.url,
            key,
        )
        self.transport.set_protocol(protocol)


def accept_key(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the Sec-WebSocket-Accept for a request, None unless it is a plain request for a WebSocket."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in UNCOMMON or (name in found and name in (KEY, UPGRADE, PROTOCOL_VERSION)):
            return None
        found[name] = value
    key = found.get(KEY, b"")
    if found.get(PROTOCOL_VERSION) != VERSION or not is_nonce(key):
        return None
    return b64encode(sha1(key + GUID, usedforsecurity=False).digest())


def is_nonce(key: bytes) -> bool:
    """Return whether `key` is the base64 of 16 bytes."""
    try:
        return len(b64decode(key, validate=True)) == KEY_BYTES
    except binascii.Error:
        return False
