"""A flood that is answered by hand."""

import re

import pytest

from bench import flood
from bench.flood import Flood, Flooder
from bench.stream import WrongAnswerError
from bench.tests.test_client import WSClient, chat, enter, frame


def flooder() -> tuple[Flooder, WSClient]:
    """Return a socket that is in the room."""
    client = Flooder(1, "key")
    return client, enter(client)


async def test_each_answer_brings_the_next_message_whatever_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "IN_FLIGHT", 2)
    tried = Flood()
    clients = [flooder() for _ in range(2)]
    for client, _ in clients:
        client.begin(tried)
    client, wire = clients[0]
    assert (len(wire.written), tried.sent) == (2, 4)
    client.data_received(chat(tried.stream, 0) + frame(b'430[{"ok":true}]'))
    assert (len(wire.written), tried.refused) == (3, 0)
    client.data_received(frame(b'431[{"ok":false,"code":"too fast"}]'))
    assert (len(wire.written), tried.refused) == (4, 1)
    texts = [text for _, wire in clients for text in re.findall(rb'"msg":"([^"]*)"', b"".join(wire.written))]
    assert len(set(texts)) == tried.sent == 6


async def test_a_socket_that_is_closed_is_over_and_no_error() -> None:
    client, wire = flooder()
    client.begin(Flood())
    client.data_received(b"\x88\x02\x03\xe8")
    assert wire.aborted
    assert not client.over.is_set()
    client.connection_lost(None)
    assert client.over.is_set()


def test_a_flood_may_have_the_rate_of_one_login_session_and_no_more() -> None:
    flood.check(accepted=15, seconds=2)
    with pytest.raises(WrongAnswerError, match=r"^expected at most 15 messages of the flood in 2\.0 s, got 16$"):
        flood.check(accepted=16, seconds=2)


@pytest.mark.parametrize(("refused", "received"), [(0, 20), (3, 19)])
async def test_a_flood_that_is_not_refused_or_gets_less_than_it_may_is_a_wrong_answer(
    monkeypatch: pytest.MonkeyPatch, refused: int, received: int
) -> None:
    monkeypatch.setattr(flood, "DRAIN_SECONDS", 0.05)
    tried, (witness, _) = Flood(refused=refused), flooder()
    monkeypatch.setattr(Flooder, "received", received)
    with pytest.raises(WrongAnswerError, match=f"within 0.05 s, got {received} and {refused}$"):
        await flood.use_up(tried, witness)
    monkeypatch.setattr(Flooder, "received", 20)
    await flood.use_up(Flood(refused=1), witness)
