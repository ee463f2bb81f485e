"""What clients post: bodies that are none, too long, in pieces, too slow or cut off, under both ASGI servers."""

import asyncio
import json
import re
from typing import Any

import pytest
from channels.testing import HttpCommunicator, WebsocketCommunicator

from channels_socketio.connections.runtime import current_runtime
from channels_socketio.server import SocketIOServer
from channels_socketio.tests.support.bare import bare
from channels_socketio.tests.support.contract_site import MAX_PAYLOAD, ContractApp, assert_alive, assert_gone, joined
from channels_socketio.tests.support.people import everybody
from channels_socketio.tests.support.raw_client import RawClient


@pytest.mark.parametrize("body", [b"", b"abc", b"4", b"40\x1e", b"\x1e40", b"42[\xff]", b"0", b"2", b"5", b"b!", b"bA"])
async def test_a_body_that_is_no_payload_is_refused_and_ends_the_session(raw_client: RawClient, body: bytes) -> None:
    sid = await joined(raw_client)
    assert (await raw_client.post(sid, body)).pair == (400, "expected Engine.IO packets")
    await assert_gone(raw_client, sid)


async def test_bytes_are_refused_and_end_the_session(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    answer = await raw_client.ask("POST", ["Content-Type: application/octet-stream"], b'42["echo"]', sid=sid)
    assert answer.status == 400
    await assert_gone(raw_client, sid)


@pytest.mark.parametrize("kind", [[], ["Content-Type: application/json"], ["Content-Type: text/plain"]])
async def test_any_other_content_type_will_do(raw_client: RawClient, kind: list[str]) -> None:
    sid = await joined(raw_client)
    assert (await raw_client.ask("POST", kind, b'42["echo"]', sid=sid)).pair == (200, "ok")
    assert (await raw_client.poll(sid)).text == '42["echoed"]'


def event_of(size: int) -> bytes:
    """Return a packet of so many bytes."""
    return b'42["echo","' + b"x" * (size - 13) + b'"]'


async def send_chunked(raw_client: RawClient, sid: str, body: bytes) -> tuple[int, str]:
    """Post a body whose length is not told before, in two parts, and return the answer."""
    request = await raw_client.start("POST", ["Transfer-Encoding: chunked"], sid=sid)
    for part in (body[:1000], body[1000:], b""):
        await request.send(b"%x\r\n%s\r\n" % (len(part), part))
    return (await request.answer()).pair


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_refused_and_the_session_goes_on(raw_client: RawClient, chunked: bool) -> None:
    sid = await joined(raw_client)
    for size, expected in [
        (MAX_PAYLOAD + 1, (413, f"expected at most {MAX_PAYLOAD} bytes")),
        (MAX_PAYLOAD, (200, "ok")),
    ]:
        body = event_of(size)
        assert (
            await send_chunked(raw_client, sid, body) if chunked else (await raw_client.post(sid, body)).pair
        ) == expected
    assert len((await raw_client.poll(sid)).text) == MAX_PAYLOAD + 2


@pytest.mark.parametrize("contract_app", ["serve"], indirect=True)  # Daphne reads a whole body before it asks
async def test_what_says_that_it_is_too_long_is_not_waited_for(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    request = await raw_client.start("POST", ["Content-Length: 99999999999999999999999999"], b"4", sid=sid)
    assert (await request.answer()).status in (400, 413)  # httptools takes the number for wrong
    request = await raw_client.start("POST", [f"Content-Length: {MAX_PAYLOAD + 1}"], b"4", sid=sid)
    assert (await request.answer()).status == 413
    await assert_alive(raw_client, sid)


async def test_a_body_may_come_in_pieces(raw_client: RawClient) -> None:
    sid, body = await joined(raw_client), '42["echo","é"]'.encode()
    request = await raw_client.start("POST", [f"Content-Length: {len(body)}"], body[:1], sid=sid)
    for position in range(1, len(body)):
        await request.send(body[position : position + 1])
    assert (await request.answer()).pair == (200, "ok")
    assert (await raw_client.poll(sid)).text == '42["echoed","é"]'


@pytest.mark.parametrize("contract_app", ["serve"], indirect=True)  # Daphne reads a whole body before it asks
async def test_a_body_that_stays_away_is_given_up(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    request = await raw_client.start("POST", ["Content-Length: 10"], b"42", sid=sid)
    assert (await request.answer()).status == 408
    await assert_gone(raw_client, sid)


async def test_a_truncated_body_does_nothing(contract_app: ContractApp, raw_client: RawClient) -> None:
    """Daphne never shows it; elsewhere the client that gave up is gone."""
    sid = await joined(raw_client)
    connections = (await contract_app.stats())["connections"]
    (await raw_client.start("POST", ["Content-Length: 100"], b'42["echo","half', sid=sid)).abort()
    if contract_app.server == "daphne":
        await assert_alive(raw_client, sid)
    else:
        assert (await contract_app.settled(connections=connections - 1))["connections"] == connections - 1
        await assert_gone(raw_client, sid)


async def test_many_small_packets_in_one_body_take_no_time(raw_client: RawClient) -> None:
    """Without LIMITS only bytes are limited."""
    sid = await joined(raw_client)
    start = asyncio.get_running_loop().time()
    assert (await raw_client.post(sid, "\x1e".join(["6"] * (MAX_PAYLOAD // 2)))).pair == (200, "ok")
    assert asyncio.get_running_loop().time() - start < 5
    await assert_alive(raw_client, sid)


async def test_a_body_full_of_packets_leaves_turns_to_others_where_nothing_limits_it() -> None:
    application, turns = bare(SocketIOServer([], everybody, {"LIMITS": False})), 0
    path = "/socket.io/?EIO=4&transport=polling"
    opened: Any = await HttpCommunicator(application, "GET", path).get_response(5)
    path += f"&sid={json.loads(opened['body'][1:])['sid']}"
    post = HttpCommunicator(application, "POST", path, b"\x1e".join([b"6"] * 100_000))
    answer = asyncio.ensure_future(post.get_response(60))
    while not answer.done():
        await asyncio.sleep(0)
        turns += 1
    assert answer.result()["status"] == 200
    assert turns > 100


@pytest.mark.parametrize(("version", "packet"), [("4", b"6\x1e"), ("3", b"1:6"), ("3", b"1:2"), ("3", b"")])
async def test_packets_of_posts_count_before_they_are_looked_into(version: str, packet: bytes) -> None:
    options = {"LEGACY_CLIENTS": True, "MESSAGES_PER_SECOND": 1, "MESSAGES_AT_ONCE": 20}
    application = bare(SocketIOServer([], everybody, options))

    async def ask(method: str, query: str, body: bytes = b"") -> Any:
        path = f"/socket.io/?EIO={version}&transport=polling{query}"
        return await HttpCommunicator(application, method, path, body).get_response(5)

    opened = [await ask("GET", "") for _ in range(2)]
    one, other = (f"&sid={json.loads(re.findall(b'{.*?}', answer['body'])[0])['sid']}" for answer in opened)
    answers = [await ask("POST", one, packet.rstrip(b"\x1e")) for _ in range(21)]
    assert [answer["status"] for answer in answers] == [200] * 20 + [429]
    if packet:
        refused = await ask("POST", other, packet * 21 + b"no packet")
        assert (refused["status"], refused["body"]) == (429, b"too many events")


async def test_candidates_count() -> None:
    server = SocketIOServer([], everybody, {"MESSAGES_PER_SECOND": 1, "MESSAGES_AT_ONCE": 10})
    path = "/socket.io/?EIO=4&transport="
    opened: Any = await HttpCommunicator(bare(server), "GET", f"{path}polling").get_response(5)
    sid = json.loads(opened["body"][1:])["sid"]
    for _ in range(11):
        assert sid in current_runtime().connections
        candidate = WebsocketCommunicator(bare(server), f"{path}websocket&sid={sid}")
        assert await candidate.connect() == (True, None)
        await candidate.send_to("x")
        assert (await candidate.receive_output(5))["type"] == "websocket.close"
    assert sid not in current_runtime().connections
