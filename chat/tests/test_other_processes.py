"""Events from processes that serve nobody, a management command say, to the clients of one that does."""

import asyncio
from collections.abc import Iterator

import pytest

from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.ws_client import Dial
from chat.tests.site import Site

EMIT = "from channels_socketio.emitter import emit; emit('news', {'text': 'tea is ready'}, namespace='/rooms/tea')"
IN_TRANSACTION = f"""
from django.db import transaction
try:
    with transaction.atomic():
        {EMIT.replace("ready", "not ready")}
        raise LookupError
except LookupError:
    pass
with transaction.atomic():
    {EMIT}
"""
WARNED = f"""
import warnings
warnings.simplefilter("error")
try:
    {EMIT}
except RuntimeWarning as warning:
    print(warning)
"""


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The chat with a Redis server behind it."""
    folder = tmp_path_factory.mktemp("clustered")
    redis = Redis(folder).start()
    site = Site(folder, env={"REDIS_URL": redis.url})
    try:
        yield site.start()
    finally:
        site.kill()
        redis.stop()


@pytest.mark.parametrize("code", [EMIT, IN_TRANSACTION])
async def test_an_event_of_another_process_arrives_once_it_is_committed(clustered: Site, dial: Dial, code: str) -> None:
    headers = {"Cookie": f"sessionid={await asyncio.to_thread(clustered.new_cookie)}"}
    client = await dial(f"{clustered.ws_url}/socket.io/?EIO=4&transport=websocket", additional_headers=headers)
    await client.connection.send("40/rooms/tea,")
    while not str(await client.receive()).startswith('42/rooms/tea,["welcome"'):
        pass
    await asyncio.to_thread(clustered.manage, "shell", "-v", "0", "-c", code)
    assert await client.receive() == '42/rooms/tea,["news",{"text":"tea is ready"}]'


def test_a_process_that_reaches_nobody_says_so(site: Site) -> None:
    warning = site.manage("shell", "-v", "0", "-c", WARNED)
    assert "The event 'news' reaches nobody" in warning
