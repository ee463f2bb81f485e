"""Coming and coming back to a namespace with a log, inside one process: what clients get, and who they are."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core import signing
from django.db import transaction

from channels_socketio.connections import replay
from channels_socketio.connections.runtime import current_runtime
from channels_socketio.consumer import SocketIOConsumer, on
from channels_socketio.emitter import aemit, emit
from channels_socketio.exceptions import Refused
from channels_socketio.history.feed import aannounce, announce
from channels_socketio.history.log import REPLAY_BYTES, Position
from channels_socketio.history.recovery import Claim, new_pid, read_claim
from channels_socketio.sessions.end_reasons import ENDED
from channels_socketio.testing import SocketIOCommunicator
from channels_socketio.tests.support.people import Connect, close_of, eventually, serve, settle
from channels_socketio.tests.support.sqlite_log import SQLiteLog


class Reader(SocketIOConsumer):
    """Shows what is in its log; `notes` says what its hooks heard."""

    namespaces = ["/", "/other"]
    log = SQLiteLog()
    notes: list[Any] = []

    async def connect(self, auth: dict[str, Any]) -> None:
        self.notes.append(("connect", auth))
        if "wait" in auth:
            await asyncio.Event().wait()
        if "refuse" in auth:
            raise Refused("secret", "The word is wrong.")
        await self.join("room")

    async def welcome(self, head: int) -> None:
        await self.emit("welcome", head, self.recovered, self.offset)

    async def gap(self, first: int, last: int) -> None:
        await self.emit("gap", first, last, self.offset)

    async def disconnect(self, reason: str) -> None:
        self.notes.append(("disconnect", self.id, reason))

    @on("again")
    async def again(self) -> None:
        await self.emit("welcome", 0, self.recovered, self.offset)

    @on("leave")
    async def go(self) -> None:
        await self.close()


def reader(**options: Any) -> tuple[Any, type[Reader], SQLiteLog]:
    """Return an application, its consumer class, and its log with three entries."""
    sqlite_log = SQLiteLog()
    for number in (1, 2, 3):
        sqlite_log.append(number)

    class Fresh(Reader):
        log = sqlite_log
        notes: list[Any] = []

    return serve(Fresh, **options), Fresh, sqlite_log


@pytest.fixture
async def nothing_left() -> AsyncIterator[None]:
    """At the end no feed is left behind."""
    yield
    await eventually(lambda: not len(current_runtime().feeds), "all feeds had ended")


pytestmark = pytest.mark.usefixtures("nothing_left")


async def events(client: SocketIOCommunicator, count: int) -> list[Any]:
    """Return the next events."""
    return [await client.receive_event() for _ in range(count)]


async def nothing_more(client: SocketIOCommunicator) -> None:
    """Check that nothing was sent that has not been received."""
    await settle()
    assert await client.receive_nothing(0.01)


def entries(*numbers: int, deletions: int = 0) -> list[Any]:
    """Return the events of entries whose data is their number."""
    return [["entry", number, f"{number}.{deletions}./"] for number in numbers]


async def start_greeting(
    connect: Connect, sqlite_log: SQLiteLog
) -> tuple[SocketIOCommunicator, "asyncio.Task[Any]", asyncio.Event]:
    """Have a client come whose greeting lasts until the event is set; return it once its log was read."""
    greeted = asyncio.Event()

    class Slow(Reader):
        log = sqlite_log

        async def welcome(self, head: int) -> None:
            await self.emit("welcome", head, None)
            await greeted.wait()

    client = await connect(serve(Slow))
    joining = asyncio.create_task(client.join("/"))
    await eventually(lambda: sqlite_log.readings, "the log was read")
    await settle()
    return client, joining, greeted


async def test_a_new_client_is_greeted_then_shown_the_log_then_live(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application)
    answer = await client.join("/")
    assert list(answer) == ["sid", "pid"]
    assert await events(client, 4) == [["welcome", 3, False, "0.0./"], *entries(1, 2, 3)]
    await aannounce("/", sqlite_log.append(4))
    await aannounce("/", sqlite_log.delete(1))
    assert await events(client, 2) == [*entries(4), ["deleted", 1, "4.1./"]]
    await nothing_more(client)


@pytest.mark.django_db(transaction=True)
async def test_what_is_announced_in_a_transaction_waits_for_the_commit(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application, "/")
    await events(client, 4)
    item = sqlite_log.append(4)

    def write() -> None:
        with transaction.atomic():
            announce("/", item)
            emit("behind")

    await sync_to_async(write)()
    assert await events(client, 2) == [*entries(4), ["behind"]]


async def test_without_recovery_there_is_no_private_id_and_all_is_new(connect: Connect) -> None:
    application, consumer, _ = reader(RECOVERY=False)
    client = await connect(application)
    answer = await client.join("/", {"pid": new_pid("x", "/", None), "offset": "3.0./", "a": 1})
    assert list(answer) == ["sid"]
    assert await events(client, 4) == [["welcome", 3, False, "0.0./"], *entries(1, 2, 3)]
    assert consumer.notes == [("connect", {"a": 1})]


async def test_who_comes_back_is_the_same_and_gets_what_it_missed(connect: Connect) -> None:
    application, consumer, sqlite_log = reader()
    first = await connect(application)
    answer = await first.join("/")
    await events(first, 4)
    await first.disconnect()
    sqlite_log.append(4)
    sqlite_log.delete(2)
    client = await connect(application)
    assert await client.join("/", {"pid": answer["pid"], "offset": "3.0./", "a": 1}) == answer
    await aannounce("/", sqlite_log.append(5))
    await aemit("only you", socket=answer["sid"])
    assert await events(client, 5) == [
        ["welcome", 4, True, "3.0./"],
        ["deleted", 2, "3.1./"],
        *entries(4, 5, deletions=1),
        ["only you"],
    ]
    await nothing_more(client)
    assert consumer.notes[-1] == ("connect", {"a": 1})


async def test_who_missed_too_much_is_told_of_the_gap(connect: Connect) -> None:
    application, _, sqlite_log = reader(RECOVERY_LIMIT=2)
    first = await connect(application)
    answer = await first.join("/")
    await events(first, 4)
    sqlite_log.delete(1)
    client = await connect(application)
    await client.join("/", {"pid": answer["pid"], "offset": "0.0./"})
    assert await events(client, 3) == [["welcome", 3, True, "0.0./"], ["gap", 1, 3, "3.0./"], ["deleted", 1, "3.1./"]]
    await nothing_more(client)


async def test_who_was_told_of_a_gap_is_not_told_again(connect: Connect) -> None:
    application, _, _ = reader(RECOVERY_LIMIT=2)
    first = await connect(application)
    answer = await first.join("/")
    client = await connect(application)
    await client.join("/", {"pid": answer["pid"], "offset": "0.0./"})
    _, (gap, *_, offset) = await events(client, 2)
    assert (gap, offset) == ("gap", "3.0./")
    client = await connect(application)
    await client.join("/", {"pid": answer["pid"], "offset": offset})
    assert await events(client, 1) == [["welcome", 3, True, "3.0./"]]
    await nothing_more(client)


LONG = "文" * 4000  # 12,000 bytes: 21 entries fit


async def test_a_new_client_of_a_log_of_long_entries_gets_the_newest_and_is_told_of_the_gap(connect: Connect) -> None:
    """Whatever it has got when its link dies, it comes back for exactly the rest."""
    application, _, sqlite_log = reader()
    for _ in range(60):
        sqlite_log.append(LONG)
    client = await connect(application)
    answer = await client.join("/")
    got = await events(client, 23)
    assert got[:2] == [["welcome", 63, False, "13.0./"], ["gap", 14, 42, "42.0./"]]
    assert got[2:] == [["entry", LONG, f"{number}.0./"] for number in range(43, 64)]
    await nothing_more(client)
    for count in (1, 2, 3, 22, 23):
        client = await connect(application)
        await client.join("/", {"pid": answer["pid"], "offset": got[count - 1][-1]})
        again = await events(client, 24 - count)
        assert again[0] == ["welcome", 63, True, got[count - 1][-1]]
        assert again[1:] == got[count:]
        await nothing_more(client)


async def test_one_entry_is_sent_however_long_it_is(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    sqlite_log.append("x" * 2 * REPLAY_BYTES)
    client = await connect(application, "/")
    assert (await events(client, 2))[1] == ["gap", 1, 3, "3.0./"]
    assert (await events(client, 1))[0][2] == "4.0./"
    await aannounce("/", sqlite_log.append(5))
    assert await events(client, 1) == entries(5)


async def test_so_much_that_comes_while_a_client_is_greeted_is_a_gap_too(connect: Connect) -> None:
    _, _, sqlite_log = reader()
    client, joining, greeted = await start_greeting(connect, sqlite_log)
    for _ in range(120):
        await aannounce("/", sqlite_log.append(LONG))
    greeted.set()
    await joining
    await aannounce("/", sqlite_log.append(124))
    got = await events(client, 24)
    assert got[:2] == [["welcome", 3, None], ["gap", 1, 102, "102.0./"]]
    assert [offset for *_, offset in got[2:]] == [f"{number}.0./" for number in range(103, 125)]
    await nothing_more(client)


async def test_the_offset_of_a_live_socket_is_where_it_is(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application, "/")
    await aannounce("/", sqlite_log.append(4))
    await client.emit("again")
    assert (await events(client, 6))[-1] == ["welcome", 0, False, "4.0./"]


async def test_a_refused_client_gets_nothing_of_the_log_though_its_private_id_is_good(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application)
    auth = {"pid": new_pid("x", "/", None), "offset": "0.0./", "refuse": 1}
    assert "message" in await client.join("/", auth)
    assert sqlite_log.readings == 0
    await nothing_more(client)


PID = new_pid("was", "/", None)
BAD_OFFSETS: list[Any] = ["", "1", "-1.0./", "1.0./other", "1.0", "a.b./", 1, None, [], {}, True]
BEYOND = ["4.0./", "3.1./", "0.1./", "999999999999999.0./", "9" * 900 + ".0./"]
BAD_PIDS: list[Any] = ["", "was", "::", "was:zz:", PID[:-1], PID + "x", "x" + PID, 1, None, [PID]]
FORGED = [
    new_pid("was", "/other", None),
    PID.replace("was", "who"),
    "x" * 100_000,
]
BAD_AUTHS: list[dict[str, Any]] = [
    {},
    {"pid": PID},
    {"offset": "1.0./"},
    *({"pid": PID, "offset": offset} for offset in BAD_OFFSETS + BEYOND),
    *({"pid": pid, "offset": "1.0./"} for pid in BAD_PIDS + FORGED),
]


@pytest.mark.parametrize("auth", BAD_AUTHS, ids=map(str, range(len(BAD_AUTHS))))
async def test_who_brings_what_is_worth_nothing_is_new(
    connect: Connect, auth: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    application, consumer, _ = reader()
    client = await connect(application)
    answer = await client.join("/", auth | {"mine": 1})
    assert answer["sid"] != "was"
    assert read_claim({"pid": answer["pid"], "offset": "0.0./"}, "/", None, 10)[1] == (
        answer["sid"],
        answer["pid"],
        (0, 0),
    )
    assert await events(client, 4) == [["welcome", 3, False, "0.0./"], *entries(1, 2, 3)]
    assert consumer.notes == [("connect", {"mine": 1})]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_a_good_private_id_is_worth_something(connect: Connect) -> None:
    """Guards the test above against refusing everything."""
    client = await connect(reader()[0])
    assert await client.join("/", {"pid": PID, "offset": "1.0./"}) == {"sid": "was", "pid": PID}


def test_a_private_id_is_worth_nothing_when_it_is_old_or_its_time_is_none() -> None:
    auth = {"pid": new_pid("was", "/", None), "offset": "1.0./"}
    assert read_claim(auth, "/", None, 100)[1] is not None
    assert read_claim(auth, "/", None, 0)[1] is None
    salt = "channels_socketio.recovery /"
    assert read_claim({"pid": signing.TimestampSigner(salt=salt).sign("was"), "offset": "1.0./"}, "/", None, 100)[1]
    for time in ("-", "!", "", "é", "z" * 200):
        forged = signing.Signer(salt=salt).sign(f"was:{time}")
        assert read_claim({"pid": forged, "offset": "1.0./"}, "/", None, 100)[1] is None, time


def test_a_private_id_belongs_to_an_owner_and_tells_others_only_that_there_was_a_socket() -> None:
    auth = {"pid": new_pid("was", "/", "a" * 32), "offset": "1.0./"}
    assert read_claim(auth, "/", "a" * 32, 100)[1] == Claim("was", auth["pid"], Position(1, 0))
    for other in ("b" * 32, "", None):
        assert read_claim(auth, "/", other, 100)[1] == Claim("was", None, Position(1, 0))
    assert "a" * 32 not in auth["pid"]


OTHERS = new_pid("was", "/", "another owner")


async def test_another_owner_is_new_but_for_the_position(connect: Connect) -> None:
    application, consumer, sqlite_log = reader()
    for number in range(4, 104):
        sqlite_log.append(number)
    sqlite_log.delete(1)
    client = await connect(application)
    answer = await client.join("/", {"pid": OTHERS, "offset": "3.0./", "a": 1})
    assert answer["sid"] != "was"
    assert read_claim({"pid": answer["pid"], "offset": "0.0./"}, "/", None, 10)[1] == (*answer.values(), (0, 0))
    await aannounce("/", sqlite_log.append(104))
    await aemit("only you", socket="was")
    assert await events(client, 103) == [
        ["welcome", 103, False, "3.0./"],
        ["deleted", 1, "3.1./"],
        *entries(*range(4, 105), deletions=1),
    ]
    await nothing_more(client)
    assert consumer.notes == [("connect", {"a": 1})]


async def test_another_owner_leaves_the_socket_that_was_where_it_is(connect: Connect) -> None:
    application, _, _ = reader()
    first = await connect(application)
    await first.join("/", {"pid": PID, "offset": "3.0./"})
    await events(first, 1)
    second = await connect(application)
    await second.join("/", {"pid": OTHERS, "offset": "3.0./"})
    await events(second, 1)
    await aemit("only you", socket="was")
    assert await events(first, 1) == [["only you"]]
    await nothing_more(second)


async def test_another_owner_who_missed_too_much_is_told_of_the_gap(connect: Connect) -> None:
    application, _, _ = reader(RECOVERY_LIMIT=2)
    client = await connect(application)
    await client.join("/", {"pid": OTHERS, "offset": "0.0./"})
    assert await events(client, 2) == [["welcome", 3, False, "0.0./"], ["gap", 1, 3, "3.0./"]]
    await nothing_more(client)


@pytest.mark.parametrize("offset", BAD_OFFSETS + BEYOND)
async def test_another_owner_at_no_position_is_new(connect: Connect, offset: Any) -> None:
    client = await connect(reader()[0])
    await client.join("/", {"pid": OTHERS, "offset": offset})
    assert await events(client, 4) == [["welcome", 3, False, "0.0./"], *entries(1, 2, 3)]


async def test_another_owner_who_is_refused_gets_nothing(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application)
    assert "message" in await client.join("/", {"pid": OTHERS, "offset": "0.0./", "refuse": 1})
    assert sqlite_log.readings == 0
    await nothing_more(client)


async def test_whoever_comes_back_ends_the_link_that_it_had(connect: Connect) -> None:
    application, consumer, sqlite_log = reader()
    first = await connect(application)
    answer = await first.join("/")
    await events(first, 4)
    second = await connect(application)
    assert await second.join("/", {"pid": answer["pid"], "offset": "3.0./"}) == answer
    assert (await close_of(first))["reason"] == "taken over"
    await eventually(lambda: ("disconnect", answer["sid"], "taken over") in consumer.notes, "the first had ended")
    await aannounce("/", sqlite_log.append(4))
    await aemit("only you", socket=answer["sid"])
    await aemit("the room", room="room")
    assert await events(second, 4) == [["welcome", 3, True, "3.0./"], *entries(4), ["only you"], ["the room"]]
    await nothing_more(second)


async def test_of_many_who_come_back_at_once_one_stays(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    clients = [await connect(application) for _ in range(5)]
    auth = {"pid": PID, "offset": "3.0./"}
    answers = await asyncio.gather(*(client.join("/", auth) for client in clients))
    assert answers == [{"sid": "was", "pid": PID}] * 5
    await eventually(lambda: len(current_runtime().connections) == 1, "four of five had ended")
    await aannounce("/", sqlite_log.append(4))
    got = [await client.receive_event() for client in clients]
    assert got == [["welcome", 3, True, "3.0./"]] * 5
    live = [client for client in clients if (await client.receive_output(5))["type"] == "websocket.send"]
    assert len(live) == 1


async def test_who_fails_to_come_back_leaves_the_one_who_is_there_alone(connect: Connect) -> None:
    application, consumer, sqlite_log = reader()
    first = await connect(application)
    answer = await first.join("/")
    await events(first, 4)
    second = await connect(application)
    auth = {"pid": answer["pid"], "offset": "3.0./"}
    assert "message" in await second.join("/", auth | {"refuse": 1})
    await second.disconnect()
    third = await connect(application)
    joining = asyncio.create_task(third.join("/", auth | {"wait": 1}))
    await eventually(lambda: ("connect", {"wait": 1}) in consumer.notes, "the third has asked")
    joining.cancel()
    await third.disconnect()
    await aannounce("/", sqlite_log.append(4))
    await aemit("only you", socket=answer["sid"])
    assert await events(first, 2) == [*entries(4), ["only you"]]


async def test_a_storm_of_clients_asks_the_log_once(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    first = await connect(application, "/")
    readings = sqlite_log.readings
    for _ in range(10):
        client = await connect(application, "/")
        assert len(await events(client, 4)) == 4
    assert sqlite_log.readings == readings
    assert len(await events(first, 4)) == 4


async def test_what_comes_while_a_client_is_greeted_is_neither_lost_nor_doubled(connect: Connect) -> None:
    _, _, sqlite_log = reader()
    client, joining, greeted = await start_greeting(connect, sqlite_log)
    for number in range(4, 104):
        await aannounce("/", sqlite_log.append(number))
    greeted.set()
    await joining
    await aannounce("/", sqlite_log.append(104))
    assert await events(client, 105) == [["welcome", 3, None], *entries(*range(1, 105))]
    await nothing_more(client)


@pytest.mark.parametrize("error", [RuntimeError("in welcome"), Refused("late", "Too late.")])
async def test_a_greeting_that_fails_refuses_the_client(connect: Connect, error: Exception) -> None:
    class Rude(Reader):
        async def welcome(self, head: int) -> None:
            raise error

    client = await connect(serve(Rude))
    assert "message" in await client.join("/")
    assert not len(current_runtime().feeds)


async def test_a_log_that_fails_closes_the_link_so_that_the_client_tries_again(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replay, "LOG_SECONDS", 0.05)
    application, _, sqlite_log = reader()
    sqlite_log.broken = True
    client = await connect(application)
    with pytest.raises(AssertionError, match=r"websocket\.close"):
        await client.join("/")
    assert "log unavailable" in caplog.text
    sqlite_log.broken = False
    client = await connect(application, "/")
    assert len(await events(client, 4)) == 4


async def test_a_client_that_leaves_before_it_is_in_leaves_nothing_behind(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    sqlite_log.broken = True
    client = await connect(application)
    joining = asyncio.create_task(client.join("/"))
    await eventually(lambda: sqlite_log.readings, "the log was asked")
    joining.cancel()
    await client.disconnect()
    await eventually(lambda: not current_runtime().connections, "the connection was forgotten")
    assert not current_runtime().sockets
    assert not len(current_runtime().feeds)


async def test_leaving_and_coming_again_on_one_link_recovers(connect: Connect) -> None:
    application, _, sqlite_log = reader()
    client = await connect(application)
    answer = await client.join("/")
    await events(client, 4)
    await client.emit("leave")
    await client.receive_packet()
    sqlite_log.append(4)
    assert await client.join("/", {"pid": answer["pid"], "offset": "3.0./"}) == answer
    assert await events(client, 2) == [["welcome", 4, True, "3.0./"], *entries(4)]


async def test_data_that_json_cannot_carry_fails_where_it_is_announced() -> None:
    _, _, sqlite_log = reader()
    item = sqlite_log.append(4)
    with pytest.raises(TypeError):
        await aannounce("/", type(item)(item.position, "entry", object()))


async def test_a_client_whose_login_session_ends_while_it_is_greeted_leaves_nothing_behind(connect: Connect) -> None:
    class Late(Reader):
        async def welcome(self, head: int) -> None:
            [connection] = current_runtime().connections.values()
            connection.end(ENDED)

    client = await connect(serve(Late))
    assert await client.join("/") == {"message": ENDED.message, "data": {"code": "session ended"}}
    await settle()
    assert not current_runtime().sockets
    assert not len(current_runtime().feeds)
