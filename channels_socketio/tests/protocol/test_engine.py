"""One engine session on an injected clock: open, heartbeat, messages, what the peer may not send, close."""

import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.engine import (
    EngineClosed,
    EngineEvent,
    EngineOptions,
    EngineProtocol,
    EngineState,
    MessageReceived,
    PongReceived,
)
from channels_socketio.protocol.engine_packets import Encoded
from channels_socketio.protocol.reasons import Reason

START = 100.0
OPTIONS = EngineOptions(ping_interval=25, ping_timeout=20, max_payload=12)


def opened(options: EngineOptions = OPTIONS) -> EngineProtocol:
    """Return a session that began at START and has sent its open packet."""
    engine = EngineProtocol("sid", options, START)
    engine.data_to_send()
    return engine


def pinged() -> EngineProtocol:
    """Return a session that has just sent its first ping, at START + 25."""
    engine = opened()
    engine.handle_timeout(START + 25)
    assert engine.data_to_send() == ["2"]
    return engine


def failed(detail: str, reason: Reason = Reason.PARSE_ERROR) -> EngineClosed:
    """Return the event of a session that ended because of what the peer did."""
    return EngineClosed(reason, detail)


def unexpected(kind: int) -> EngineClosed:
    """Return the event of a session that got a packet which only a server sends."""
    return failed(f"expected a message, pong or close, got packet type {kind}")


@pytest.mark.parametrize(
    ("options", "upgrades", "packet"),
    [
        (
            EngineOptions(),
            ["websocket"],
            '0{"sid":"id-1","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}',
        ),
        (
            EngineOptions(ping_interval=0.3, ping_timeout=0.2, max_payload=7),
            [],
            '0{"sid":"id-1","upgrades":[],"pingInterval":300,"pingTimeout":200,"maxPayload":7}',
        ),
    ],
)
def test_the_open_packet_is_sent_first_and_once(options: EngineOptions, upgrades: list[str], packet: str) -> None:
    engine = EngineProtocol("id-1", options, START, upgrades)
    engine.send_message("later")
    assert engine.data_to_send() == [packet, "4later"]
    assert engine.data_to_send() == []
    assert json.loads(packet[1:])["sid"] == engine.sid


@pytest.mark.parametrize(
    ("packets", "events"),
    [
        ([], []),
        (["4a"], [MessageReceived("a")]),
        (["4"], [MessageReceived("")]),
        ([b""], [MessageReceived(b"")]),
        (["4a", b"\x01", "42"], [MessageReceived("a"), MessageReceived(b"\x01"), MessageReceived("2")]),
        (["6", "4a", "6"], [MessageReceived("a")]),
        (["3", "3", "4a"], [MessageReceived("a")]),  # pongs nobody asked for
        (["1"], [EngineClosed(Reason.TRANSPORT_CLOSE, "close packet")]),
        (["4a", "1", "4b", "1"], [MessageReceived("a"), EngineClosed(Reason.TRANSPORT_CLOSE, "close packet")]),
        (["4a", "0", "4b"], [MessageReceived("a"), unexpected(0)]),
        (["2"], [unexpected(2)]),
        (["2probe"], [unexpected(2)]),
        (["5"], [unexpected(5)]),
        ([""], [failed("expected a packet type 0 to 6, got ''")]),
        (["abc", "4a"], [failed("expected a packet type 0 to 6, got 'a'")]),
        (["7"], [failed("expected a packet type 0 to 6, got '7'")]),
        (["4" + "a" * 11, b"a" * 12], [MessageReceived("a" * 11), MessageReceived(b"a" * 12)]),
        (["4" + "a" * 12], [failed("expected at most 12 bytes, got 13", Reason.PAYLOAD_TOO_LARGE)]),
        ([b"a" * 13], [failed("expected at most 12 bytes, got 13", Reason.PAYLOAD_TOO_LARGE)]),
        (["4a€€€"], [MessageReceived("a€€€")]),
        (["4aa€€€"], [MessageReceived("aa€€€")]),
        (["4aa€€€€"], [failed("expected at most 12 bytes, got 15", Reason.PAYLOAD_TOO_LARGE)]),
        (["4\ud800\ud800\ud800\ud800"], [failed("expected at most 12 bytes, got 13", Reason.PAYLOAD_TOO_LARGE)]),
    ],
)
def test_packets_become_the_same_events_read_one_by_one_or_at_once(
    packets: list[Encoded], events: list[EngineEvent]
) -> None:
    one_by_one, at_once = opened(), opened()
    seen: list[EngineEvent] = []
    for packet in packets:
        one_by_one.receive_data(packet, START)
        seen += one_by_one.events_received()
        at_once.receive_data(packet, START)
    assert seen == at_once.events_received() == events
    assert one_by_one.data_to_send() == at_once.data_to_send() == []
    closed = any(isinstance(event, EngineClosed) for event in events)
    assert at_once.state is (EngineState.CLOSED if closed else EngineState.OPEN)


@pytest.mark.parametrize(
    ("frame", "happened"),
    [
        ("4a", MessageReceived("a")),
        (b"\x01", MessageReceived(b"\x01")),
        ("bAQ==", MessageReceived(b"\x01")),
        ("b", MessageReceived(b"")),
        ("b" + "AAAA" * 5, failed("expected at most 12 bytes, got 15", Reason.PAYLOAD_TOO_LARGE)),
        ("bA", failed("expected base64")),
        ("a", failed("expected a packet type 0 to 6, got 'a'")),
    ],
)
def test_a_websocket_frame_is_one_packet(frame: str | bytes, happened: EngineEvent) -> None:
    engine = opened()
    engine.receive_frame(frame, START)
    assert engine.events_received() == [happened]


def test_a_polling_body_is_split_or_closes_the_session() -> None:
    engine = opened()
    assert engine.split_body(b"4a\x1ebAQ==\x1e1", "text/plain") == ["4a", b"\x01", "1"]
    assert engine.events_received() == []
    assert engine.split_body(b"4a\x1ebA", "text/plain") == []
    assert engine.events_received() == [failed("expected base64")]


def test_the_framing_is_of_the_kind_that_was_asked_for() -> None:
    assert EngineProtocol("sid", OPTIONS, START, base64=True).framing.base64
    assert not EngineProtocol("sid", OPTIONS, START).framing.base64


def test_messages_are_sent_in_order_empty_ones_too() -> None:
    engine = opened()
    for message in ("a", b"\x01", "", b""):
        engine.send_message(message)
    assert engine.data_to_send() == ["4a", b"\x01", "4", b""]


def test_a_ping_goes_out_every_interval_and_a_pong_moves_the_deadline() -> None:
    engine = opened()
    assert engine.next_deadline() == START + 25
    engine.handle_timeout(START + 24.9)
    assert engine.data_to_send() == []
    engine.handle_timeout(START + 25)
    assert engine.data_to_send() == ["2"]
    assert engine.next_deadline() == START + 45
    engine.receive_data("3", START + 30)
    assert engine.events_received() == [PongReceived()]
    assert engine.next_deadline() == START + 55  # the period is interval + round trip
    engine.handle_timeout(START + 55)
    assert engine.data_to_send() == ["2"]


def test_a_peer_that_does_not_answer_a_ping_is_closed_at_the_timeout() -> None:
    engine = pinged()
    engine.handle_timeout(START + 44.9)
    engine.receive_data("4busy", START + 44.9)
    assert engine.events_received() == [MessageReceived("busy")]
    engine.handle_timeout(START + 45)
    assert engine.events_received() == [EngineClosed(Reason.PING_TIMEOUT, "no pong within 20 s")]
    assert engine.next_deadline() is None


def test_one_pong_answers_one_ping() -> None:
    engine = pinged()
    engine.receive_data("3", START + 26)
    engine.receive_data("3", START + 40)
    assert engine.events_received() == [PongReceived()]
    assert engine.next_deadline() == START + 51


def test_an_early_ping_takes_the_place_of_the_next_one() -> None:
    engine = opened()
    engine.send_ping(START + 10)
    engine.send_ping(START + 11)
    assert engine.data_to_send() == ["2"]
    assert engine.next_deadline() == START + 30
    engine.receive_data("3", START + 12)
    assert engine.next_deadline() == START + 37


def test_extend_gives_the_whole_time_again() -> None:
    waiting, idle = pinged(), opened()
    waiting.extend(START + 44)
    idle.extend(START + 44)
    assert (waiting.next_deadline(), idle.next_deadline()) == (START + 64, START + 69)
    waiting.handle_timeout(START + 63.9)
    assert waiting.events_received() == []


@pytest.mark.parametrize("reason", [Reason.SERVER_SHUTTING_DOWN, Reason.PARSE_ERROR])
def test_a_closed_session_says_so_once_and_does_nothing_more(reason: Reason) -> None:
    engine = opened()
    engine.send_message("before")
    engine.close(reason)
    engine.close(Reason.TRANSPORT_CLOSE)
    engine.receive_data("4a", START)
    engine.send_message("after")
    engine.send_ping(START)
    engine.handle_timeout(START + 1000)
    assert engine.events_received() == [EngineClosed(reason)]
    assert engine.events_received() == []
    assert engine.data_to_send() == ["4before"]
    assert engine.next_deadline() is None


@given(st.lists(st.text() | st.binary() | st.sampled_from(["1", "2", "3", "4", "40", "6"])))
@settings(deadline=None)
def test_no_sequence_of_packets_raises_and_the_close_is_the_last_event(packets: Iterable[Encoded]) -> None:
    engine = opened()
    for now, packet in enumerate(packets, start=int(START)):
        engine.receive_data(packet, now)
        engine.handle_timeout(now)
    events = engine.events_received()
    closes = [event for event in events if isinstance(event, EngineClosed)]
    assert closes == (events[-1:] if engine.state is EngineState.CLOSED else [])


def test_reasons_have_texts_of_their_own() -> None:
    """Two equal rows would be one reason with two names."""
    assert len({reason.text for reason in Reason.__members__.values()}) == len(Reason.__members__)
