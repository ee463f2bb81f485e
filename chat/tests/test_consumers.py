"""The chat's events, as contract section 5 has them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, settle
from chat.database import in_thread
from chat.rooms import namespace_of
from chat.services import Draft, delete_message, post
from chat.sessions import SessionStore
from chat.tests.people import holder, log_in, visit
from chatproject.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)

ID = "0b9d8a7c-1111-4222-8333-444455556666"


Person = tuple[SocketIOCommunicator, str]


async def enter(connect: Connect, room: str = "lobby", session: SessionStore | None = None) -> Person:
    """Return client and name of a new visitor, or of the one with `session`, that has read its welcome."""
    session = session or await in_thread(visit)()
    client = await connect(application, namespace_of(room), cookies={"sessionid": str(session.session_key)})
    event, welcome, offset = await client.receive_event()
    assert event == "welcome"
    assert offset.endswith(f".{namespace_of(room)}")
    assert welcome.keys() == {"name", "room", "head"}
    assert welcome["room"] == room
    return client, welcome["name"]


async def test_the_first_event_is_welcome_with_the_sessions_name(connect: Connect) -> None:
    _, name = await enter(connect, session=await in_thread(holder)(1234))
    assert name == "1234"


async def test_a_user_appears_under_the_username(connect: Connect) -> None:
    session = await in_thread(visit)()
    await in_thread(log_in)(session, "ada")
    client, name = await enter(connect, session=session)
    assert name == "ada"
    await client.emit("send chat", {"msg": "hello"})
    assert (await client.receive_event())[1]["msg"] == "ada: hello"


@pytest.mark.parametrize("room", ["lobby", "tea", "-" + "0" * 49])
async def test_what_is_said_comes_to_the_room_under_the_sessions_name_and_to_nobody_else(
    connect: Connect, room: str
) -> None:
    session = await in_thread(holder)(42)
    sender, _ = await enter(connect, room, session)
    others = [(await enter(connect, room))[0], (await enter(connect, room, session))[0]]
    elsewhere = [(await enter(connect, other))[0] for other in ("lobby", "tea", "coffee") if other != room]
    namespace = namespace_of(room)
    before = datetime.now(UTC).replace(microsecond=0)
    answer = await sender.call("send chat", {"msg": "  <b>čaj</b> ☕\n", "id": ID}, namespace=namespace)
    for client in (sender, *others):
        event, data, _ = await client.receive_event()
        at = datetime.fromisoformat(data.pop("at"))
        assert before <= at <= datetime.now(UTC)
        data.pop("seq", None)
        assert event == "new chat"
        assert data == {
            "msg": "42: <b>čaj</b> ☕",
            "name": "42",
            "text": "<b>čaj</b> ☕",
            "room": room,
            "id": ID,
        }
    assert answer["ok"] is True
    assert answer["id"] == ID
    assert datetime.fromisoformat(answer["at"]) == at
    await settle()
    assert all(client.output_queue.empty() for client in elsewhere)


async def test_without_an_id_the_server_makes_one(connect: Connect) -> None:
    client, _ = await enter(connect)
    answer = await client.call("send chat", {"msg": "hello"})
    assert UUID(answer["id"])
    assert (await client.receive_event())[1]["id"] == answer["id"]


async def test_the_page_of_2015_needs_no_ack(connect: Connect) -> None:
    client, name = await enter(connect)
    await client.send_to('42["send chat",{"msg":"hello"}]')
    event, data, _ = await client.receive_event()
    assert (event, data["msg"]) == ("new chat", f"{name}: hello")


NESTED: Any = []
for _ in range(500):
    NESTED = [NESTED]

BAD: dict[str, list[Any]] = {
    "no argument": [],
    "null": [None],
    "a string": ["hello"],
    "a number": [7],
    "a list": [["hello"]],
    "nothing in it": [{}],
    "only unknown keys": [{"text": "hello", "name": "admin"}],
    "msg is a number": [{"msg": 7}],
    "msg is null": [{"msg": None}],
    "msg is an object": [{"msg": {"toString": "x"}}],
    "msg is a list": [{"msg": ["hello"]}],
    "msg is deeply nested": [{"msg": NESTED}],
    "msg is bytes": [{"msg": b"hello"}],
    "msg is empty": [{"msg": ""}],
    "msg is blank": [{"msg": " \t\r\n\u00a0\u2003"}],
    "msg is too long": [{"msg": "x" * 2001}],
    "id is no UUID": [{"msg": "hello", "id": "7"}],
    "id is a number": [{"msg": "hello", "id": 7}],
    "id is empty": [{"msg": "hello", "id": ""}],
}


async def test_bad_input_is_refused_and_nobody_else_sees_anything(connect: Connect) -> None:
    (client, _), (other, _) = await enter(connect), await enter(connect)
    for what, args in BAD.items():
        refused = await client.call("send chat", *args)
        assert refused.keys() == {"ok", "code", "message"}, what
        assert (refused["ok"], refused["code"]) == (False, "invalid"), what
        await client.emit("send chat", *args)
        refusal = {"code": "invalid", "message": refused["message"]}
        assert await client.receive_event() == ["chat error", refusal], what
    assert (await client.call("send chat", {"msg": "alive"}))["ok"] is True
    assert (await other.receive_event())[1]["text"] == "alive"


async def test_the_limits_count_characters_after_trimming(connect: Connect) -> None:
    client, _ = await enter(connect)
    for sent, text in {"x" * 2000: "x" * 2000, f" {'☕' * 2000} ": "☕" * 2000, " x ": "x", "a\nb": "a\nb"}.items():
        assert (await client.call("send chat", {"msg": sent, "id": None}))["ok"] is True
        assert (await client.receive_event())[1]["text"] == text


async def test_unknown_keys_and_arguments_are_never_passed_on(connect: Connect) -> None:
    (client, name), (other, _) = await enter(connect), await enter(connect)
    forged = {"msg": "hello", "name": "admin", "text": "x", "room": "tea", "at": "x", "seq": -1, "html": "<b>"}
    assert (await client.call("send chat", forged, "more"))["ok"] is True
    _, data, offset = await other.receive_event()
    assert offset == "1.0./"
    assert "html" not in data
    assert data.get("seq") != -1
    assert (data["name"], data["text"], data["room"]) == (name, "hello", "lobby")


async def test_events_of_the_server_are_not_taken_from_clients(connect: Connect) -> None:
    (client, _), (other, _) = await enter(connect), await enter(connect)
    for event in ("new chat", "welcome", "chat error", "session ended", "unheard of"):
        assert (await client.call(event, {"msg": "forged"}))["ok"] is False
        await client.emit(event, {"msg": "forged"})
        assert (await client.receive_event())[0] == "chat error"
    assert other.output_queue.empty()


async def test_a_namespace_that_is_no_room_is_refused_and_the_connection_lives(connect: Connect) -> None:
    client, _ = await enter(connect)
    for path in (
        "rooms",
        "rooms/",
        "rooms/lobby",
        "rooms/Tea",
        "rooms/a_b",
        "rooms/té",
        f"rooms/{'x' * 51}",
        "rooms/a/b",
        "tea",
    ):
        assert await client.join(f"/{path}") == {"message": "Invalid namespace"}, path
    assert (await client.call("send chat", {"msg": "alive"}))["ok"] is True


async def test_one_connection_may_be_in_several_rooms(connect: Connect) -> None:
    client, _ = await enter(connect)
    assert "sid" in await client.join("/rooms/tea")
    assert (await client.receive_event())[1]["room"] == "tea"
    await client.emit("send chat", {"msg": "in tea"}, namespace="/rooms/tea")
    packet = await client.receive_packet()
    assert packet.namespace == "/rooms/tea"
    assert packet.data[1]["room"] == "tea"


async def test_who_comes_is_shown_the_newest_fifty_and_who_comes_back_what_was_missed(connect: Connect) -> None:
    def say(first: int, last: int) -> None:
        for number in range(first, last + 1):
            post(Draft("tea", "host", str(number)))

    await in_thread(say)(1, 60)
    cookies = {"sessionid": str((await in_thread(visit)()).session_key)}
    client = await connect(application, cookies=cookies)
    answer = await client.join("/rooms/tea")
    assert (await client.receive_event())[1]["head"] == 60
    events = [await client.receive_event() for _ in range(50)]
    assert [(data["seq"], data["text"]) for _, data, _ in events] == [(number, str(number)) for number in range(11, 61)]
    await client.disconnect()
    await in_thread(say)(61, 62)
    assert await in_thread(delete_message)("tea", 60)
    client = await connect(application, cookies=cookies)
    auth = {"pid": answer["pid"], "offset": events[-1][2]}
    assert await client.join("/rooms/tea", auth) == answer
    assert [(await client.receive_event())[0] for _ in range(4)] == ["welcome", "chat deleted", "new chat", "new chat"]
    await client.disconnect()
    await in_thread(say)(63, 563)
    client = await connect(application, cookies=cookies)
    assert await client.join("/rooms/tea", auth | {"offset": "62.1./rooms/tea"}) == answer
    assert (await client.receive_event())[1]["head"] == 563
    gap = {"room": "tea", "from": 63, "to": 563}
    assert await client.receive_event() == ["history gap", gap, "563.1./rooms/tea"]
