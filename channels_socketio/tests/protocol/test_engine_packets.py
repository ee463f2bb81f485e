"""Engine.IO packets, their frames and polling bodies: tables used in both directions, tables of bad input."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.engine_packets import (
    Encoded,
    EnginePacket,
    EngineType,
    Framing,
    decode_packet,
    encode_packet,
)
from channels_socketio.protocol.legacy import LegacyFraming
from channels_socketio.protocol.reasons import ProtocolError, Reason

TEXT = "text/plain; charset=UTF-8"
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


@pytest.mark.parametrize(
    ("packet", "frame", "as_base64"),
    [
        ("4a", "4a", "4a"),
        ("4€", "4€", "4€"),
        ("2probe", "2probe", "2probe"),
        (b"\x01\x02", b"\x01\x02", "bAQI="),
        (b"\xfb\xff", b"\xfb\xff", "b+/8="),
        (b"", "b", "b"),  # an empty frame would get lost on Daphne
    ],
)
def test_packet_and_frame_become_each_other(packet: Encoded, frame: str | bytes, as_base64: str) -> None:
    for framing, encoded in ((Framing(), frame), (Framing(base64=True), as_base64)):
        assert framing.encode_frame(packet) == encoded
        assert framing.decode_frame(encoded) == packet


def test_an_empty_binary_frame_is_an_empty_message() -> None:
    assert Framing().decode_frame(b"") == b""


@pytest.mark.parametrize(
    ("packets", "body"),
    [
        (["4a"], b"4a"),
        (["1", "4", "6"], b"1\x1e4\x1e6"),
        (["4€", b"\x01", "2", b""], "4€\x1ebAQ==\x1e2\x1eb".encode()),
    ],
)
@pytest.mark.parametrize("base64", [False, True])
def test_packets_and_polling_body_become_each_other(packets: list[Encoded], body: bytes, base64: bool) -> None:
    assert Framing(base64).encode_body(packets) == (body, TEXT)
    assert Framing(base64).decode_body(body, TEXT) == packets


def test_empty_parts_of_a_body_stay_to_be_refused() -> None:
    assert Framing().decode_body(b"", TEXT) == [""]
    assert Framing().decode_body(b"4a\x1e", "") == ["4a", ""]


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"4a", "application/octet-stream", "expected text, got application/octet-stream"),
        (b"4\xff", TEXT, "expected UTF-8"),
        (b"4\xed\xa0\x80", TEXT, "expected UTF-8"),  # half a surrogate pair
        (b"bA", TEXT, "expected base64"),
        (b"bAQ", TEXT, "expected base64"),
        (b"4a\x1ebAQ=!", TEXT, "expected base64"),
        (b"bAQ==\n", TEXT, "expected base64"),
        (b"b-_8=", TEXT, "expected base64"),
        ("bé".encode(), TEXT, "expected base64"),
    ],
)
def test_a_bad_body_is_refused(body: bytes, content_type: str, error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        Framing().decode_body(body, content_type)
    assert str(caught.value) == error


TEXT_PACKETS = st.builds("{}{}".format, st.sampled_from("0123456"), st.text(st.characters(exclude_categories=["Cs"])))


@given(st.lists(TEXT_PACKETS.filter(lambda text: "\x1e" not in text) | st.binary(), min_size=1), st.booleans())
@settings(deadline=None)
def test_any_packets_survive_frames_and_bodies(packets: list[Encoded], base64: bool) -> None:
    framing = Framing(base64)
    assert framing.decode_body(*framing.encode_body(packets)) == packets
    assert [framing.decode_frame(framing.encode_frame(packet)) for packet in packets] == packets


@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "replace")))
@settings(deadline=None)
def test_any_body_either_splits_or_is_a_protocol_error(body: bytes) -> None:
    try:
        packets = Framing().decode_body(body, TEXT)
    except ProtocolError:
        return
    assert len(packets) == body.count(b"\x1e") + 1


@pytest.mark.parametrize(
    ("framing", "unit", "content_type"),
    [
        (Framing(), b"6\x1e", "text/plain"),
        (Framing(), b"b\x1e", "text/plain"),
        (LegacyFraming(), b"1:6", "text/plain"),
        (LegacyFraming(), b"\x00\x01\xff6", "application/octet-stream"),
        (LegacyFraming(), b"\x01\x01\xff\x04", "application/octet-stream"),
    ],
)
def test_a_body_full_of_tiny_packets_takes_time_in_proportion(framing: Framing, unit: bytes, content_type: str) -> None:
    """A body of 1 MB takes well below a second; if every packet cost a copy of the rest it would take minutes."""
    count = 1_000_000 // len(unit)
    start = time.process_time()
    assert len(framing.decode_body(unit * count, content_type)) in (count, count + 1)
    assert time.process_time() - start < 10
