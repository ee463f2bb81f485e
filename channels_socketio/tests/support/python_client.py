"""Official Python clients inside the test's own event loop."""

import asyncio
import importlib.util
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
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
    responses: list[Any] = []

    async def keep(request: Any, handler: Any) -> Any:
        """Middleware of aiohttp: keep the answer, which the client may leave unread, until it is closed."""
        responses.append(await handler(request))
        return responses[-1]

    async with aiohttp.ClientSession(cookie_jar=cookie_jar, headers=headers, middlewares=[keep]) as http:
        client = socketio.AsyncClient(http_session=http, **options)
        try:
            yield client, http
        finally:
            await client.shutdown()
            left = asyncio.all_tasks() - before - {asyncio.current_task()}  # fixtures end in a task of their own
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)
            for response in responses:
                response.close()
