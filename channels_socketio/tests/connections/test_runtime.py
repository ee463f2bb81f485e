"""What the connections of a process share: what is said to them alone, what is done last, and who has changed."""

import asyncio
from typing import Any

import pytest

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.protocol.reasons import Reason
from channels_socketio.tests.support.people import Connect, eventually, serve


class EchoApp(SocketIOConsumer):
    """Writes down who is in."""

    namespaces = ["/", "/tea"]
    steps: list[str]

    async def connect(self, auth: Any) -> None:
        """Come."""
        self.steps.append("connect")

    def entered(self) -> None:
        """Be in."""
        assert self.socket.connected
        self.steps.append("entered")
        self.socket.emit("in", [])

    async def disconnect(self, reason: str) -> None:
        """Go."""
        self.steps.append("disconnect")

    @on("leave")
    async def leave_now(self) -> None:
        """Put oneself out."""
        await self.close()


@pytest.fixture
def steps() -> list[str]:
    """What the hall has written down."""
    EchoApp.steps = []
    return EchoApp.steps


async def test_entered_is_called_once_the_socket_is_live_and_disconnect_after_it(
    connect: Connect, steps: list[str]
) -> None:
    client = await connect(serve(EchoApp), "/")
    assert await client.receive_event() == ["in"]
    await client.emit("leave")
    await eventually(lambda: steps == ["connect", "entered", "disconnect"], "the hall had seen all")


async def test_what_is_published_here_reaches_the_namespace_and_no_other(connect: Connect, steps: list[str]) -> None:
    application = serve(EchoApp)
    lobby, tea = await connect(application, "/"), await connect(application, "/tea")
    for client in (lobby, tea):
        await client.receive_event()
    current_runtime().publish_here("/nobody", "news", object())  # nobody is there, so nothing is encoded
    current_runtime().publish_here("/", "news", {"number": 1})
    current_runtime().publish_here("/tea", "news", {"number": 2}, volatile=True)
    assert await lobby.receive_event() == ["news", {"number": 1}]
    assert await tea.receive_event() == ["news", {"number": 2}]


async def test_the_roll_hears_of_everything_that_changes_about_a_connection(connect: Connect, steps: list[str]) -> None:
    tracker = current_runtime().tracker
    tracker.follow(lambda: None)
    client = await connect(serve(EchoApp), "/")
    (sid,) = current_runtime().connections
    assert await client.receive_event() == ["in"]
    assert tracker.take() == ([sid], [])
    await client.join("/tea")
    assert tracker.take() == ([sid], [])
    assert tracker.take() == ([], [])
    await client.disconnect()
    assert tracker.take() == ([], [sid])
    assert tracker.empty


async def test_farewells_are_waited_for_but_not_for_ever_and_may_fail(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def say(word: str) -> None:
        done.append(word)

    async def fail() -> None:
        raise LookupError("no words")

    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            done.append("cancelled")

    runtime = current_runtime()
    runtime.on_shutdown += [fail, hang, lambda: say("goodbye")]
    await runtime.close(Reason.SERVER_SHUTTING_DOWN, 0.05)
    assert "goodbye" in done
    await eventually(lambda: "cancelled" in done, "the late one was cancelled")
    assert "A shutdown hook failed: LookupError: no words" in caplog.text
