"""The benchmark itself, short and with few clients."""

from contextlib import closing

from bench.chat import Chat
from bench.fanout import measure_fanout


async def test_every_client_gets_every_message_in_order_and_the_figures_fit() -> None:
    chat = Chat(core=None, heartbeat=25)
    chat.prepare()
    with closing(chat), chat:
        results = await measure_fanout(chat, clients=20, in_flight=[1, 4], seconds=1)
    assert [result.in_flight for result in results] == [1, 4]
    for result in results:
        assert result.clients == 20
        assert result.messages > 0
        assert result.deliveries >= 20 * (result.messages - result.in_flight)
        assert result.server_us_per_delivery > 0
