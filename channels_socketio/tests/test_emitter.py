"""Events from anywhere in Django reach whom they are meant for, and say so when they cannot."""

import asyncio
import subprocess
import sys
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from django.db import transaction

from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.emitter import aemit, emit
from channels_socketio.fanout.targets import login_session_key, room_key, user_key
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, serve, settle


class User:
    """As much of Django's user as a socket looks at."""

    is_authenticated = True

    def __init__(self, pk: int) -> None:
        self.pk = pk


class LoginSession:
    """As much of Django's session as a socket looks at."""

    def __init__(self, session_key: str) -> None:
        self.session_key = session_key


class Member(SocketIOConsumer):
    """Joins the rooms that its client names."""

    namespaces = ["/", "/other"]

    async def connect(self, auth: dict[str, Any]) -> None:
        for room in auth.get("rooms", []):
            await self.join(room)

    @on("leave")
    async def leave_room(self, room: str) -> bool:
        await self.leave(room)
        return True

    @on("tell")
    async def tell(self, room: str | None, skip: list[str]) -> bool:
        await self.broadcast("told", room, room=room, skip=skip)
        return True


def with_identity(application: Any, session_key: str, user: int) -> Any:
    """Return `application` behind a login session and a user."""

    async def identified(scope: Any, receive: Any, send: Any) -> None:
        extra = {"session": LoginSession(session_key), "user": User(user)}
        await application(scope | extra, receive, send)

    return identified


async def received(client: SocketIOCommunicator) -> list[Any]:
    """Return what the client has got: an end mark is emitted behind it."""
    await aemit("end", namespace="/")
    events = []
    while (event := await client.receive_event())[0] != "end":
        events.append(event)
    return events


@pytest.fixture
async def three(connect: Connect) -> list[SocketIOCommunicator]:
    """Three clients: of login sessions a, b, c and of users 1, 2, 2; in the rooms tea, tea and coffee, coffee."""
    application = serve(Member)
    clients = []
    for session_key, user, rooms in (("a", 1, ["tea"]), ("b", 2, ["tea", "coffee"]), ("c", 2, ["coffee"])):
        client = await connect(with_identity(application, session_key, user))
        await client.join("/", {"rooms": rooms})
        clients.append(client)
    return clients


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        ({}, [0, 1, 2]),
        ({"room": "tea"}, [0, 1]),
        ({"room": "coffee"}, [1, 2]),
        ({"room": "nowhere"}, []),
        ({"login_session": "a"}, [0]),
        ({"login_session": "b"}, [1]),
        ({"login_session": "unknown"}, []),
        ({"user": 2}, [1, 2]),
        ({"user": User(1)}, [0]),
        ({"namespace": "/other"}, []),
        ({"room": "tea", "skip": ["coffee"]}, [0]),
        ({"skip": ["tea"]}, [2]),
    ],
)
async def test_an_event_reaches_its_target_and_nobody_else(
    three: list[SocketIOCommunicator], target: dict[str, Any], reached: list[int]
) -> None:
    await aemit("news", {"id": UUID(int=7)}, b"\x00", **target)
    expected = [["news", {"id": "00000000-0000-0000-0000-000000000007"}, b"\x00"]]
    assert [await received(client) for client in three] == [expected if i in reached else [] for i in range(3)]


async def test_one_socket_is_addressed_by_its_id(three: list[SocketIOCommunicator]) -> None:
    await aemit("news", socket=three[1].sids["/"])
    await aemit("others", skip=[three[1].sids["/"]])
    assert [await received(client) for client in three] == [[["others"]], [["news"]], [["others"]]]


async def test_a_socket_that_left_a_room_or_ended_is_not_in_it(three: list[SocketIOCommunicator]) -> None:
    assert await three[0].call("leave", "tea")
    await three[2].disconnect()
    await aemit("news", room="tea")
    await aemit("more", room="coffee")
    assert [await received(client) for client in three[:2]] == [[], [["news"], ["more"]]]


async def test_a_handler_reaches_rooms_and_skips_sockets_and_rooms(three: list[SocketIOCommunicator]) -> None:
    assert await three[0].call("tell", "coffee", [three[1].sids["/"]])
    assert await three[0].call("tell", None, ["coffee"])
    assert [await received(client) for client in three] == [[["told", None]], [], [["told", "coffee"]]]


async def test_two_targets_are_a_mistake() -> None:
    with pytest.raises(TypeError, match="at most one of room, socket, login_session and user"):
        await aemit("news", room="tea", user=1)


@pytest.mark.django_db(transaction=True)
async def test_an_emit_in_a_transaction_waits_for_the_commit(three: list[SocketIOCommunicator]) -> None:
    def sell(fail: bool) -> None:
        with transaction.atomic():
            emit("sold", fail)
            emit("receipt", fail)
            if fail:
                raise LookupError

    with pytest.raises(LookupError):
        await sync_to_async(sell)(fail=True)
    await sync_to_async(sell)(fail=False)
    await settle()
    assert await received(three[0]) == [["sold", False], ["receipt", False]]


@pytest.mark.django_db(transaction=True)
async def test_an_emit_from_another_thread_without_a_transaction_is_sent_at_once(
    three: list[SocketIOCommunicator],
) -> None:
    await asyncio.to_thread(emit, "news", 1)
    assert await three[0].receive_event() == ["news", 1]


def test_an_emit_that_reaches_nobody_says_so() -> None:
    with pytest.warns(RuntimeWarning, match="The event 'news' reaches nobody"):
        asyncio.run(aemit("news"))


async def test_a_broadcast_call_returns_each_answer_and_none_for_silence(connect: Connect) -> None:
    class Poll(SocketIOConsumer):
        @on("ask")
        async def ask(self) -> None:
            self.answers = await self.call_all("question", 42, timeout=1.0)
            await self.emit("answers", self.answers)

    application = serve(Poll)
    first, second, silent = [await connect(application) for _ in range(3)]
    ids = [(await client.join())["sid"] for client in (first, second, silent)]
    await first.emit("ask")
    questions = [await client.receive_packet() for client in (first, second, silent)]
    assert [packet.data for packet in questions] == [["question", 42]] * 3
    assert len({packet.id for packet in questions}) == 1
    for client, answer in ((first, "yes"), (second, "no")):
        for _ in range(2):  # the second answer to the same id is ignored
            await client.send_to(f'43{questions[0].id}["{answer}"]')
    assert await first.receive_event() == ["answers", {ids[0]: ["yes"], ids[1]: ["no"], ids[2]: None}]


async def test_a_namespace_with_the_name_of_a_group_is_not_in_it(connect: Connect) -> None:
    class Anywhere(SocketIOConsumer):
        namespaces = ["/<path:anything>"]

    groups = [room_key("/a", "tea"), login_session_key("/a", "key"), user_key("/a", 1)]
    application = serve(Anywhere)
    clients = [await connect(application, f"/{group}") for group in [name.replace(",", "#") for name in groups]]
    for target in ({"room": "tea"}, {"login_session": "key"}, {"user": 1}):
        await aemit("private", namespace="/a", **target)
    assert not any(group.startswith("/") for group in groups)
    for client in clients:
        assert await client.receive_nothing()


BARE_SITE = """
import asyncio
import sys

import django
from django.conf import settings

layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]}}
settings.configure(
    INSTALLED_APPS=["channels_socketio"],
    SECRET_KEY="a key",
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    CHANNEL_LAYERS={"default": layer} if "layer" in sys.argv else {},
)
django.setup()

from channels_socketio.emitter import aemit, emit
from channels_socketio.history.feed import announce
from channels_socketio.history.log import Item, Position
from channels_socketio.revocation import look_at_all

emit("news")
announce("/", Item(Position(1, 0), "entry", 1))
look_at_all()
print("went on")
if "layer" in sys.argv:
    asyncio.run(aemit("news"))
"""


def run_bare_site(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Publish in a process without sockets, of a site without a database; its layer, if any, cannot be reached."""
    command = [sys.executable, "-c", BARE_SITE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_a_site_without_a_database_may_publish() -> None:
    run = run_bare_site()
    assert (run.returncode, run.stdout) == (0, "went on\n")
    assert run.stderr.count("RuntimeWarning: The event 'news' reaches nobody") == 1


def test_a_layer_that_fails_is_logged_and_raised_only_to_who_awaits_it() -> None:
    run = run_bare_site("layer")
    assert (run.returncode, run.stdout) == (1, "went on\n")
    assert [
        kind for kind in ("event", "log", "look at all") if f"Publishing of the kind '{kind}' failed" in run.stderr
    ] == [
        "event",
        "log",
        "look at all",
    ]
    assert run.stderr.rstrip().splitlines()[-1].startswith("redis.exceptions.ConnectionError")
