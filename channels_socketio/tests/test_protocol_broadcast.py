"""An event encoded once: the engine packets of both protocols and their size in bytes."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.broadcast import encode_broadcast, measure
from channels_socketio.protocol.engine_packets import Encoded
from channels_socketio.protocol.socketio import SocketIOOptions, SocketIOProtocol


@pytest.mark.parametrize(
    ("namespace", "args", "packets", "size"),
    [
        ("/", ["a"], ('42["a"]',), 7),
        ("/rooms/tea", ["a", {"b": 0}], ('42/rooms/tea,["a",{"b":0}]',), 26),
        ("/", ["é€\U0001f600"], ('42["é€\U0001f600"]',), 15),
        ("/", ["a", b"\x01\x02"], ('451-["a",{"_placeholder":true,"num":0}]', b"\x01\x02"), 41),
        ("/", ["a", b""], ('451-["a",{"_placeholder":true,"num":0}]', b""), 39),
    ],
)
def test_an_event_becomes_packets_and_their_size(
    namespace: str, args: list[Any], packets: tuple[Encoded, ...], size: int
) -> None:
    assert encode_broadcast(namespace, args) == (packets, size)


@pytest.mark.parametrize(
    ("args", "error"),
    [(["a", object()], TypeError), (["a", math.nan], ValueError), (["a", "\ud800"], ValueError)],
)
def test_what_no_packet_can_carry_is_this_sides_mistake(args: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        encode_broadcast("/", args)


@given(st.lists(st.text() | st.binary()))
@settings(deadline=None)
def test_the_size_counts_bytes_on_the_wire(packets: list[Encoded]) -> None:
    assert measure(packets) == sum(len(item if isinstance(item, bytes) else item.encode()) for item in packets)


def test_a_broadcast_is_what_a_socket_would_have_been_sent() -> None:
    protocol = SocketIOProtocol(SocketIOOptions(), 0)
    protocol.receive_data("0/tea,", 0)
    protocol.accept("/tea", "sid")
    protocol.data_to_send()
    protocol.send_event("/tea", ["a", b"\x01"])
    packets, _ = encode_broadcast("/tea", ("a", b"\x01"))
    assert [packet.removeprefix("4") if isinstance(packet, str) else packet for packet in packets] == (
        protocol.data_to_send()
    )
