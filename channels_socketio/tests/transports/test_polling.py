"""The HTTP side of long-polling, request by request, under both ASGI servers; bodies are in `test_polling_bodies`."""

import gzip
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from channels_socketio.tests.support.contract_site import (
    MAX_NAMESPACES,
    ORIGIN,
    UNKNOWN_SID,
    ContractApp,
    assert_alive,
    assert_gone,
    joined,
    login_session,
)
from channels_socketio.tests.support.raw_client import RawClient, read, read_packet

UNKNOWN_TRANSPORT = '{"code":0,"message":"Transport unknown"}'
BAD_METHOD = '{"code":2,"message":"Bad handshake method"}'
BAD_REQUEST = '{"code":3,"message":"Bad request"}'
NO_LOGIN_SESSION = '{"code":4,"message":"Session unknown or expired."}'
BAD_ORIGIN = '{"code":4,"message":"Origin not allowed."}'
UNSUPPORTED = '{"code":5,"message":"Unsupported protocol version"}'
PROTOTYPES = ["__proto__", "constructor"]  # which a JavaScript server may look up by mistake


# Errors


@pytest.mark.parametrize(
    ("method", "query", "body"),
    [
        *(("GET", {"transport": name}, UNKNOWN_TRANSPORT) for name in [None, "", "POLLING", "jsonp", *PROTOTYPES]),
        *(("GET", {"sid": name}, UNKNOWN_SID) for name in ["", "unknown", "a" * 20, *PROTOTYPES]),
        ("POST", {"sid": "unknown"}, UNKNOWN_SID),
        ("GET", {"transport": "no", "sid": "unknown", "EIO": "0"}, UNKNOWN_TRANSPORT),
        *((method, {}, BAD_METHOD) for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]),
        ("POST", {"EIO": "0"}, BAD_METHOD),
        ("GET", {"transport": "websocket"}, BAD_REQUEST),
        *(("GET", {"EIO": version}, UNSUPPORTED) for version in [None, "", "3", "5", "abc", "4.0"]),
    ],
)
async def test_a_wrong_request_gets_its_code(
    raw_client: RawClient, method: str, query: dict[str, Any], body: str
) -> None:
    answer = await raw_client.ask(method, **query)
    assert answer.pair == (400, body)
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("application/json", "no-store")


async def test_a_poll_for_a_websocket_session_is_a_bad_request(raw_client: RawClient) -> None:
    socket = await raw_client.websocket()
    sid = json.loads(str(await read(socket))[1:])["sid"]
    assert (await raw_client.poll(sid)).pair == (400, BAD_REQUEST)
    assert (await raw_client.post(sid, "40")).pair == (400, BAD_REQUEST)
    await socket.send("40")
    assert str(await read_packet(socket)).startswith("40")


@pytest.mark.parametrize(
    ("header", "body"),
    [
        ("Cookie: sessionid=forged-and-long-enough", NO_LOGIN_SESSION),
        ("Cookie: sessionid=", NO_LOGIN_SESSION),
        ("Cookie: sessionid=\xff\xfe:::", NO_LOGIN_SESSION),
        ("Origin: https://evil.example", BAD_ORIGIN),
        ("Origin: null", BAD_ORIGIN),
        ("Origin: http://[::1", BAD_ORIGIN),
    ],
)
async def test_who_may_not_come_in_is_told_with_403(raw_client: RawClient, header: str, body: str) -> None:
    assert (await raw_client.ask("GET", [header])).pair == (403, body)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_another_method_for_a_session_is_refused_and_changes_nothing(raw_client: RawClient, method: str) -> None:
    sid = await joined(raw_client)
    assert (await raw_client.ask(method, sid=sid)).status == 405
    await assert_alive(raw_client, sid)


async def test_the_slash_at_the_end_may_be_missing(raw_client: RawClient) -> None:
    raw_client.path = "/socket.io"
    await assert_alive(raw_client, await joined(raw_client))


# Headers


async def test_answers_are_text_that_nobody_keeps(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    post, poll = await raw_client.post(sid, '42["echo"]'), await raw_client.poll(sid)
    assert post.headers["content-type"] == "text/html"
    assert poll.headers["content-type"] == "text/plain; charset=UTF-8"
    assert post.headers["cache-control"] == poll.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("accepts", "length", "packed"),
    [("gzip, deflate, br", 2000, True), ("gzip", 500, False), ("br", 2000, False), (None, 2000, False)],
)
async def test_a_long_answer_is_compressed_if_the_client_likes_it(
    raw_client: RawClient, accepts: str | None, length: int, packed: bool
) -> None:
    sid, text = await joined(raw_client), "é" * (length // 2)
    await raw_client.post(sid, f'42["echo","{text}"]')
    answer = await raw_client.ask("GET", [] if accepts is None else [f"Accept-Encoding: {accepts}"], sid=sid)
    assert (answer.headers.get("content-encoding") == "gzip") is packed
    assert (gzip.decompress(answer.body) if packed else answer.body).decode() == f'42["echoed","{text}"]'


async def test_pages_of_an_allowed_site_get_what_browsers_ask_for(raw_client: RawClient) -> None:
    origin = [f"Origin: {ORIGIN}"]
    preflight = await raw_client.ask("OPTIONS", [*origin, "Access-Control-Request-Method: POST"])
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, POST"
    assert preflight.headers["access-control-allow-headers"] == "content-type"
    opened, wrong = await raw_client.ask("GET", origin), await raw_client.ask("GET", origin, sid="unknown")
    assert (opened.status, wrong.status) == (200, 400)
    for answer in (preflight, opened, wrong):
        assert answer.headers["access-control-allow-origin"] == ORIGIN
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
async def test_pages_of_other_sites_get_nothing(raw_client: RawClient, method: str) -> None:
    answer = await raw_client.ask(method, ["Origin: https://evil.example"])
    assert answer.pair == (403, BAD_ORIGIN)
    assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_pages_of_the_site_itself_need_no_cors(raw_client: RawClient) -> None:
    answer = await raw_client.ask("GET", [f"Origin: http://127.0.0.1:{raw_client.port}"])
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


# Overlaps


async def test_two_polls_at_once_end_the_session(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    first = await raw_client.start("GET", sid=sid)
    assert (await raw_client.poll(sid)).pair == (400, "expected one poll at a time")
    assert (await first.answer()).pair == (200, "1")
    await assert_gone(raw_client, sid)


@pytest.mark.parametrize("contract_app", ["serve"], indirect=True)  # Daphne reads a whole body before it asks
async def test_two_posts_at_once_end_the_session(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    first = await raw_client.start("POST", ["Content-Length: 12"], b'42["echo', sid=sid)
    assert (await raw_client.post(sid, "3")).pair == (400, "expected one post at a time")
    await first.send(b'"]xx')
    assert (await first.answer()).status == 400
    await assert_gone(raw_client, sid)


async def test_a_held_poll_does_not_keep_posts_waiting(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    poll = await raw_client.start("GET", sid=sid)
    assert (await raw_client.post(sid, '42["echo",1]')).pair == (200, "ok")
    assert (await poll.answer()).text == '42["echoed",1]'


# The end


async def test_a_client_that_says_goodbye_gets_its_poll_back(raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    poll = await raw_client.start("GET", sid=sid)
    assert (await raw_client.post(sid, "1")).pair == (200, "ok")
    assert (await poll.answer()).pair == (200, "6")
    await assert_gone(raw_client, sid)


@pytest.mark.parametrize("held", [False, True])
async def test_a_server_that_hangs_up_says_so_to_the_poll_that_is_held_or_the_next(
    raw_client: RawClient, held: bool
) -> None:
    sid = await joined(raw_client)
    poll = await raw_client.start("GET", sid=sid) if held else None
    await raw_client.post(sid, '42["hang up"]')
    answer = await (raw_client.poll(sid) if poll is None else poll.answer())
    packets = answer.text.split("\x1e")
    if packets[-1] != "1":
        packets += [(await raw_client.poll(sid)).text]
    assert packets == ['42["last words"]', "1"]
    await assert_gone(raw_client, sid)


async def test_a_poll_that_is_given_up_ends_the_session(contract_app: ContractApp, raw_client: RawClient) -> None:
    sid = await joined(raw_client)
    connections = (await contract_app.stats())["connections"]
    poll = await raw_client.start("GET", sid=sid)
    poll.abort()
    assert (await contract_app.settled(connections=connections - 1))["connections"] == connections - 1
    await assert_gone(raw_client, sid)


# Whose session it is


@pytest.mark.parametrize("stranger", [[], [login_session("mallory")], ["Cookie: sessionid=forged-and-long-enough"]])
async def test_another_login_session_cannot_use_an_engine_id_and_the_owner_does_not_notice(
    contract_app: ContractApp, stranger: list[str]
) -> None:
    async with (
        RawClient(contract_app.port, headers=[login_session("alice")]) as owner,
        RawClient(contract_app.port, headers=stranger) as other,
    ):
        sid = await joined(owner)
        poll = await owner.start("GET", sid=sid)
        assert (await other.poll(sid)).pair == (403, NO_LOGIN_SESSION)
        assert (await other.post(sid, "1")).pair == (403, NO_LOGIN_SESSION)
        with pytest.raises(InvalidStatus) as refusal:
            await other.websocket(sid=sid)
        assert refusal.value.response.status_code == 403
        await owner.post(sid, '42["echo",1]')
        assert (await poll.answer()).text == '42["echoed",1]'
        await assert_alive(owner, sid)


# Names and numbers


@pytest.mark.parametrize("name", PROTOTYPES)
async def test_names_that_mean_something_in_javascript_mean_nothing_here(raw_client: RawClient, name: str) -> None:
    sid = await joined(raw_client)
    await raw_client.post(sid, f"40/{name},")
    assert (await raw_client.poll(sid)).text == f'44/{name},{{"message":"Invalid namespace"}}'
    await raw_client.post(sid, f'42["{name}"]')
    assert json.loads((await raw_client.poll(sid)).text[2:])[1]["code"] == "unknown event"
    await raw_client.post(sid, f'42["echo",{{"{name}":1}}]')
    assert (await raw_client.poll(sid)).text == f'42["echoed",{{"{name}":1}}]'


async def test_ten_thousand_namespaces_are_asked_for_and_few_are_given(
    contract_app: ContractApp, raw_client: RawClient
) -> None:
    sid = await raw_client.open()
    sockets = (await contract_app.stats())["sockets"]
    answers: list[str] = []
    for start in range(0, 10_000, 2_500):
        body = "\x1e".join(f"40/rooms/{number}," for number in range(start, start + 2_500))
        assert (await raw_client.post(sid, body)).pair == (200, "ok")
        while len(answers) < start + 2_500:
            packets = (await raw_client.poll(sid)).text.split("\x1e")
            answers += [packet for packet in packets if packet != "2"]
            if "2" in packets:
                await raw_client.post(sid, "3")
    accepted = [answer for answer in answers if answer.startswith("40")]
    assert len(accepted) == MAX_NAMESPACES
    assert sum(answer.endswith('{"message":"Too many namespaces."}') for answer in answers) == 10_000 - MAX_NAMESPACES
    assert (await contract_app.stats())["sockets"] == sockets + MAX_NAMESPACES


@pytest.mark.parametrize("b64", ["1", None])
async def test_b64_asks_for_text_where_bytes_would_be_sent(raw_client: RawClient, b64: str | None) -> None:
    """Polling has text anyway."""
    event, packet = '51-["echo",{"_placeholder":true,"num":0}]', '51-["echoed",{"_placeholder":true,"num":0}]'
    sid = await raw_client.open(b64=b64)
    await raw_client.post(sid, "40")
    await raw_client.poll(sid)
    await raw_client.post(sid, f"4{event}\x1ebAQID")
    assert (await raw_client.poll(sid)).text == f"4{packet}\x1ebAQID"
    socket = await raw_client.websocket(b64=b64)
    await socket.send("40")
    assert len([await read(socket), await read(socket)]) == 2
    await socket.send(f"4{event}")
    await socket.send("bAQID")
    assert [await read(socket), await read(socket)] == [f"4{packet}", "bAQID" if b64 else b"\x01\x02\x03"]
