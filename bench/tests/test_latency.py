"""A listener that is timed by hand."""

import pytest

from bench import latency
from bench.stream import Stream
from bench.tests.test_client import UPGRADED, WSClient, chat, frame


@pytest.mark.parametrize("cut", [1, 50, 400])
async def test_a_message_arrives_with_its_last_byte(monkeypatch: pytest.MonkeyPatch, cut: int) -> None:
    now = 0.0
    monkeypatch.setattr(latency, "perf_counter", lambda: now)
    stream, client = Stream(), latency.TimedClient(1, "key")
    client.connection_made(WSClient())
    client.data_received(UPGRADED + frame(b'40{"sid":"x"}'))
    client.follow(stream)
    client.forget()
    first, second = chat(stream, 0), chat(stream, 1)
    expected = []
    for message in (first, frame(b"2"), second):
        for start in range(0, len(message), cut):
            now += 1
            client.data_received(message[start : start + cut])
        expected.append(now)
    assert client.arrivals(stream.ends()) == [expected[0], expected[2]]


def test_percentiles_are_milliseconds() -> None:
    seconds = [number / 1000 for number in range(1, 101)]
    assert [latency.percentile(seconds, share) for share in (0.5, 0.99, 1)] == [51, 100, 100]
    assert latency.percentile([0.002], 0.99) == 2
