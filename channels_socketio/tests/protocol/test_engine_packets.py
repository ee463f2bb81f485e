"""Engine.IO packets: one table used in both directions, one of what no packet may look like."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.engine_packets import Encoded, EnginePacket, EngineType, decode_packet, encode_packet
from channels_socketio.protocol.reasons import ProtocolError, Reason

PACKETS = [
    ('0{"sid":"a"}', EnginePacket(EngineType.OPEN, '{"sid":"a"}')),
    ("1", EnginePacket(EngineType.CLOSE)),
    ("2", EnginePacket(EngineType.PING)),
    ("2probe", EnginePacket(EngineType.PING, "probe")),
    ("3", EnginePacket(EngineType.PONG)),
    ("3probe", EnginePacket(EngineType.PONG, "probe")),
    ("4", EnginePacket(EngineType.MESSAGE)),
    ("40", EnginePacket(EngineType.MESSAGE, "0")),
    ("4€\U0001f600", EnginePacket(EngineType.MESSAGE, "€\U0001f600")),
    ("4a\x1eb\n", EnginePacket(EngineType.MESSAGE, "a\x1eb\n")),
    (b"", EnginePacket(EngineType.MESSAGE, b"")),
    (b"\x00\x01\xff", EnginePacket(EngineType.MESSAGE, b"\x00\x01\xff")),
    (b"2", EnginePacket(EngineType.MESSAGE, b"2")),
    ("5", EnginePacket(EngineType.UPGRADE)),
    ("6", EnginePacket(EngineType.NOOP)),
]


@pytest.mark.parametrize(("encoded", "packet"), PACKETS)
def test_packet_and_its_encoded_form_become_each_other(encoded: Encoded, packet: EnginePacket) -> None:
    assert encode_packet(packet) == encoded
    assert decode_packet(encoded) == packet


@pytest.mark.parametrize(
    ("encoded", "first"),
    [
        ("", "''"),
        ("7", "'7'"),
        ("9abc", "'9'"),
        ("abc", "'a'"),
        ("bAQID", "'b'"),
        ("-1", "'-'"),
        (" 4", "' '"),
        ("\n4", "'\\n'"),
        ("٤", "'٤'"),  # a digit four that is not ASCII
    ],
)
def test_what_is_no_packet_is_refused_with_its_first_character(encoded: str, first: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_packet(encoded)
    assert str(caught.value) == f"expected a packet type 0 to 6, got {first}"
    assert caught.value.reason is Reason.PARSE_ERROR


@given(st.text() | st.binary())
@settings(deadline=None)
def test_anything_either_is_the_only_form_of_a_packet_or_is_refused(encoded: Encoded) -> None:
    try:
        packet = decode_packet(encoded)
    except ProtocolError:
        assert encoded[:1] not in tuple("0123456")
    else:
        assert encode_packet(packet) == encoded
