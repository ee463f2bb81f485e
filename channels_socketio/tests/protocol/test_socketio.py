"""One connection's namespaces on an injected clock: joining, events, acks, attachments, and what ends all."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.reasons import Reason
from channels_socketio.protocol.socketio import (
    AckReceived,
    ConnectRequested,
    DisconnectReceived,
    EventReceived,
    Failed,
    Message,
    SocketIOEvent,
    SocketIOOptions,
    SocketIOProtocol,
    encode_event,
)

START = 100.0
OPTIONS = SocketIOOptions(connect_timeout=45, reassembly_timeout=20, max_attachment_bytes=5, max_namespaces=4)
ONE = '{"_placeholder":true,"num":0}'
TWO = '{"_placeholder":true,"num":1}'


def joined(*namespaces: str) -> SocketIOProtocol:
    """Return a connection that is in `namespaces` and has read and sent all that led there."""
    protocol = SocketIOProtocol(OPTIONS, START)
    for namespace in namespaces:
        protocol.receive_data(f"0{namespace},", START)
        protocol.accept(namespace, f"id of {namespace}")
    protocol.events_received()
    protocol.data_to_send()
    return protocol


def failed(detail: str, reason: Reason = Reason.PARSE_ERROR) -> Failed:
    """Return the event that ends a connection."""
    return Failed(reason, detail)


def event(*args: Any, namespace: str = "/", ack_id: int | None = None) -> EventReceived:
    """Return the event of a received event."""
    return EventReceived(namespace, list(args), ack_id)


NOT_JOINED = failed("expected a connect to '/other' first")
TOO_LARGE = failed("expected at most 5 bytes of attachments", Reason.PAYLOAD_TOO_LARGE)

STREAMS: list[tuple[list[Message], list[SocketIOEvent]]] = [
    ([], []),
    # joining
    (["0/a,"], [ConnectRequested("/a", {})]),
    (['0/a,{"b":[]}', "0/c"], [ConnectRequested("/a", {"b": []}), ConnectRequested("/c", {})]),
    (["0"], [failed("expected one connect to '/', got a second")]),
    (["0/a,", "0/a,"], [ConnectRequested("/a", {}), failed("expected one connect to '/a', got a second")]),
    (["0/a,", '2/a,["b"]'], [ConnectRequested("/a", {}), failed("expected a connect to '/a' first")]),
    (["0/a,", "1/a,"], [ConnectRequested("/a", {}), failed("expected a connect to '/a' first")]),
    (["0/a,", "3/a,1[]"], [ConnectRequested("/a", {}), failed("expected a connect to '/a' first")]),
    (['0/a,"b"'], [failed("expected an object as auth, got str")]),
    (['4{"message":"no"}'], [failed("expected no connect error from a client")]),
    (['4/other,{"message":"no"}'], [failed("expected no connect error from a client")]),
    # events
    (['2["a"]', '2["a",0,"",[]]'], [event("a"), event("a", 0, "", [])]),
    (['20["a"]', '2/room,7["a"]'], [event("a", ack_id=0), event("a", namespace="/room", ack_id=7)]),
    (["2[0]", '2[""]'], [event(0), event("")]),
    ([r'2["a","\ud800"]'], [event("a", "�")]),
    (['2/other,["a"]'], [NOT_JOINED]),
    (["2" + "/" + "o" * 1000 + ',["a"]'], [failed("expected a connect to '/ooooooooooo...ooooooooooooo' first")]),
    (['2["a"]', "2[]", '2["a"]'], [event("a"), failed("expected a list with an event name first")]),
    (["abc", '2["a"]'], [failed("expected a packet type 0 to 6, got 'a'")]),
    ([""], [failed("expected a packet type 0 to 6, got ''")]),
    (['2["connect"]'], [failed("expected an event name that is not reserved, got 'connect'")]),
    # leaving
    (["1"], [DisconnectReceived("/")]),
    (["1/room,", '2["a"]', "0/room,"], [DisconnectReceived("/room"), event("a"), ConnectRequested("/room", {})]),
    (["1/room,", '2/room,["a"]'], [DisconnectReceived("/room"), failed("expected a connect to '/room' first")]),
    (["1", "1"], [DisconnectReceived("/"), failed("expected a connect to '/' first")]),
    (["1/other,"], [NOT_JOINED]),
    (["1{}"], [failed("expected no payload in a disconnect packet")]),
    # acks: 1 and 2 are asked for in "/", 3 in "/room"
    (['31["a"]', "32[]"], [AckReceived("/", 1, ["a"]), AckReceived("/", 2, [])]),
    (["31[0]", "31[1]"], [AckReceived("/", 1, [0])]),
    (["39[]", "33[]", "3/room,1[]", '2["a"]'], [event("a")]),
    (["3/room,3[]"], [AckReceived("/room", 3, [])]),
    (["3/other,1[]"], [NOT_JOINED]),
    (["3[]"], [failed("expected an id in an ack, got none")]),
    # attachments
    ([f'51-["a",{ONE}]', b"1"], [event("a", b"1")]),
    ([f'51-["a",{ONE}]', b""], [event("a", b"")]),
    ([f'52-/room,7["a",{TWO},[{ONE}]]', b"1", b"2345"], [event("a", b"2345", [b"1"], namespace="/room", ack_id=7)]),
    ([f'51-["a",{ONE}]', b"1", '2["b"]'], [event("a", b"1"), event("b")]),
    ([f"61-1[{ONE}]", b"1"], [AckReceived("/", 1, [b"1"])]),
    ([f"61-9[{ONE}]", b"1", '2["b"]'], [event("b")]),
    ([f'52-["a",{ONE},{TWO}]', b"1"], []),
    (['50-["a"]', '2["b"]'], [event("a"), event("b")]),
    (['50-["a"]', b"1"], [event("a"), failed("expected text, got an attachment that no packet announced")]),
    ([b"1"], [failed("expected text, got an attachment that no packet announced")]),
    ([b""], [failed("expected text, got an attachment that no packet announced")]),
    (
        [f'51-["a",{ONE}]', b"1", b"2"],
        [event("a", b"1"), failed("expected text, got an attachment that no packet announced")],
    ),
    ([f'51-["a",{ONE}]', '2["b"]', b"1"], [failed("expected 1 more attachments, got text")]),
    ([f'52-["a",{ONE},{TWO}]', b"1", "1"], [failed("expected 1 more attachments, got text")]),
    ([f'52-["a",{ONE},{TWO}]', "1"], [failed("expected 2 more attachments, got text")]),
    ([f'51-["a",{TWO}]', b"1"], [failed("expected the number of an attachment below 1, got 1")]),
    (['51-["a",{"_placeholder":true}]', b"1"], [failed("expected the number of an attachment below 1, got None")]),
    (
        ['51-["a",' + "[" * 100 + "]" * 100 + "]", b"1"],
        [failed("expected at most 100 levels of nesting in a binary packet")],
    ),
    ([f'51-["a",{ONE}]', b"12345"], [event("a", b"12345")]),
    ([f'51-["a",{ONE}]', b"123456"], [TOO_LARGE]),
    ([f'52-["a",{ONE},{TWO}]', b"123", b"456", '2["b"]'], [TOO_LARGE]),
    ([f'53-["a",{ONE}]', b"123", b"456"], [TOO_LARGE]),  # as soon as it is known
    ([f'511-["a",{ONE}]'], [failed("expected at most 10 attachments, got 11")]),
    ([f'5["a",{ONE}]'], [failed("expected a number of attachments and '-' in packet type 5")]),
    ([f'51-/other,["a",{ONE}]'], [NOT_JOINED]),
    ([f"61-/other,1[{ONE}]"], [NOT_JOINED]),
]


@pytest.mark.parametrize(("messages", "events"), STREAMS)
def test_messages_become_the_same_events_read_one_by_one_or_at_once(
    messages: list[Message], events: list[SocketIOEvent]
) -> None:
    one_by_one, at_once = joined("/", "/room"), joined("/", "/room")
    seen: list[SocketIOEvent] = []
    for protocol in (one_by_one, at_once):
        protocol.expect_ack("/", 1)
        protocol.expect_ack("/", 2)
        protocol.expect_ack("/room", 3)
    for message in messages:
        one_by_one.receive_data(message, START)
        seen += one_by_one.events_received()
        at_once.receive_data(message, START)
    assert seen == at_once.events_received() == events
    assert one_by_one.data_to_send() == at_once.data_to_send() == []


def test_the_first_packet_must_be_a_connect() -> None:
    for text in ('2["a"]', "1", "31[]", '51-["a"]'):
        protocol = SocketIOProtocol(OPTIONS, START)
        protocol.receive_data(text, START)
        assert protocol.events_received() == [failed("expected a connect to '/' first")]


def test_after_a_failure_nothing_happens_any_more() -> None:
    """Not even at the deadlines that were pending."""
    protocol = SocketIOProtocol(OPTIONS, START)
    protocol.receive_data("abc", START)
    assert len(protocol.events_received()) == 1
    protocol.receive_data('2["a"]', START)
    protocol.receive_data(b"1", START)
    protocol.handle_timeout(START + 1000)
    assert protocol.events_received() == []
    assert protocol.next_deadline() is None


def test_what_is_sent_is_written_in_order_and_once() -> None:
    protocol = SocketIOProtocol(OPTIONS, START)
    protocol.receive_data("0", START)
    protocol.receive_data("0/a,", START)
    protocol.receive_data("0/b,", START)
    protocol.accept("/", "id-1")
    protocol.refuse("/a", {"message": "no", "data": {"code": "é"}})
    protocol.accept("/b", "id-2", "private")
    protocol.send_ack("/", 0, ())
    protocol.send_ack("/b", 1, [b""])
    protocol.disconnect("/b")
    assert protocol.data_to_send() == [
        '0{"sid":"id-1"}',
        '4/a,{"message":"no","data":{"code":"é"}}',
        '0/b,{"sid":"id-2","pid":"private"}',
        "30[]",
        f"61-/b,1[{ONE}]",
        b"",
        "1/b,",
    ]
    assert protocol.data_to_send() == []


def test_an_event_is_encoded_for_all_sockets_of_its_namespace() -> None:
    assert encode_event("/b", ["a"], 5) == ['2/b,5["a"]']
    assert encode_event("/", ("a", 0, b"\x01")) == [f'51-["a",0,{ONE}]', b"\x01"]
    with pytest.raises(TypeError):
        encode_event("/", ["a", object()])


def test_an_answer_to_an_event_comes_once_and_not_after_it_was_forgotten() -> None:
    protocol = joined("/", "/room")
    protocol.expect_ack("/", 1)
    protocol.expect_ack("/room", 1)
    protocol.expect_ack("/", 2)
    protocol.forget_ack("/", 2)
    protocol.forget_ack("/", 2)
    protocol.forget_ack("/unknown", 2)
    for text in ("32[]", "3/room,1[0]", "31[]", "31[]"):
        protocol.receive_data(text, START)
    assert protocol.events_received() == [AckReceived("/room", 1, [0]), AckReceived("/", 1, [])]


def test_acks_asked_for_before_a_namespace_was_left_are_unknown_after_coming_back() -> None:
    protocol = joined("/")
    protocol.expect_ack("/", 1)
    protocol.receive_data("1", START)
    protocol.receive_data("0", START)
    protocol.accept("/", "id-2")
    protocol.receive_data("31[]", START)
    assert protocol.events_received() == [DisconnectReceived("/"), ConnectRequested("/", {})]


def test_a_namespace_too_many_is_refused_and_the_others_go_on() -> None:
    protocol = joined("/", "/a", "/b", "/x")
    protocol.receive_data("0/c,", START)
    protocol.receive_data('2/b,["a"]', START)
    assert protocol.events_received() == [event("a", namespace="/b")]
    assert protocol.data_to_send() == ['4/c,{"message":"Too many namespaces."}']
    protocol.receive_data("1/a,", START)
    protocol.receive_data("0/c,", START)
    assert protocol.events_received() == [DisconnectReceived("/a"), ConnectRequested("/c", {})]


def test_a_peer_may_be_told_why_before_it_is_disconnected() -> None:
    protocol = joined("/")
    protocol.disconnect("/", ["session ended", {"reason": "why"}])
    assert protocol.data_to_send() == ['2["session ended",{"reason":"why"}]', "1"]


def test_a_refused_or_disconnected_peer_may_ask_again() -> None:
    protocol = SocketIOProtocol(OPTIONS, START)
    answers: list[Callable[[], None]] = [
        lambda: protocol.refuse("/", {"message": "no"}),
        lambda: protocol.accept("/", "id"),
    ]
    for answer in answers:
        protocol.receive_data("0", START)
        assert protocol.events_received() == [ConnectRequested("/", {})]
        answer()
    protocol.disconnect("/")
    protocol.receive_data("0", START)
    assert protocol.events_received() == [ConnectRequested("/", {})]


def test_a_peer_that_joins_no_namespace_fails_at_the_connect_timeout() -> None:
    protocol = SocketIOProtocol(OPTIONS, START)
    protocol.receive_data("0", START)
    protocol.receive_data("0/a,", START)
    protocol.refuse("/", {"message": "no"})  # neither a refusal nor a request counts
    assert protocol.next_deadline() == START + 45
    protocol.handle_timeout(START + 44.9)
    assert len(protocol.events_received()) == 2
    protocol.handle_timeout(START + 45)
    assert protocol.events_received() == [failed("no namespace joined within 45 s", Reason.CONNECT_TIMEOUT)]


def test_the_first_joined_namespace_ends_the_connect_timeout_for_good() -> None:
    protocol = joined("/")
    protocol.receive_data("1", START)
    assert protocol.next_deadline() is None
    protocol.handle_timeout(START + 1000)
    assert protocol.events_received() == [DisconnectReceived("/")]


def test_attachments_that_stay_away_fail_at_the_reassembly_timeout() -> None:
    protocol = joined("/")
    protocol.receive_data(f'52-["a",{ONE},{TWO}]', START + 50)
    protocol.receive_data(b"1", START + 60)  # does not buy time
    assert protocol.next_deadline() == START + 70
    protocol.handle_timeout(START + 69.9)
    assert protocol.events_received() == []
    protocol.handle_timeout(START + 70)
    assert protocol.events_received() == [failed("attachments missing after 20 s")]


def test_complete_attachments_have_no_deadline() -> None:
    protocol = joined("/")
    protocol.receive_data(f'51-["a",{ONE}]', START)
    protocol.receive_data(b"1", START)
    assert protocol.next_deadline() is None


@pytest.mark.parametrize(
    ("known", "misuse"),
    [
        (["/a"], lambda protocol: protocol.accept("/", "id")),
        (["/"], lambda protocol: protocol.accept("/", "id")),
        ([], lambda protocol: protocol.refuse("/", {"message": "no"})),
        (["/"], lambda protocol: protocol.refuse("/", {"message": "no"})),
    ],
)
def test_answering_what_was_not_asked_is_this_sides_mistake(known: list[str], misuse: Any) -> None:
    protocol = joined(*known)
    with pytest.raises(RuntimeError, match="expected the namespace '/' to be connecting"):
        misuse(protocol)
    assert protocol.data_to_send() == []


@pytest.mark.parametrize("connecting", [False, True])
@pytest.mark.parametrize(
    "misuse",
    [
        lambda protocol: protocol.disconnect("/"),
        lambda protocol: protocol.send_ack("/", 1, []),
        lambda protocol: protocol.expect_ack("/", 1),
    ],
)
def test_sending_to_a_peer_outside_the_namespace_is_this_sides_mistake(misuse: Any, connecting: bool) -> None:
    protocol = SocketIOProtocol(OPTIONS, START)
    if connecting:
        protocol.receive_data("0", START)
    with pytest.raises(RuntimeError, match="expected the namespace '/' to be connected"):
        misuse(protocol)
    assert protocol.data_to_send() == []


def test_close_ends_all() -> None:
    protocol = joined("/", "/a")
    protocol.receive_data("0/b,", START)
    protocol.receive_data(f'51-["a",{ONE}]', START)
    protocol.events_received()
    protocol.close()
    protocol.close()
    protocol.receive_data(b"1", START)
    assert protocol.events_received() == []
    assert protocol.next_deadline() is None
    with pytest.raises(RuntimeError):
        protocol.send_ack("/", 1, [])


MESSAGES = st.sampled_from([message for messages, _ in STREAMS for message in messages]) | st.text() | st.binary()


@given(st.lists(MESSAGES, max_size=20), st.data())
@settings(deadline=None)
def test_no_sequence_of_messages_raises_and_a_failure_is_the_last_event(
    messages: list[Message], data: st.DataObject
) -> None:
    """Whatever the server answers meanwhile: a failure comes once, events only from joined namespaces."""
    protocol = SocketIOProtocol(OPTIONS, START)
    asked: set[str] = set()
    inside: set[str] = set()
    over = False
    for now, message in enumerate(messages, start=int(START)):
        protocol.receive_data(message, now)
        protocol.handle_timeout(now)
        for happened in protocol.events_received():
            assert not over
            match happened:
                case ConnectRequested(namespace):
                    assert namespace not in asked | inside
                    asked.add(namespace)
                case DisconnectReceived(namespace):
                    inside.remove(namespace)
                case EventReceived(namespace) | AckReceived(namespace):
                    assert namespace in inside
                case Failed():
                    over = True
        if asked and not over and data.draw(st.booleans()):
            namespace = min(asked)
            asked.remove(namespace)
            protocol.accept(namespace, "id")
            inside.add(namespace)
    assert protocol._namespaces.keys() == asked | inside
