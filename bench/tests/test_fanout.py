"""The benchmark itself, short and with few clients."""

from contextlib import closing

from bench.chat import Chat
from bench.fanout import measure_fanout


async def test_every_client_gets_every_message_in_order_and_the_figures_fit() -> None:
    chat = Chat(core=None, heartbeat=25)
    chat.prepare()
    with closing(chat), chat:
        results = await measure_fanout(chat, [10, 20], in_flight=[1, 4], seconds=0.5)
    assert [(result.clients, result.in_flight) for result in results] == [(10, 1), (10, 4), (20, 1), (20, 4)]
    for result in results:
        assert result.messages > 0
        assert result.deliveries >= result.clients * (result.messages - result.in_flight)
        assert result.server_us_per_delivery > 0
