"""A speaker that is answered by hand."""

import re

import pytest

from bench import stored
from bench.crowd import follow
from bench.stored import Speaker
from bench.stream import WrongAnswerError
from bench.tests.test_client import WSClient, chat, enter, frame


def speaker() -> tuple[Speaker, WSClient]:
    """Return a speaker who is in the room."""
    client = Speaker(1, "key")
    return client, enter(client)


async def test_the_next_message_goes_out_with_the_ack_of_one_and_not_with_its_broadcast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(stored, "perf_counter", lambda: now)
    client, wire = speaker()
    stream = follow([client])
    client.keep_in_flight(2)
    said = [re.sub(rb'"id":"[-0-9a-f]{36}"', b'"id":"UUID"', written[6:]) for written in wire.written]
    assert b'42%d["send chat",{"msg":"%s-0-%020d","id":"UUID"}]' % (1, stream.run.encode(), 1) in said[1]
    now = 0.5
    client.data_received(chat(stream, 0))
    assert len(wire.written) == 2
    client.data_received(frame(b'431[{"seq":2,"ok":true}]'))
    assert len(wire.written) == 3
    assert client.latencies == [0.5]
    client.keep_in_flight(0)
    client.data_received(frame(b'430[{"ok":true}]') + frame(b'432[{"ok":true}]'))
    assert (client.sent, client.waits, client.lost) == (3, False, None)


@pytest.mark.parametrize("ack", [b'430[{"ok":false,"code":"unavailable"}]', b'437[{"ok":true}]', b"430[]"])
async def test_what_is_no_ack_of_a_stored_message_is_a_wrong_answer(ack: bytes) -> None:
    client, _ = speaker()
    follow([client])
    client.keep_in_flight(1)
    client.data_received(frame(ack))
    assert isinstance(client.lost, WrongAnswerError)


async def test_a_server_that_keeps_no_order_may_not_repeat_either() -> None:
    client, _ = speaker()
    stream = follow([client], ordered=False)
    client.data_received(chat(stream, 1) + chat(stream, 0))
    assert (client.received, client.lost) == (2, None)
    client.data_received(chat(stream, 1))
    assert isinstance(client.lost, WrongAnswerError)
