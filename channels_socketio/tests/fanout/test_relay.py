"""Polls and posts at a process that does not have their connection; the contract is in test_transports."""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from redis.asyncio import Redis as RedisClient
from websockets.exceptions import InvalidStatus

from channels_socketio.fanout.backplane import Backplane
from channels_socketio.fanout.hub import Hub
from channels_socketio.fanout.prepared import join
from channels_socketio.fanout.relay import PATIENCE_SECONDS, TAKEN, Relay, new_question
from channels_socketio.servers.serve import CLOSE_SECONDS
from channels_socketio.tests.support.clients import Client, by_polling
from channels_socketio.tests.support.contract_site import (
    HASTE,
    MAX_PAYLOAD,
    UNKNOWN_SID,
    ContractApp,
    assert_alive,
    joined,
    login_session,
)
from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.raw_client import SECONDS, RawClient

SOON = PATIENCE_SECONDS  # as long as the wait for an answer that does not come: who was not asked needs less
SERVERS = [("daphne", "uvicorn"), ("serve", "serve")]
PATIENCE, WORD = HASTE


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server."""
    running = Redis(tmp_path_factory.mktemp("redis")).start()
    yield running
    running.stop()


@pytest.fixture(scope="module", params=SERVERS, ids="-".join)
def pair(
    request: pytest.FixtureRequest, redis: Redis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ContractApp, ContractApp]]:
    """Two processes; nothing may leave an error in their logs."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        owner, other = (stack.enter_context(ContractApp(folder, server, redis.url)) for server in request.param)
        yield owner, other
        assert owner.errors() + other.errors() == []


@pytest.fixture
async def home(pair: tuple[ContractApp, ContractApp]) -> AsyncIterator[RawClient]:
    """A visitor of the process that will have the connection."""
    async with RawClient(pair[0].port) as raw_client:
        yield raw_client


@pytest.fixture
async def away(pair: tuple[ContractApp, ContractApp]) -> AsyncIterator[RawClient]:
    """The same visitor at the other process."""
    async with RawClient(pair[1].port) as raw_client:
        yield raw_client


@pytest.fixture
def doomed(redis: Redis, tmp_path: Path) -> Iterator[tuple[ContractApp, ContractApp]]:
    """Two hasty processes for a test that ends one of them."""
    with (
        ContractApp(tmp_path, "serve", redis.url, True) as owner,
        ContractApp(tmp_path, "serve", redis.url, True) as other,
    ):
        yield owner, other


@pytest.fixture(scope="module")
def hasty(redis: Redis, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ContractApp, ContractApp]]:
    """Two hasty processes; nothing may leave an error in their logs."""
    folder = tmp_path_factory.mktemp("hasty")
    with (
        ContractApp(folder, "daphne", redis.url, True) as owner,
        ContractApp(folder, "serve", redis.url, True) as other,
    ):
        yield owner, other
        assert owner.errors() + other.errors() == []


async def test_a_poll_that_is_held_for_long_is_answered_in_the_end(hasty: tuple[ContractApp, ContractApp]) -> None:
    async with RawClient(hasty[0].port) as home, RawClient(hasty[1].port) as away:
        sid = await joined(home)
        assert (await away.post(sid, f'42["take",{PATIENCE + WORD}]\x1e42["echo",1]')).pair == (200, "ok")
        start = time.monotonic()
        assert (await away.poll(sid)).pair == (200, '42["echoed",1]')
        assert time.monotonic() - start > PATIENCE
        await assert_alive(away, sid)


async def test_an_answer_is_compressed_by_its_owner(home: RawClient, away: RawClient) -> None:
    sid = await joined(home)
    await away.post(sid, f'42["echo","{"x" * 5000}"]')
    answer = await away.ask("GET", ["Accept-Encoding: gzip"], sid=sid)
    assert (answer.status, answer.headers["content-encoding"], answer.headers["cache-control"]) == (
        200,
        "gzip",
        "no-store",
    )
    assert len(answer.body) < 200


async def test_a_client_that_gives_up_its_poll_is_gone(
    pair: tuple[ContractApp, ContractApp], home: RawClient, away: RawClient
) -> None:
    async with RawClient(pair[0].port) as raw_client:
        witness = await Client(await by_polling(raw_client)).open()
        await witness.join()
        client = await Client(await by_polling(home)).open()
        await client.join()
        poll = await away.start("GET", sid=client.handshake["sid"])
        await pair[0].settled(held=1)
        poll.abort()
        while (event := await witness.event())[1] != client.id:  # those of other tests leave as well
            pass
        assert event == ["left", client.id, "transport close"]


async def test_another_login_session_is_refused_by_the_owner(pair: tuple[ContractApp, ContractApp]) -> None:
    owner, other = pair
    async with (
        RawClient(owner.port, headers=[login_session("alice")]) as home,
        RawClient(other.port, headers=[login_session("alice")]) as away,
        RawClient(other.port, headers=[login_session("mallory")]) as thief,
        RawClient(other.port) as nobody,
        RawClient(other.port, headers=["Cookie: sessionid=forged"]) as forger,
    ):
        sid = await joined(home)
        for stranger in (thief, nobody, forger):
            refusal = (403, '{"code":4,"message":"Session unknown or expired."}')
            assert (await stranger.poll(sid)).pair == refusal
            assert (await stranger.post(sid, "1")).pair == refusal
        await assert_alive(away, sid)


async def test_requests_that_are_in_order_are_not_limited_and_others_are(pair: tuple[ContractApp, ContractApp]) -> None:
    owner, other = pair
    async with (
        RawClient(owner.port, "/strict/", headers=[login_session("alice")]) as home,
        RawClient(other.port, "/strict/", headers=[login_session("alice")]) as away,
        RawClient(other.port, "/strict/", headers=[login_session("mallory")]) as thief,
    ):
        sid = await joined(home)
        for _ in range(5):
            await assert_alive(away, sid)
        *answers, last = [await thief.poll(sid) for _ in range(4)]
        assert {answer.text for answer in answers} == {'{"code":4,"message":"Session unknown or expired."}'}
        assert last.pair == (403, '{"code":4,"message":"Too many connections."}')
        await assert_alive(home, sid)


async def test_no_key_of_a_login_session_is_in_a_letter(redis: Redis, pair: tuple[ContractApp, ContractApp]) -> None:
    cookie = login_session("alice")
    key = cookie.partition("=")[2].encode()
    async with RedisClient.from_url(redis.url) as client, client.pubsub() as listener:
        await listener.psubscribe("*")
        await listener.get_message(timeout=SECONDS)  # the confirmation
        async with RawClient(pair[0].port, headers=[cookie]) as home, RawClient(pair[1].port, headers=[cookie]) as away:
            sid = await joined(home)
            await assert_alive(away, sid)
        messages = []
        while message := await listener.get_message(ignore_subscribe_messages=True, timeout=0.5):
            messages.append(message["data"])
    assert any(sid.encode() in message for message in messages)
    assert not any(key in message for message in messages)


@pytest.mark.parametrize(
    ("body", "head", "status"),
    [
        (b"4" * (MAX_PAYLOAD + 1), [], 413),
        (b"4", ["Content-Length: 100"], 408),
        (b"", [f"Content-Length: {MAX_PAYLOAD + 1}"], 413),
    ],
)
async def test_a_body_that_is_too_large_or_too_slow_never_gets_to_the_owner(
    home: RawClient, away: RawClient, body: bytes, head: list[str], status: int
) -> None:
    sid = await joined(home)
    head = head or [f"Content-Length: {len(body)}"]
    assert (await (await away.start("POST", head, body, sid=sid)).answer()).status == status
    await assert_alive(away, sid)


@pytest.mark.parametrize(("method", "status"), [("PUT", 405), ("DELETE", 405)])
async def test_the_owner_says_what_is_wrong_with_a_request(
    home: RawClient, away: RawClient, method: str, status: int
) -> None:
    sid = await joined(home)
    assert (await away.ask(method, sid=sid)).status == status
    assert (await away.post(sid, "x")).pair == (400, "expected Engine.IO packets")
    assert (await away.poll(sid)).pair == (400, UNKNOWN_SID)


async def test_two_polls_at_once_end_the_session_wherever_they_arrive(home: RawClient, away: RawClient) -> None:
    sid = await joined(home)
    first = await away.start("GET", sid=sid)
    second = await home.start("GET", sid=sid)
    assert {(await first.answer()).status, (await second.answer()).status} == {200, 400}


async def test_an_upgrade_at_another_process_fails_and_polling_goes_on(home: RawClient, away: RawClient) -> None:
    sid = await joined(home)
    with pytest.raises(InvalidStatus):
        await away.websocket(sid=sid)
    await assert_alive(away, sid)


async def test_a_poll_for_a_websocket_is_a_bad_request_everywhere(home: RawClient, away: RawClient) -> None:
    socket = await home.websocket()
    sid = json.loads(str(await socket.recv())[1:])["sid"]
    assert (await away.poll(sid)).pair == (400, '{"code":3,"message":"Bad request"}')


@pytest.mark.parametrize("sid", ["x", "a" * 27, "a" * 29, "a.b" + "a" * 25, "ä" * 28])
async def test_what_is_no_engine_id_is_unknown_at_once(away: RawClient, sid: str) -> None:
    start = time.monotonic()
    assert (await away.poll(sid)).pair == (400, UNKNOWN_SID)
    assert time.monotonic() - start < SOON


async def test_an_id_that_the_owner_does_not_know_is_unknown_at_once(home: RawClient, away: RawClient) -> None:
    sid = await joined(home)
    start = time.monotonic()
    for method, body in (("GET", None), ("POST", b"3")):
        assert (await away.ask(method, body=body, sid=f"{sid[:8]}{'a' * 20}")).pair == (400, UNKNOWN_SID)
    assert time.monotonic() - start < SOON


async def test_an_owner_that_there_never_was_is_given_up_after_a_while(hasty: tuple[ContractApp, ContractApp]) -> None:
    async with RawClient(hasty[1].port) as away:
        start = time.monotonic()
        assert (await away.poll("a" * 28)).pair == (400, UNKNOWN_SID)
        assert PATIENCE <= time.monotonic() - start < PATIENCE + SOON


async def test_an_owner_that_dies_while_it_holds_a_poll_is_given_up(doomed: tuple[ContractApp, ContractApp]) -> None:
    owner, other = doomed
    async with RawClient(owner.port) as home, RawClient(other.port) as away:
        sid = await joined(home)
        poll = await away.start("GET", sid=sid)
        await owner.settled(held=1)
        await asyncio.to_thread(owner.process.stop, signal.SIGKILL)
        assert (await poll.answer()).pair == (400, UNKNOWN_SID)


@pytest.mark.parametrize("who", [0, 1], ids=["owner", "other"])
async def test_when_either_ends_the_poll_is_told_and_the_end_comes_soon(
    doomed: tuple[ContractApp, ContractApp], who: int
) -> None:
    async with RawClient(doomed[0].port) as home, RawClient(doomed[1].port) as away:
        sid = await joined(home)
        poll = await away.start("GET", sid=sid)
        await doomed[0].settled(held=1)
        start = time.monotonic()
        assert await asyncio.to_thread(doomed[who].process.stop) == 0
        assert time.monotonic() - start < CLOSE_SECONDS
        assert (await poll.answer()).pair == (503, '{"code":3,"message":"Server shutting down"}')
    assert doomed[0].errors() + doomed[1].errors() == []


async def test_without_a_layer_that_crosses_processes_nobody_is_asked(tmp_path: Path) -> None:
    with ContractApp(tmp_path, "serve") as owner, ContractApp(tmp_path, "serve") as other:
        async with RawClient(owner.port) as home, RawClient(other.port) as away:
            sid = await joined(home)
            start = time.monotonic()
            assert (await away.poll(sid)).pair == (400, UNKNOWN_SID)
            assert time.monotonic() - start < SOON


async def test_with_the_layer_down_nobody_is_asked(tmp_path: Path) -> None:
    redis = Redis(tmp_path).start()
    with ContractApp(tmp_path, "serve", redis.url) as owner, ContractApp(tmp_path, "serve", redis.url) as other:
        async with RawClient(owner.port) as home, RawClient(other.port) as away:
            sid = await joined(home)
            await joined(away)
            redis.stop()
            assert (await away.poll(sid)).pair == (400, UNKNOWN_SID)
            assert (await home.post(sid, "40/custom,")).pair == (200, "ok")


async def test_a_client_may_be_gone_before_its_question_is_taken_up() -> None:
    """Two messages that are there already are handled in one turn of the event loop."""
    seen: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while seen[-1:] != ["http.disconnect"]:
            seen.append((await receive())["type"])

    relay, message = owner_with(application)
    message("question", 1)
    message("gone", 1)
    await eventually(lambda: not relay.busy, "the question was answered")
    assert seen == ["http.request", "http.disconnect"]


async def test_a_question_that_the_layer_repeats_is_answered_once() -> None:
    """At once, and when the first has been answered; what is known of old questions has a bound."""
    bodies: list[bytes] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])

    relay, message = owner_with(application)
    for number in (1, 1, 2):
        message("question", number)
    await eventually(lambda: not relay.busy, "the questions were answered")
    message("question", 1)
    assert not relay.busy
    assert bodies == [b"1", b"2"]
    for number in range(3, TAKEN + 3):
        message("question", number)
    message("question", 1)
    await eventually(lambda: not relay.busy, "the questions were answered")
    assert bodies[-1] == b"1"


def owner_with(application: Any) -> tuple[Relay, Callable[[str, int], None]]:
    """Return the relay of a process whose connections `application` serves, and what gives it a letter."""
    backplane = Backplane(Hub(join, lambda call: call()), InMemoryChannelLayer(), "owner")
    relay = Relay(backplane, "owner", lambda sid: application)

    def message(kind: str, number: int) -> None:
        scope = {"method": "POST", "query_string": b"", "headers": []}
        content = new_question("sid", scope, b"%d" % number) if kind == "question" else None
        assert backplane.on_message is not None
        backplane.on_message({"kind": kind, "number": number, "from": "asker", "content": content})

    return relay, message
