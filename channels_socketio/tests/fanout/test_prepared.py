"""What is written to clients: the engine packets of an event, their size, and the forms that are made once."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.fanout.prepared import PreparedMessage, change_offset, event_packets, join, websocket_frame
from channels_socketio.protocol.engine_packets import Encoded


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
    prepared = PreparedMessage(*event_packets(namespace, args))
    assert (tuple(prepared.packets), prepared.size) == (packets, size)


@pytest.mark.parametrize(
    ("args", "error"),
    [(["a", object()], TypeError), (["a", math.nan], ValueError), (["a", "\ud800"], ValueError)],
)
def test_what_no_packet_can_carry_is_this_sides_mistake(args: list[Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        event_packets("/", args)


@given(st.lists(st.text() | st.binary()))
@settings(deadline=None)
def test_the_size_counts_bytes_on_the_wire(packets: list[Encoded]) -> None:
    assert PreparedMessage(packets).size == sum(
        len(item if isinstance(item, bytes) else item.encode()) for item in packets
    )


def test_an_event_is_packed_into_engine_messages() -> None:
    assert event_packets("/tea", ("a", b"\x01"))[0] == [
        '451-/tea,["a",{"_placeholder":true,"num":0}]',
        b"\x01",
    ]


@pytest.mark.parametrize(
    ("payload", "head"),
    [
        ("", b"\x81\x00"),
        ("2", b"\x81\x01"),
        ("é" * 60, b"\x81\x78"),
        (b"\x00" * 125, b"\x82\x7d"),
        (b"\x00" * 126, b"\x82\x7e\x00\x7e"),
        ("a" * 65_535, b"\x81\x7e\xff\xff"),
        (b"\x00" * 65_536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_websocket_frame_has_the_head_for_its_length(payload: str | bytes, head: bytes) -> None:
    assert websocket_frame(payload) == head + (payload if isinstance(payload, bytes) else payload.encode())


def test_frames_and_events_hold_the_packets_in_order_and_are_made_once() -> None:
    prepared = PreparedMessage(['42["a"]', b"\x01", b""])
    assert prepared.frames == b'\x81\x0742["a"]' + b"\x82\x01\x01" + b"\x81\x01b"
    assert prepared.events == [
        {"type": "websocket.send", "text": '42["a"]'},
        {"type": "websocket.send", "bytes": b"\x01"},
        {"type": "websocket.send", "text": "b"},
    ]
    assert prepared.frames is prepared.frames
    assert prepared.events is prepared.events


def test_joined_parcels_hold_all_packets_in_order() -> None:
    first, second = PreparedMessage(["2"]), PreparedMessage([b"\x01\x02", "3"])
    both = join([first, second])
    assert (both.packets, both.size) == (["2", b"\x01\x02", "3"], 4)
    assert join([first]) is first


@pytest.mark.parametrize("namespace", ["/", '/"quoted", ü'])
@pytest.mark.parametrize("data", ["text", 'ends in 1.2./"]', b"\x00\xff", None])
def test_an_event_with_another_offset_is_as_if_packed_with_it(namespace: str, data: Any) -> None:
    old, new = f"1.2.{namespace}", f"100.2.{namespace}"
    changed = change_offset(PreparedMessage(*event_packets(namespace, ["e", data, old])), old, new)
    expected = PreparedMessage(*event_packets(namespace, ["e", data, new]))
    assert (list(changed.packets), changed.size) == (list(expected.packets), expected.size)


@pytest.mark.parametrize("args", [["e", "1.2./", 1], ["e", "1.2./other"]])
def test_an_event_without_the_offset_is_a_mistake(args: list[Any]) -> None:
    with pytest.raises(ValueError, match=r'expected an event that ends in "1\.2\./"\]'):
        change_offset(PreparedMessage(*event_packets("/", args)), "1.2./", "3.4./")


def test_the_offset_of_a_binary_packet_alone_is_a_mistake() -> None:
    prepared = PreparedMessage(*event_packets("/", ["e", b"\x00", "1.2./"]))
    prepared.packets = prepared.packets[1:]
    with pytest.raises(ValueError, match="expected an event"):
        change_offset(prepared, "1.2./", "3.4./")
