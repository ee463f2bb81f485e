"""How often a visitor may do what costs, and what is told to who does it too often."""

import asyncio
from typing import Any

import pytest
from django.core import checks
from django.test import Client
from prometheus_client import generate_latest
from pytest_django import Settings

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.exceptions import Refused
from channels_socketio.limits.rates import Rate, notices
from channels_socketio.options import option_types, table
from channels_socketio.protocol.reasons import Reason
from channels_socketio.tests.support.documents import documented_limits, page_of_settings
from channels_socketio.tests.support.people import Connect, eventually
from channels_socketio.tests.test_checks import NO_REDIS
from chat import consumers
from chat.database import in_thread
from chat.limits import ChatOptions, count_message, current_limits
from chat.models import LoginSession, Room, Visitor
from chat.rooms import namespace_of
from chat.tests.people import visit
from chat.tests.test_consumers import enter

CROWDED: Any = {"REMOTE_ADDR": "203.0.113.1"}


def counted(name: str) -> float:
    """Return the figure of a limit in the metrics."""
    line = f'limit_refusals_total{{limit="{name}"}} '
    lines = generate_latest().decode().splitlines()
    return next((float(text.removeprefix(line)) for text in lines if text.startswith(line)), 0.0)


# Settings


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "CHAT: expected a dictionary, got NoneType."),
        ({"MESSAGES_AT_ONCE": 0}, "CHAT['MESSAGES_AT_ONCE']: expected a whole number above 0, got 0."),
        ({"MESSAGES_PER_SECOND": "5"}, "CHAT['MESSAGES_PER_SECOND']: expected a whole number above 0, got '5'."),
        ({"X": 1}, f"CHAT['X']: expected one of {', '.join(option_types(ChatOptions))}."),
    ],
)
def test_each_wrong_setting_is_an_error_with_one_sentence(settings: Settings, value: Any, problem: str) -> None:
    settings.CHAT = value
    assert [message for message in checks.run_checks() if message.id == "chat.E001"] == [
        checks.Error(problem, id="chat.E001")
    ]


def test_the_defaults_are_those_that_are_written_down(settings: Settings) -> None:
    settings.LIMITS = True
    found = current_limits()
    assert (found.messages.rate, found.rooms.rate) == (Rate(5, 20), Rate(1 / 6, 10))
    assert found.sessions.rate == Rate(2, 120)
    assert f"\n\n{table(ChatOptions)}\n\n" in page_of_settings()
    documented = documented_limits("CHAT")
    assert [key for key, _ in documented] == list(option_types(ChatOptions))
    for key, default in documented:
        assert f"| `{key}` | `{default}` |" in table(ChatOptions)


async def test_with_limits_off_nothing_is_limited(settings: Settings) -> None:
    settings.LIMITS = False
    before = counted("messages")
    for _ in range(100):
        await count_message(1, first=True)
    assert counted("messages") == before


# Messages


async def test_too_many_messages_are_refused_and_told_when_to_come_back() -> None:
    before = counted("messages")
    for _ in range(20):
        await count_message(1, first=False)
    with pytest.raises(Refused) as caught:
        await count_message(1, first=False)
    assert caught.value.code == "too fast"
    assert caught.value.message == "Too many messages: please wait 1 s."
    assert 0 < caught.value.more["retry_after"] <= 0.2
    await count_message(2, first=False)
    assert counted("messages") == before + 1


async def test_too_many_first_words_are_refused() -> None:
    for _ in range(10):
        await count_message(1, first=True)
    with pytest.raises(Refused, match=r"^Too many rooms: please wait 6 s\.$"):
        await count_message(1, first=True)
    await count_message(1, first=False)


@pytest.mark.django_db(transaction=True)
async def test_the_sender_hears_it_in_the_ack_and_the_message_is_not_stored(connect: Connect) -> None:
    client, _ = await enter(connect, "tea")
    acks = [await client.call("send chat", {"msg": "x"}, namespace="/rooms/tea") for _ in range(21)]
    assert [ack["ok"] for ack in acks] == [True] * 20 + [False]
    assert acks[20].keys() == {"ok", "code", "message", "retry_after"}
    assert acks[20]["code"] == "too fast"
    assert (await Room.objects.aget(slug="tea")).head == 20


@pytest.mark.django_db(transaction=True)
async def test_tabs_share_a_limit_and_reconnecting_does_not_reset_it(connect: Connect, settings: Settings) -> None:
    settings.CHAT = {"MESSAGES_PER_SECOND": 1, "MESSAGES_AT_ONCE": 6}
    session = await in_thread(visit)()
    answers = []
    for room in ("tea", "lobby", "tea", "lobby"):
        client, _ = await enter(connect, room, session)
        answers += [await client.call("send chat", {"msg": "x"}, namespace=namespace_of(room)) for _ in range(3)]
        await client.disconnect()
    assert 6 <= sum(answer["ok"] for answer in answers) < 12
    assert not answers[-1]["ok"]


@pytest.mark.django_db(transaction=True)
async def test_only_the_first_word_in_a_room_counts_as_a_new_room(connect: Connect, settings: Settings) -> None:
    settings.CHAT = {"NEW_ROOMS_PER_MINUTE": 1}
    session = await in_thread(visit)()
    tea, _ = await enter(connect, "tea", session)
    assert [(await tea.call("send chat", {"msg": "x"}, namespace="/rooms/tea"))["ok"] for _ in range(3)] == [True] * 3
    milk, _ = await enter(connect, "milk", session)
    assert (await milk.call("send chat", {"msg": "x"}, namespace="/rooms/milk"))["code"] == "too fast"
    again, _ = await enter(connect, "tea", session)
    assert (await again.call("send chat", {"msg": "x"}, namespace="/rooms/tea"))["ok"]
    assert not await Room.objects.filter(slug="milk").aexists()


@pytest.mark.django_db(transaction=True)
async def test_a_refusal_takes_a_rest_in_which_the_next_events_wait(
    connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "REST", 0.3)
    settings.CHAT = {"MESSAGES_PER_SECOND": 1, "MESSAGES_AT_ONCE": 1}
    client, _ = await enter(connect, "tea")
    assert (await client.call("send chat", {"msg": "x"}, namespace="/rooms/tea"))["ok"]
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await client.emit("send chat", {"msg": "x"}, namespace="/rooms/tea")
    assert (await client.call("what", namespace="/rooms/tea"))["code"] == "unknown event"
    assert loop.time() - begun >= 0.3


@pytest.mark.parametrize("end", ["the client leaves", "the server stops"])
@pytest.mark.django_db(transaction=True)
async def test_what_waits_behind_a_refusal_holds_up_no_end(
    connect: Connect, settings: Settings, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr(consumers, "REST", 1.0)
    settings.CHAT = {"MESSAGES_PER_SECOND": 1, "MESSAGES_AT_ONCE": 1}
    client, _ = await enter(connect, "tea")
    before = counted("messages")
    for _ in range(50):
        await client.emit("send chat", {"msg": "x"}, namespace="/rooms/tea")
    if end == "the client leaves":
        await client.disconnect()
    else:
        await eventually(lambda: counted("messages") > before, "one is refused")
        async with asyncio.timeout(10):
            await current_runtime().close(Reason.SERVER_SHUTTING_DOWN, 60)
    await eventually(lambda: counted("messages") >= before + 40, "all are refused", seconds=10)
    assert counted("messages") < before + 50


# New login sessions


@pytest.mark.django_db
def test_who_brings_no_cookies_cannot_fill_the_database(settings: Settings) -> None:
    settings.CHAT = {"NEW_SESSIONS_PER_MINUTE": 3}
    statuses = [Client().get("/", **CROWDED).status_code for _ in range(10)]
    assert statuses == [200] * 3 + [429] * 7
    assert (LoginSession.objects.count(), Visitor.objects.count()) == (3, 3)
    answer = Client().get("/rooms/tea/", **CROWDED)
    assert 1 <= int(answer["Retry-After"]) <= 20
    assert answer["Cache-Control"] == "no-store"
    assert "sessionid" not in answer.cookies
    assert b"Too many new visitors" in answer.content
    assert Client().get("/", REMOTE_ADDR="203.0.113.2").status_code == 200


@pytest.mark.django_db
def test_who_has_a_login_session_gets_the_page_however_many_others_come(settings: Settings) -> None:
    settings.CHAT = {"NEW_SESSIONS_PER_MINUTE": 1}
    known = Client()
    assert known.get("/", **CROWDED).status_code == 200
    assert Client().get("/", **CROWDED).status_code == 429
    assert [known.get("/", **CROWDED).status_code for _ in range(3)] == [200] * 3
    assert Client().head("/", **CROWDED).status_code == 200


# What operators see


def test_refusals_are_named_in_the_metrics() -> None:
    before = counted("origin")
    notices.note("origin", "Refused %s.", "x")
    assert counted("origin") == before + 1


def test_a_store_that_is_no_redis_stops_the_start(settings: Settings) -> None:
    settings.SOCKETIO = {"LIMITS_REDIS": "memcached://"}
    assert f"SOCKETIO['LIMITS_REDIS']: {NO_REDIS}." in [message.msg for message in checks.run_checks()]
