"""Clients 1.x and 2.x: bodies that count, a client that pings, a main namespace joined by itself."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.engine import (
    PINGED,
    EngineClosed,
    EngineEvent,
    EngineOptions,
    MessageReceived,
    PongReceived,
)
from channels_socketio.protocol.engine_packets import Encoded
from channels_socketio.protocol.legacy import LegacyEngineProtocol, LegacyFraming, LegacySocketIOProtocol
from channels_socketio.protocol.reasons import ProtocolError, Reason
from channels_socketio.protocol.socketio import (
    ConnectRequested,
    DisconnectReceived,
    EventReceived,
    Failed,
    SocketIOEvent,
    SocketIOOptions,
)

START = 100.0
TEXT = "text/plain; charset=UTF-8"
BINARY = "application/octet-stream"

# Framing


@pytest.mark.parametrize(
    ("packet", "frame", "as_base64"),
    [
        ("4a", "4a", "4a"),
        ("2probe", "2probe", "2probe"),
        (b"\x01\x02", b"\x04\x01\x02", "b4AQI="),
        (b"", b"\x04", "b4"),
    ],
)
def test_packet_and_frame_become_each_other(packet: Encoded, frame: str | bytes, as_base64: str) -> None:
    for framing, encoded in ((LegacyFraming(), frame), (LegacyFraming(base64=True), as_base64)):
        assert framing.encode_frame(packet) == encoded
        assert framing.decode_frame(encoded) == packet


@pytest.mark.parametrize(
    ("frame", "error"),
    [
        (b"", "expected a binary message, got type byte b''"),
        (b"\x02a", "expected a binary message, got type byte b'\\x02'"),
        ("b", "expected a binary message, got 'b'"),
        ("bAQI=", "expected a binary message, got 'bA'"),
        ("b4A", "expected base64"),
    ],
)
def test_a_bad_frame_is_refused(frame: str | bytes, error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        LegacyFraming().decode_frame(frame)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("packets", "base64", "body", "content_type"),
    [
        ([], False, b"", TEXT),
        (["4hello"], False, b"6:4hello", TEXT),
        (["2", "4", "6"], False, b"1:21:41:6", TEXT),
        (["4€", "4\U0001f600"], False, "2:4€3:4\U0001f600".encode(), TEXT),  # UTF-16 code units
        (["4a", b"\x01"], True, b"2:4a6:b4AQ==", TEXT),
        ([b""], True, b"2:b4", TEXT),
        ([b"\x01\x02"], False, b"\x01\x03\xff\x04\x01\x02", BINARY),
        (["4€", b""], False, b"\x00\x04\xff4\xe2\x82\xac\x01\x01\xff\x04", BINARY),  # bytes
        ([b"a" * 11], False, b"\x01\x01\x02\xff\x04" + b"a" * 11, BINARY),
    ],
)
def test_packets_and_polling_body_become_each_other(
    packets: list[Encoded], base64: bool, body: bytes, content_type: str
) -> None:
    assert LegacyFraming(base64).encode_body(packets) == (body, content_type)
    assert LegacyFraming(base64).decode_body(body, content_type) == packets


@pytest.mark.parametrize(
    ("packet", "body"),
    [
        ('42["ü 😀","\\u20ac"]', b'34:42["\\u00fc \\ud83d\\ude00","\\u20ac"]'),
        ('42/ü,7{"ü":1}', '18:42/ü,7{"\\u00fc":1}'.encode()),
        ('44"ü"', b'10:44"\\u00fc"'),
    ],
)
def test_json_is_sent_in_ascii_which_1x_and_2x_clients_both_read(packet: str, body: bytes) -> None:
    assert LegacyFraming().encode_body([packet]) == (body, TEXT)


@pytest.mark.parametrize(
    ("body", "packet"),
    [
        ('8:42["Ã¼"]', '42["ü"]'),  # 1.x
        ('10:42["ð\x9f\x98\x80"]', '42["😀"]'),
        ('7:42["ü"]', '42["ü"]'),  # 2.x
        ('8:42["😀"]', '42["😀"]'),
        ('9:42["Ã¼ü"]', '42["Ã¼ü"]'),
        ('9:42["Ã¼€"]', '42["Ã¼€"]'),
    ],
)
def test_text_of_1x_clients_whose_characters_are_bytes_is_told_from_that_of_2x(body: str, packet: str) -> None:
    assert LegacyFraming().decode_body(body.encode(), TEXT) == [packet]


def test_characters_of_a_body_of_bytes_are_what_they_are() -> None:
    body = "42[Ã¼]".encode()
    assert LegacyFraming().decode_body(b"\x00\x08\xff" + body, BINARY) == ["42[Ã¼]"]


NO_LENGTH = "expected the length of a packet"
NO_KIND = "expected the kind and length of a packet"


@pytest.mark.parametrize(
    ("body", "content_type", "error"),
    [
        (b"a", TEXT, NO_LENGTH),
        (b"4a", TEXT, NO_LENGTH),
        (b":4a", TEXT, NO_LENGTH),
        (b"-1:4a", TEXT, NO_LENGTH),
        (b"2:4a1", TEXT, NO_LENGTH),
        (b"12345678901:4", TEXT, NO_LENGTH),
        ("٢:4a".encode(), TEXT, NO_LENGTH),
        (b"3:4a", TEXT, "expected 3 characters, got 2"),
        (b"2:4a9999999999:4", TEXT, "expected 9999999999 characters, got 1"),
        ("2:4\U0001f600".encode(), TEXT, "expected a length that does not split a character"),
        (b"1:\xff", TEXT, "expected UTF-8"),
        (b"3:b4A", TEXT, "expected base64"),
        (b"\x00", BINARY, NO_KIND),
        (b"\x00\xff", BINARY, NO_KIND),
        (b"\xff\x01\xff4", BINARY, NO_KIND),
        (b"\x02\x01\xff4", BINARY, NO_KIND),
        (b"\x00\x0a\xff4", BINARY, NO_KIND),
        (b"\x00\x014", BINARY, NO_KIND),
        (b"\x00" + b"\x01" * 11 + b"\xff4", BINARY, NO_KIND),
        (b"\x00\x02\xff4", BINARY, "expected 2 bytes, got 1"),
        (b"\x00\x01\xff\xff", BINARY, "expected UTF-8"),
        (b"\x01\x01\xff4", BINARY, "expected a binary message, got type byte b'4'"),
        (b"\x01\x00\xff", BINARY, "expected a binary message, got type byte b''"),
    ],
)
def test_a_bad_body_is_refused(body: bytes, content_type: str, error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        LegacyFraming().decode_body(body, content_type)
    assert str(caught.value) == error


JSON_PACKETS = st.text(st.characters(exclude_categories=["Cs"])).map(
    lambda text: f"42{json.dumps([text], ensure_ascii=False)}"
)


def read(packets: list[Encoded]) -> list[Any]:
    """Return what is in packets: bytes, and the values of the JSON."""
    return [json.loads(packet[2:]) if isinstance(packet, str) else packet for packet in packets]


@given(st.lists(JSON_PACKETS | st.binary()), st.booleans())
@settings(deadline=None)
def test_any_packets_survive_frames_and_bodies(packets: list[Encoded], base64: bool) -> None:
    framing = LegacyFraming(base64)
    assert read(framing.decode_body(*framing.encode_body(packets))) == read(packets)
    assert [framing.decode_frame(framing.encode_frame(packet)) for packet in packets] == packets


LENGTHS = st.sampled_from([b"1:", b"2:4a", b"3:", b"b4", b"\x00\x01\xff", b"\x01\x02\xff\x04", "€\U0001f600".encode()])


@given(st.binary() | st.lists(LENGTHS).map(b"".join), st.sampled_from([TEXT, BINARY]))
@settings(deadline=None)
def test_any_body_either_splits_or_is_a_protocol_error(body: bytes, content_type: str) -> None:
    try:
        packets = LegacyFraming().decode_body(body, content_type)
    except ProtocolError:
        return
    assert len(packets) <= len(body)


# Engine.IO 3


def opened(base64: bool = False) -> LegacyEngineProtocol:
    """Return a session that began at START and has sent its open packet."""
    options = EngineOptions(ping_interval=25, ping_timeout=20)
    engine = LegacyEngineProtocol("id-1", options, START, ["websocket"], base64)
    assert engine.data_to_send() == [
        '0{"sid":"id-1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
    ]
    return engine


def test_the_clients_ping_is_answered_with_its_data_and_confirms_what_was_sent() -> None:
    engine = opened()
    engine.receive_data("2", START + 1)
    engine.receive_data("2probe", START + 2)
    assert engine.data_to_send() == ["3", "3probe"]
    assert engine.events_received() == [PongReceived(), PongReceived()]
    assert engine.state is PINGED


def test_the_server_does_not_ping() -> None:
    engine = opened()
    engine.send_ping(START)
    engine.handle_timeout(START + 44.9)
    assert engine.data_to_send() == []


@pytest.mark.parametrize("packet", ["2", "3", "4a", "6", b"\x01"])
def test_any_packet_gives_the_client_its_whole_time_again(packet: Encoded) -> None:
    engine = opened()
    assert engine.next_deadline() == START + 45
    engine.receive_data(packet, START + 40)
    engine.events_received()
    engine.handle_timeout(START + 84.9)
    assert engine.events_received() == []
    engine.handle_timeout(START + 85)
    assert engine.events_received() == [EngineClosed(Reason.PING_TIMEOUT, "no packet within ping interval and timeout")]
    engine.handle_timeout(START + 86)
    assert engine.events_received() == []


@pytest.mark.parametrize(
    ("frame", "happened"),
    [
        ("4a", [MessageReceived("a")]),
        (b"\x04\x01", [MessageReceived(b"\x01")]),
        ("b4AQ==", [MessageReceived(b"\x01")]),
        ("3", []),
        ("1", [EngineClosed(Reason.TRANSPORT_CLOSE, "close packet")]),
        ("0", [EngineClosed(Reason.PARSE_ERROR, "expected a message, pong or close, got packet type 0")]),
        (b"\x01", [EngineClosed(Reason.PARSE_ERROR, "expected a binary message, got type byte b'\\x01'")]),
    ],
)
def test_frames_are_those_of_the_old_protocol(frame: str | bytes, happened: list[EngineEvent]) -> None:
    engine = opened()
    engine.receive_frame(frame, START)
    assert engine.events_received() == happened


def test_the_framing_is_of_the_kind_that_was_asked_for() -> None:
    assert opened(base64=True).framing.base64
    assert not opened().framing.base64
    assert isinstance(opened().framing, LegacyFraming)


# Socket.IO before protocol 5


def begun() -> LegacySocketIOProtocol:
    """Return a connection that has just opened."""
    return LegacySocketIOProtocol(SocketIOOptions(), START)


def test_the_main_namespace_is_asked_for_without_a_packet() -> None:
    protocol = begun()
    assert protocol.events_received() == [ConnectRequested("/", {})]
    assert protocol.next_deadline() == START + 45
    protocol.accept("/", "id")
    assert protocol.data_to_send() == ["0"]
    assert protocol.next_deadline() is None


@pytest.mark.parametrize(
    ("messages", "events"),
    [
        (["0"], []),  # asked for already
        (["0/?token=1"], []),
        (['2["a",0]'], [EventReceived("/", ["a", 0], None)]),
        (["0/room?token=1"], [ConnectRequested("/room", {})]),
        (
            ["0/room", "0/room"],
            [
                ConnectRequested("/room", {}),
                Failed(Reason.PARSE_ERROR, "expected one connect to '/room', got a second"),
            ],
        ),
        (["1", "0"], [DisconnectReceived("/"), ConnectRequested("/", {})]),
    ],
)
def test_other_namespaces_are_asked_for(messages: list[str], events: list[SocketIOEvent]) -> None:
    protocol = begun()
    protocol.accept("/", "id")
    protocol.events_received()
    for message in messages:
        protocol.receive_data(message, START)
    assert protocol.events_received() == events


def test_answers_carry_no_id_and_refusals_are_bare_texts() -> None:
    protocol = begun()
    protocol.receive_data("0/room", START)
    protocol.refuse("/", {"message": "No cookie transmitted.", "data": {"code": "no cookie"}})
    protocol.accept("/room", "id", "private")
    assert protocol.data_to_send() == ['4"No cookie transmitted."', "0/room,"]
    protocol.events_received()
    protocol.receive_data("0", START)
    assert protocol.events_received() == [ConnectRequested("/", {})]  # the refused may ask again


def test_answering_what_was_not_asked_is_this_sides_mistake() -> None:
    protocol = begun()
    protocol.accept("/", "id")
    for namespace in ("/", "/room"):
        with pytest.raises(RuntimeError, match=f"expected the namespace '{namespace}' to be connecting"):
            protocol.accept(namespace, "id")
        with pytest.raises(RuntimeError, match=f"expected the namespace '{namespace}' to be connecting"):
            protocol.refuse(namespace, {"message": "no"})
