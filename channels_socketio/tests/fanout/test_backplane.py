"""News between processes: in one process alone, over a real Redis, and over one that is down or does not answer."""

import asyncio
import json
import logging
import socket
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from channels.layers import BaseChannelLayer, InMemoryChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from pytest_django import Settings

from channels_socketio.fanout.backplane import (
    EVENT,
    OUTBOX_LIMIT,
    Backplane,
    publications_message,
    send_alone,
    site_group,
)
from channels_socketio.fanout.hub import Hub
from channels_socketio.fanout.prepared import PreparedMessage, join, size_of
from channels_socketio.tests.support.echo_site import EchoApp
from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.processes import Redis
from channels_socketio.tests.support.ws_client import Dial, WSClient

Packets = tuple[str | bytes, ...]


class Client:
    """A target of the hub: keeps the packets of each parcel."""

    def __init__(self) -> None:
        self.got: list[Packets] = []

    def deliver(self, prepared: PreparedMessage) -> None:
        """Take a parcel."""
        assert prepared.size == PreparedMessage(prepared.packets).size
        self.got.append(tuple(prepared.packets))

    send_volatile = deliver

    def fail(self, error: Exception) -> None:
        """Take no error."""
        raise AssertionError from error


class Member:
    """A process's hub and backplane, and what its clients got: in `/` the sockets `a` and `b`, in `/tea` `c`.

    The hub delivers at once, so that each parcel is seen for itself.
    """

    def __init__(self, name: str, layer: BaseChannelLayer | None) -> None:
        hub: Hub[PreparedMessage] = Hub(join, lambda call: call())
        clients = {"a": Client(), "b": Client(), "c": Client()}
        self.got = {client: box.got for client, box in clients.items()}
        for client, room in {"a": "/", "b": "/", "c": "/tea"}.items():
            hub.join(room, f"{name}{client}", clients[client])
        self.backplane = Backplane(hub, layer, name)

    def say(self, *packets: str | bytes, room: str = "/", skip: tuple[str, ...] = ()) -> None:
        """Publish to the clients of all processes."""
        self.backplane.publish(EVENT, room, packets, size_of(packets), skip, False)


def redis_layer(url: str) -> Any:
    """Return a channel layer of its own, as each process has one."""
    return RedisPubSubChannelLayer(hosts=[url])


def note_message(messages: list[tuple[str, Any]], site: str, message: dict[str, Any]) -> None:
    """Keep a message, and which site has got it."""
    messages.append((site, message))


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    """A Redis server for the tests of this module."""
    server = Redis(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
async def members(redis: Redis) -> list[Member]:
    """Two processes' ends of the backplane."""
    pair = [Member(name, redis_layer(redis.url)) for name in ("one", "two")]
    for member in pair:
        await member.backplane.start()
    return pair


@pytest.mark.parametrize("layer", [None, InMemoryChannelLayer()], ids=["none", "memory"])
async def test_without_a_layer_that_crosses_processes_nothing_is_started(layer: BaseChannelLayer | None) -> None:
    tasks = asyncio.all_tasks()
    member = Member("one", layer)
    await member.backplane.start()
    member.say("4hello")
    assert member.got == {"a": [("4hello",)], "b": [("4hello",)], "c": []}
    assert asyncio.all_tasks() == tasks
    assert not member.backplane.crosses_processes


async def test_news_reach_every_process_once_and_the_own_clients_at_once(members: list[Member]) -> None:
    one, two = members
    one.say("4text", b"\x00\xff", room="/")
    one.say("4tea ☕", room="/tea")
    assert one.got == {"a": [("4text", b"\x00\xff")], "b": [("4text", b"\x00\xff")], "c": [("4tea ☕",)]}
    await eventually(lambda: two.got == one.got, "the other process heard it")
    two.say("4back")
    await eventually(lambda: one.got["a"][1:] == [("4back",)], "the first process heard the answer")
    assert one.got == two.got


async def test_news_of_one_process_keep_their_order(members: list[Member]) -> None:
    one, two = members
    for number in range(1000):
        one.say(f"4{number}")
        if number % 70 == 0:
            await asyncio.sleep(0)
    await eventually(lambda: len(two.got["a"]) == 1000, "all news have come")
    assert two.got["a"] == two.got["b"] == one.got["a"] == [(f"4{number}",) for number in range(1000)]
    assert one.backplane.dropped == 0


async def test_who_is_skipped_is_skipped_everywhere(members: list[Member]) -> None:
    one, two = members
    one.say("4first", skip=("onea", "twob"))
    one.say("4second")
    await eventually(lambda: two.got["b"] == [("4second",)], "the news have come")
    assert two.got["a"] == one.got["b"] == [("4first",), ("4second",)]
    assert one.got["a"] == [("4second",)]


@pytest.mark.parametrize("database", ["/0", "/1"])
async def test_sites_that_share_a_redis_server_do_not_hear_each_other(
    redis: Redis, settings: Settings, database: str
) -> None:
    """Neither by news and messages, nor by what a process without clients sends, whatever database they name."""
    sites: dict[str, Member] = {}
    layers = {"one": redis_layer(redis.url), "other": redis_layer(redis.url.removesuffix("/0") + database)}
    messages: list[tuple[str, Any]] = []
    for site, layer in layers.items():
        settings.SECRET_KEY = f"the key of the site that is called {site}"
        sites[site] = Member("process", layer)  # the name is random in truth: messages are to collide if they can
        sites[site].backplane.on_message = partial(note_message, messages, site)
        await sites[site].backplane.start()
    for site in ("one", "other"):
        settings.SECRET_KEY = f"the key of the site that is called {site}"
        beside = Member("beside", redis_layer(redis.url))
        await beside.backplane.start()
        beside.say(f"4to {site}")
        assert await beside.backplane.send_to("process", {"to": site})
        assert await send_alone(
            redis_layer(redis.url), [EVENT, "/", [f"4alone to {site}"], len(f"4alone to {site}"), [], False]
        )
    await eventually(lambda: all(len(site.got["a"]) >= 2 for site in sites.values()), "each heard its own news")
    await eventually(lambda: len(messages) >= 2, "each got its own message")
    for site, member in sites.items():
        assert sorted(member.got["a"]) == [(f"4alone to {site}",), (f"4to {site}",)]
    assert sorted(messages, key=str) == [("one", {"to": "one"}), ("other", {"to": "other"})]


def test_a_site_may_name_its_prefix(settings: Settings) -> None:
    settings.SOCKETIO = {"PREFIX": "tea"}
    assert site_group() == "socketio.tea"


async def test_news_of_another_version_are_logged_and_cost_nothing_else(
    redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    layer, one = redis_layer(redis.url), Member("one", redis_layer(redis.url))
    two = Member("two", layer)
    await one.backplane.start()
    await two.backplane.start()
    caplog.set_level(logging.INFO)
    await layer.group_send(site_group(), publications_message("newer", [["gossip", 1], ["gossip", 2]]))
    one.say("4next")
    await eventually(lambda: two.got["a"] == [("4next",)], "news flow on")
    assert caplog.text.count("Publications of the kind 'gossip' reach nobody here.") == 2  # once in each of the two
    await layer.group_send(site_group(), {"type": "socketio.publications", "process": "newer", "items": 1})
    one.say("4last")
    await eventually(lambda: two.got["a"] == [("4next",), ("4last",)], "news flow again")
    assert "Listening to the layer failed" not in caplog.text
    assert caplog.text.count("A message of another process could not be handled") == 2  # once in each of the two
    assert len(layer.channels) == 1


def test_two_event_loops_hear_each_other(redis: Redis) -> None:
    heard: list[dict[str, list[Packets]]] = []

    async def live(name: str, loops: list[asyncio.AbstractEventLoop]) -> None:
        member = Member(name, redis_layer(redis.url))
        await member.backplane.start()
        loops.append(asyncio.get_running_loop())
        await eventually(lambda: len(loops) == 2, "both loops listen")
        member.say(f"4from {name}")
        await eventually(lambda: len(member.got["a"]) == 2, "the news of both have come")
        heard.append(member.got)

    async def both() -> None:
        loops: list[asyncio.AbstractEventLoop] = []
        first = asyncio.create_task(live("one", loops))
        await asyncio.to_thread(asyncio.run, live("two", loops))
        await first

    asyncio.run(both())
    assert [sorted(got["a"]) for got in heard] == [[("4from one",), ("4from two",)]] * 2


async def test_what_the_layer_cannot_take_is_dropped_counted_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    member = Member("one", redis_layer("redis://127.0.0.1:1/0"))
    for _ in range(OUTBOX_LIMIT):
        member.say("4x")
    assert member.backplane.dropped == 0
    member.say("4one too many")
    member.say("4two too many")
    assert member.backplane.dropped == 2
    assert (
        caplog.text.count("Publications for other processes are being dropped: the channel layer does not keep up") == 1
    )
    assert len(member.got["a"]) == OUTBOX_LIMIT + 2


async def test_a_layer_that_does_not_answer_keeps_nobody_waiting_for_long(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        member = Member("one", redis_layer(f"redis://127.0.0.1:{deaf.getsockname()[1]}/0"))
        async with asyncio.timeout(10):
            await member.backplane.start()
        async with asyncio.timeout(1):
            await member.backplane.start()  # only the first one waits
        member.say("4local")
        assert member.got["a"] == [("4local",)]
    assert "expected the channel layer to answer within" in caplog.text


async def test_a_layer_that_is_down_at_the_start_is_joined_when_it_comes_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = Redis(tmp_path)
    one, two = (Member(name, redis_layer(server.url)) for name in ("one", "two"))
    async with asyncio.timeout(5):
        await asyncio.gather(one.backplane.start(), two.backplane.start())
    one.say("4alone")
    assert one.got["a"] == [("4alone",)]
    server.start()
    try:

        def heard() -> bool:
            one.say("4again")
            return ("4again",) in two.got["a"]

        await eventually(heard, "news flow", 30)
    finally:
        server.stop()


# Real processes


async def hear(client: WSClient, wanted: list[Any]) -> None:
    """Receive until the event `wanted` comes."""
    while await client.receive_event() != wanted:
        pass


async def test_processes_hear_each_other_go_on_alone_without_redis_and_find_together_again(
    tmp_path: Path, dial: Dial
) -> None:
    redis = Redis(tmp_path).start()
    env = {"REDIS_URL": redis.url}
    try:
        with EchoApp(tmp_path, "daphne", {}, env) as first, EchoApp(tmp_path, "serve", {}, env) as second:
            a, b = await dial(first.ws_url), await dial(first.ws_url)
            other = await dial(second.ws_url)
            await a.emit("say", "together")
            for client in (a, b, other):
                assert await client.receive_event() == ["said", "together"]
            redis.stop()
            for number in range(10):
                await a.emit("say", "alone", number)
                for client in (a, b):
                    assert await client.receive_event() == ["said", "alone", number]
            redis.start()
            hearing = asyncio.create_task(hear(other, ["said", "again"]))
            async with asyncio.timeout(30):
                while not hearing.done():
                    await a.emit("say", "again")
                    await a.receive_event()
                    await asyncio.wait([hearing], timeout=0.05)
            await hearing
            newcomer = await dial(second.ws_url)
            await a.emit("say", json.dumps({"to": newcomer.sid}))
            await hear(newcomer, ["said", json.dumps({"to": newcomer.sid})])
            await hear(other, ["said", json.dumps({"to": newcomer.sid})])
    finally:
        redis.stop()


async def test_news_that_cannot_be_handled_leave_the_rest_of_the_batch_alone(
    members: list[Member], caplog: pytest.LogCaptureFixture
) -> None:
    one, two = members

    def fail(*args: Any) -> None:
        raise LookupError("asked for")

    two.backplane.handle("bad news", fail)
    one.say("41")
    one.backplane.publish_to_others("bad news")
    one.say("42")
    await eventually(lambda: len(two.got["a"]) == 2, "the others had come")
    assert two.got["a"] == [("41",), ("42",)]
    assert caplog.text.count("LookupError: asked for") == 1
