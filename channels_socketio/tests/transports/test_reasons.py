"""What official clients do after each reason for which a connection ends, under a real server."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from channels_socketio.protocol.reasons import Reason
from channels_socketio.tests.support.contract_site import ContractApp
from channels_socketio.tests.support.log_site import OfficialClient
from channels_socketio.tests.support.processes import servers
from channels_socketio.tests.support.python_client import python_client
from channels_socketio.tests.support.raw_client import RawClient, read, read_to_end

OF_CONNECTIONS = [reason for reason in Reason if reason not in (Reason.CLIENT_DISCONNECT, Reason.SERVER_DISCONNECT)]
# By polling a client closes the transport with a request of its own.
CASES = [
    (reason, transport)
    for reason in OF_CONNECTIONS
    for transport in ("websocket", "polling")
    if reason is not Reason.TRANSPORT_CLOSE or transport == "websocket"
]
COMING_BACK = [(reason, transport) for reason, transport in CASES if reason.comes_back]
REASONS = pytest.mark.parametrize("reason", OF_CONNECTIONS, ids=lambda reason: reason.text)


@pytest.fixture(scope="module", params=servers("serve", "daphne"))
def contract_app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ContractApp]:
    """The server; nothing in this module may leave an error in its log."""
    with ContractApp(tmp_path_factory.mktemp("site"), request.param) as site:
        yield site
        assert site.errors() == []


@REASONS
async def test_a_websocket_is_closed_with_the_code_of_the_table(contract_app: ContractApp, reason: Reason) -> None:
    async with RawClient(contract_app.port) as raw_client:
        socket = await raw_client.websocket()
        await socket.send("40")
        while not str(await read(socket)).startswith("40"):
            pass
        await socket.send(f'42["end for","{reason.name}"]')
        await read_to_end(socket)
        told = (1000, "") if contract_app.server == "daphne" else (reason.close_code, reason.text)
        assert (socket.close_code, socket.close_reason) == told


@pytest.mark.parametrize(("reason", "transport"), CASES, ids=lambda value: getattr(value, "text", value))
async def test_the_javascript_client_comes_back_unless_it_was_put_out(
    contract_app: ContractApp, reason: Reason, transport: str
) -> None:
    """Only a DISCONNECT packet keeps it away, which a forced close does not send."""
    async with OfficialClient(contract_app.port, transport) as client:
        await client.connected()
        client.tell(json.dumps(["end for", reason.name]))
        while (happened := await client.next())[0] != "disconnect":
            pass
        comes_back = reason.comes_back or reason is Reason.FORCED_SERVER_CLOSE
        assert (happened[1] != "io server disconnect") == comes_back
        if comes_back:
            await client.connected()


@pytest.mark.parametrize(("reason", "transport"), COMING_BACK, ids=lambda value: getattr(value, "text", value))
async def test_the_python_client_comes_back_when_the_table_says_so(
    contract_app: ContractApp, reason: Reason, transport: str
) -> None:
    """A close packet by polling would keep it away."""
    connects: asyncio.Queue[None] = asyncio.Queue()
    async with python_client(reconnection_delay=0.05, reconnection_delay_max=0.1) as (client, _):
        client.on("connect", lambda: connects.put_nowait(None))
        await client.connect(f"http://127.0.0.1:{contract_app.port}", transports=[transport])
        async with asyncio.timeout(10):
            await connects.get()
            await client.emit("end for", reason.name)
            await connects.get()
