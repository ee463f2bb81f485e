"""Rooms full of very long messages, at a real server: the newest come at once, the others by HTTP, to all clients."""

import json
import zlib
from typing import Any
from urllib.request import Request, urlopen

import pytest

from channels_socketio.history.log import NEWEST, REPLAY_BYTES
from channels_socketio.tests.support.clients import WAYS, Client
from channels_socketio.tests.support.faulty_proxy import FaultyProxy
from channels_socketio.tests.support.log_site import OfficialClient
from channels_socketio.tests.support.people import eventually
from channels_socketio.tests.support.raw_client import RawClient, read_packet
from chat.rooms import namespace_of
from chat.tests.site import Site

CHARACTERS = {"three bytes": "文", "escaped": '"', "four bytes": "😀"}


@pytest.fixture
def room(request: pytest.FixtureRequest) -> str:
    """The slug of the test's own room."""
    return f"test-{zlib.crc32(request.node.nodeid.encode())}"


def store(site: Site, room: str, count: int, message: str = "文") -> None:
    """Store messages of 2000 letters."""
    draft = f"Draft({room!r}, '77', {message!r} * 2000)"
    site.run(f"from chat.services import Draft, commit\ncommit([{draft} for _ in range({count})])")


def delete(site: Site, room: str, *numbers: int) -> None:
    """Take messages back."""
    code = f"from chat.services import delete_message\nfor number in {numbers}: delete_message({room!r}, number)"
    site.run(code)


def fetch(site: Site, key: str, room: str, first: int, last: int) -> list[int]:
    """Return the numbers of messages, page by page by HTTP."""
    found: list[int] = []
    before: int | None = last + 1
    while before is not None and before > first:
        url = f"{site.url}/rooms/{room}/messages?limit=100&before={before}"
        with urlopen(Request(url, headers={"Cookie": f"sessionid={key}"}), timeout=10) as response:
            page = json.load(response)
        assert page["messages"]
        found = [message["seq"] for message in page["messages"]] + found
        before = page["before"]
    return [number for number in found if number >= first]


def size_of(message: dict[str, Any]) -> int:
    """Return the bytes of a message's event, without those of its offset."""
    return len(json.dumps(["new chat", message], ensure_ascii=False, separators=(",", ":")).encode())


async def read_room(client: Client, head: int) -> tuple[Any, list[dict[str, Any]]]:
    """Return what follows `welcome`: the gap, if there is one, and the messages."""
    gap: tuple[int, int] | None = None
    messages: list[dict[str, Any]] = []
    while not messages or messages[-1]["seq"] < head:
        event, data, offset = await client.event()
        if event == "history gap":
            assert gap is None
            assert not messages
            gap = (data["from"], data["to"])
            assert offset.startswith(f"{data['to']}.")
        else:
            assert event == "new chat"
            assert offset.startswith(f"{data['seq']}.")
            messages.append(data)
    return gap, messages


@pytest.mark.parametrize("character", CHARACTERS.values(), ids=CHARACTERS.keys())
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("count", [22, 60])
async def test_a_newcomer_gets_the_newest_that_fit_and_fetches_the_rest(
    site: Site, room: str, way: str, count: int, character: str
) -> None:
    store(site, room, count, character)
    key = site.new_cookie()
    async with RawClient(site.port, headers=[f"Cookie: sessionid={key}"]) as raw_client:
        client = await Client(await WAYS[way](raw_client), namespace_of(room)).open()
        await client.join()
        assert (await client.event())[1]["head"] == count
        gap, messages = await read_room(client, count)
        first = max(1, count - NEWEST + 1)
        numbers = [message["seq"] for message in messages]
        assert numbers == list(range(numbers[0], count + 1))
        assert gap == (None if numbers[0] == first else (first, numbers[0] - 1))
        size = sum(map(size_of, messages))
        assert size <= REPLAY_BYTES
        assert gap is None or size + size_of(messages[0]) > REPLAY_BYTES - 100 * len(numbers)
        assert gap is None or fetch(site, key, room, *gap) == list(range(first, numbers[0]))
        assert (await client.call("send chat", {"msg": "alive"}))[0]["seq"] == count + 1


async def test_what_is_deleted_is_neither_sent_nor_fetched(site: Site, room: str) -> None:
    store(site, room, 60)
    delete(site, room, 60, 58, 20, 5)
    key = site.new_cookie()
    async with RawClient(site.port, headers=[f"Cookie: sessionid={key}"]) as raw_client:
        client = await Client(await WAYS["websocket"](raw_client), namespace_of(room)).open()
        await client.join()
        await client.event()
        gap, messages = await read_room(client, 59)
        numbers = [message["seq"] for message in messages]
        assert gap == (8, numbers[0] - 1)
        assert fetch(site, key, room, *gap) + numbers == [
            number for number in range(8, 61) if number not in {20, 58, 60}
        ]


async def test_an_old_client_whose_json_is_all_ascii_gets_the_same(site: Site, room: str) -> None:
    store(site, room, 60)
    prefix = f"{namespace_of(room)},"
    async with RawClient(site.port, headers=[f"Cookie: sessionid={site.new_cookie()}"]) as raw_client:
        socket = await raw_client.websocket(EIO="3")
        await socket.send(f"40{prefix}")
        events: list[Any] = []
        while not events or events[-1][0] != "new chat" or events[-1][1]["seq"] < 60:
            frame = str(await read_packet(socket))
            if frame.startswith(f"42{prefix}"):
                events.append(json.loads(frame.removeprefix(f"42{prefix}")))
        assert [event[0] for event in events[:2]] == ["welcome", "history gap"]
        numbers = [event[1]["seq"] for event in events[2:]]
        assert events[1][1] == {"room": room, "from": 11, "to": numbers[0] - 1}
        assert numbers == list(range(numbers[0], 61))


async def next_event(client: OfficialClient) -> Any:
    """Return what happened next but for presence."""
    while (happened := await client.next())[0] == "presence":
        pass
    return happened


async def numbers_to(client: OfficialClient, head: int) -> list[int]:
    """Return the numbers of the next messages up to `head`; nothing else may happen."""
    found: list[int] = []
    while not found or found[-1] < head:
        event, data, *_ = await next_event(client)
        assert event == "new chat", (event, data)
        found.append(data["seq"])
    return found


async def test_a_link_that_dies_in_the_middle_of_a_replay(site: Site, room: str) -> None:
    """The official client comes back for exactly the rest, and is not told of the gap again."""
    store(site, room, 60)
    cookie = f"sessionid={site.new_cookie()}"
    with FaultyProxy(site.port) as proxy:
        async with OfficialClient(proxy.port, "websocket", namespace_of(room), cookie) as client:
            proxy.delay = 0.1  # for each of the pieces
            assert (await client.connected())[1] is False
            happened = [await next_event(client) for _ in range(3)]
            assert [event for event, *_ in happened] == ["welcome", "history gap", "new chat"]
            proxy.cut()
            numbers = [happened[2][1]["seq"]]
            assert happened[1][1] == {"room": room, "from": 11, "to": numbers[0] - 1}
            while (event := await next_event(client))[0] != "disconnect":
                numbers.append(event[1]["seq"])
            assert numbers[-1] < 60
            assert (await client.connected())[1] is True
            assert (await next_event(client))[0] == "welcome"
            numbers += await numbers_to(client, 60)
            assert numbers == list(range(numbers[0], 61))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_an_official_client_that_missed_very_much_stays(site: Site, room: str, transport: str) -> None:
    """It gets the newest that fit and a gap for the others, and is no slow consumer."""
    store(site, room, 1)
    cookie = f"sessionid={site.new_cookie()}"
    with FaultyProxy(site.port) as proxy:
        async with OfficialClient(proxy.port, transport, namespace_of(room), cookie) as client:
            assert (await client.connected())[1] is False
            assert [(await next_event(client))[0] for _ in range(2)] == ["welcome", "new chat"]
            # Without a poll that it holds, the server does not notice.
            await eventually(lambda: transport == "websocket" or proxy.asked, "the next poll was held")
            proxy.disable()
            assert (await next_event(client))[0] == "disconnect"
            store(site, room, 400)
            proxy.enable()
            assert (await client.connected())[1] is True
            welcome, gap = [await next_event(client) for _ in range(2)]
            assert (welcome[0], welcome[1]["head"], gap[0]) == ("welcome", 401, "history gap")
            numbers = await numbers_to(client, 401)
            assert gap[1] == {"room": room, "from": 2, "to": numbers[0] - 1}
            assert numbers == list(range(numbers[0], 402))
            store(site, room, 1)
            assert await numbers_to(client, 402) == [402]
