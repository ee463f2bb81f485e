"""Who leaves while hundreds of messages wait is gone for the others, who get everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from channels_socketio.tests.connections.test_isolation import EVENTS, WAYS, Leave, text_frames
from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.ws_client import Dial, WSClient
from chat.tests.site import Site


@pytest.fixture(scope="module", params=servers("serve"))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The chat; nothing in this module may leave an error in its log."""
    running = Site(tmp_path_factory.mktemp("site"), request.param).start()
    yield running
    output = running.process.output()
    running.kill()
    assert "ERROR" not in output, output
    assert "Traceback" not in output, output


@asynccontextmanager
async def heard(client: WSClient) -> AsyncIterator[list[Any]]:
    """Give the events that the client gets; those of presence go to its `passing`."""
    events: list[Any] = []

    async def listen() -> None:
        while True:
            events.append(await client.receive_event(60))

    task = asyncio.create_task(listen())
    yield events
    task.cancel()


def texts(events: list[Any]) -> set[str]:
    """Return the texts of the messages among events."""
    return {data["text"] for name, data, *_ in events if name == "new chat"}


@WAYS
async def test_who_leaves_is_counted_no_more_and_the_others_get_all_messages(
    site: Site, dial: Dial, leave: Leave
) -> None:
    url = f"{site.ws_url}/socket.io/?EIO=4&transport=websocket"
    before, leaving, later = [{"Cookie": f"sessionid={site.new_cookie()}"} for _ in range(3)]
    first, gone = await dial(url, additional_headers=before), await dial(url, additional_headers=leaving)
    async with heard(first) as events:
        await eventually(lambda: first.passing and first.passing[-1]["count"] == 2, "both were counted", 15)
        leave(gone.connection, text_frames(*['42["send chat",{"msg":"flood"}]'] * EVENTS))
        second = await dial(url, additional_headers=later)
        async with heard(second) as later_events:
            await eventually(lambda: second.passing and second.passing[-1]["count"] == 2, "it was gone", 30)
            await second.emit("send chat", {"msg": leave.__name__})
            await eventually(lambda: leave.__name__ in texts(events) & texts(later_events), "both got it", 15)
    assert first.passing[-1]["count"] == 2
