"""Official Python clients inside the test's own event loop."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

from channels_socketio.tests.support.processes import require


@asynccontextmanager
async def python_client(headers: Mapping[str, str] | None = None, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """Yield a `socketio.AsyncClient` and its HTTP session; `headers` go with each request.

    A client that is shut down while it comes back goes on with that, so what it leaves behind is cancelled.
    """
    for module in ("socketio", "aiohttp"):
        require(importlib.util.find_spec(module) is not None, f"the package {module}")
    import aiohttp
    import socketio

    before = asyncio.all_tasks()
    cookie_jar = aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(cookie_jar=cookie_jar, headers=headers, middlewares=[read_refusal]) as http:
        client = socketio.AsyncClient(http_session=http, **options)
        try:
            yield client, http
        finally:
            await client.shutdown()
            left = asyncio.all_tasks() - before - {asyncio.current_task()}  # fixtures end in a task of their own
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)


async def read_refusal(request: Any, handler: Any) -> Any:
    """Middleware of aiohttp: read what the client leaves unread, so that the answer's connection is given back."""
    response = await handler(request)
    if response.status >= HTTPStatus.BAD_REQUEST:
        await response.read()
    return response
