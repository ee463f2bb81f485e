"""The same chat by python-socketio under uvicorn, without a framework for the page: name in a signed cookie.

Rooms are namespaces."""

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Awaitable, Callable
from http.cookies import SimpleCookie
from typing import Any

import socketio

KEY = b"a key for benchmarks only"

ROOM = re.compile(r"/|/rooms/[a-z0-9-]{1,50}")

sio = socketio.AsyncServer(async_mode="asgi", namespaces="*", ping_interval=float(os.environ["BENCH_HEARTBEAT"]))


def sign(name: str) -> str:
    """Return the cookie for `name`."""
    return f"{name}.{hmac.digest(KEY, name.encode(), hashlib.sha256).hex()}"


@sio.on("connect", namespace="*")  # type: ignore[untyped-decorator]  # that package has no types
async def connect(namespace: str, sid: str, environ: dict[str, str], auth: object) -> None:
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("session")
    name = cookie.value.partition(".")[0] if cookie else ""
    if cookie is None or not hmac.compare_digest(cookie.value, sign(name)):
        raise socketio.exceptions.ConnectionRefusedError("no session")
    if ROOM.fullmatch(namespace) is None:
        raise socketio.exceptions.ConnectionRefusedError("no such room")
    await sio.save_session(sid, {"name": name}, namespace)


@sio.on("send chat", namespace="*")  # type: ignore[untyped-decorator]  # see above
async def send_chat(namespace: str, sid: str, message: dict[str, str]) -> None:
    session = await sio.get_session(sid, namespace)
    await sio.emit("new chat", {"msg": f"{session['name']}: {message['msg']}"}, namespace=namespace)


async def page(scope: dict[str, Any], receive: object, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    """Give a session with a random number as name."""
    name = str(secrets.randbelow(10_000))
    headers = [(b"content-type", b"text/html"), (b"set-cookie", f"session={sign(name)}; HttpOnly".encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": f"<!doctype html><p>You are {name}.".encode()})


application = socketio.ASGIApp(sio, page)
