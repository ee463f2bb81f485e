"""A polling client that is fed by hand."""

import pytest

from bench.poller import Poller, whole_body
from bench.stream import Stream, WrongAnswerError
from bench.tests.test_client import WSClient

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED], ids=["length", "chunked"])
def test_a_body_is_there_when_all_of_it_came(answer: bytes) -> None:
    data = answer % (5, b"hello")
    assert [whole_body(data[:end]) for end in range(len(data))] == [None] * len(data)
    assert whole_body(data) == b"hello"


def test_another_status_is_an_error() -> None:
    with pytest.raises(WrongAnswerError, match="expected the status 200"):
        whole_body(b"HTTP/1.1 400 Bad Request\r\n\r\n")


async def test_it_joins_answers_a_ping_and_polls_again() -> None:
    client, wire, stream = Poller(1, "key"), WSClient(), Stream()
    client.follow(stream)

    def bring(body: bytes) -> bytes:
        wire.written.clear()
        client.data_received(PLAIN % (len(body), body))
        [request] = wire.written
        return request

    client.connection_made(wire)
    assert wire.written[0].startswith(b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\n")
    assert bring(b'0{"sid":"abc"}').endswith(b"\r\n\r\n40")
    assert bring(b"ok").startswith(b"GET /socket.io/?EIO=4&transport=polling&sid=abc ")
    bring(b'40{"sid":"x"}\x1e42["welcome",{}]')
    assert client.joined.done()
    chat = f'42["new chat",{{"msg":"7: {stream.text(0, 0, digits=1)}"}}]'.encode()
    earlier = f'42["new chat",{{"msg":"7: {Stream().text(0, 5, digits=1)}"}}]'.encode()
    assert bring(b"\x1e".join([earlier, chat, b"2"])).endswith(b"\r\n\r\n3")
    assert (client.received, client.pings) == (1, 1)
    assert not client.held
    bring(b"ok")
    assert client.held


async def test_a_message_out_of_order_is_an_error() -> None:
    client, wire, stream = Poller(1, "key"), WSClient(), Stream()
    client.follow(stream)
    client.connection_made(wire)
    body = f'42["new chat",{{"msg":"7: {stream.text(0, 1, digits=1)}"}}]'.encode()
    client.data_received(PLAIN % (len(body), body))
    with pytest.raises(WrongAnswerError, match="expected message 0"):
        await client.joined
    assert wire.aborted
