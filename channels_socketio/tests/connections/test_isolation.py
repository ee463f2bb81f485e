"""A client that fails or vanishes ends alone, whatever of it waits, under every server."""

import socket
import struct
from collections.abc import Callable, Iterator

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.frames import Frame, Opcode

from channels_socketio.tests.support.contract_site import ContractApp, joined
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.raw_client import RawClient
from channels_socketio.tests.support.ws_client import Dial, WSClient

EVENTS = 400  # more than may wait for their handlers
FEW = 60  # the same, where fewer may
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


@pytest.fixture(scope="module", params=servers("daphne", "uvicorn", "serve"))
def contract_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContractApp]:
    """The contract's application under each server; nothing in this module may leave an error in its log."""
    with ContractApp(tmp_path_factory.mktemp("isolation"), request.param) as running:
        yield running
        assert running.errors() == []


def text_frames(*texts: str) -> bytes:
    """Return frames as clients send them."""
    return b"".join(Frame(Opcode.TEXT, text.encode()).serialize(mask=True) for text in texts)


def say_goodbye(connection: ClientConnection, data: bytes) -> None:
    """Write `data`, and a Close frame with it."""
    close = Frame(Opcode.CLOSE, struct.pack("!H", 1001)).serialize(mask=True)
    connection.transport.write(data + close)


def hang_up(connection: ClientConnection, data: bytes) -> None:
    """Write `data`, then FIN; what the server still sends is answered by RST."""
    connection.transport.write(data)
    connection.transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
    connection.transport.abort()


def reset(connection: ClientConnection, data: bytes) -> None:
    """Write `data`, then RST."""
    connection.transport.write(data)
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.transport.abort()


def stay_half(connection: ClientConnection, data: bytes) -> None:
    """Write `data`, then FIN, and go on reading."""
    connection.transport.write(data)
    connection.transport.write_eof()


Leave = Callable[[ClientConnection, bytes], None]
WAYS = pytest.mark.parametrize("leave", [say_goodbye, hang_up, reset, stay_half])


def url(contract_app: ContractApp, path: str = "socket.io") -> str:
    """Return the address of one of the application's servers."""
    return f"ws://127.0.0.1:{contract_app.port}/{path}/?EIO=4&transport=websocket"


async def assert_all_get(told: str, sender: WSClient, *others: WSClient) -> None:
    """Check that what one client tells all comes; that somebody has left may come before it."""
    await sender.emit("tell", None, [], told)
    for client in (sender, *others):
        while (event := await client.receive_event())[0] == "left":
            pass
        assert event == ["told", told]


async def assert_alone(contract_app: ContractApp, *clients: WSClient) -> None:
    """Check that soon nobody but these clients is here, and that they get everything until then and afterwards."""
    await assert_all_get("meanwhile", *clients)
    expected = {"connections": len(clients), "sockets": len(clients)}
    assert expected.items() <= (await contract_app.settled(**expected)).items()
    await assert_all_get("afterwards", *clients)


@pytest.fixture
async def before(contract_app: ContractApp, dial: Dial) -> WSClient:
    """A client that was there first; whoever another test has left is gone by now."""
    await contract_app.settled(connections=0)
    return await dial(url(contract_app))


@WAYS
async def test_who_leaves_behind_more_events_than_may_wait_ends_alone(
    contract_app: ContractApp, dial: Dial, before: WSClient, leave: Leave
) -> None:
    """Each is answered after 2 ms, to a client that has gone."""
    leaving = await dial(url(contract_app, "narrow"))
    leave(leaving.connection, text_frames(*(f'42{number}["take",0.002]' for number in range(FEW))))
    await assert_alone(contract_app, before, await dial(url(contract_app)))


@WAYS
async def test_who_leaves_handlers_that_never_end_is_gone_after_a_heartbeat(
    contract_app: ContractApp, dial: Dial, before: WSClient, leave: Leave
) -> None:
    leaving = await dial(url(contract_app, "brisk"))
    leave(leaving.connection, text_frames(*['42["take",1000]'] * EVENTS))
    await assert_alone(contract_app, before, await dial(url(contract_app)))


async def test_a_polling_client_that_vanishes_while_it_is_not_read_is_gone_after_a_heartbeat(
    contract_app: ContractApp, dial: Dial, before: WSClient
) -> None:
    async with RawClient(contract_app.port, "/brisk/") as raw_client:
        sid = await joined(raw_client)
        body = "\x1e".join(['42["take",1000]'] * EVENTS).encode()
        post = await raw_client.start("POST", [f"Content-Length: {len(body)}"], body, sid=sid)
        await contract_app.settled(connections=2)
        post.abort()
    await assert_alone(contract_app, before, await dial(url(contract_app)))
