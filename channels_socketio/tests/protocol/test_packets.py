"""Socket.IO packets: one table used in both directions, one of bad input with the exact error, any text and packet."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.protocol.packets import (
    MAX_ATTACHMENTS,
    MAX_DEPTH,
    RESERVED_EVENTS,
    Packet,
    PacketType,
    decode_packet,
    encode_packet,
    fill_placeholders,
)
from channels_socketio.protocol.reasons import ProtocolError, Reason

CONNECT, DISCONNECT, EVENT, ACK, CONNECT_ERROR, BINARY_EVENT, BINARY_ACK = PacketType

PACKETS: list[tuple[str, list[bytes], Packet]] = [
    ("0{}", [], Packet(CONNECT, "/", {})),
    ('0{"token":"é"}', [], Packet(CONNECT, "/", {"token": "é"})),
    ('0/admin,{"sid":"a"}', [], Packet(CONNECT, "/admin", {"sid": "a"})),
    ("1", [], Packet(DISCONNECT, "/")),
    ("1/admin,", [], Packet(DISCONNECT, "/admin")),
    ('2["a"]', [], Packet(EVENT, "/", ["a"])),
    ('2["",0,"",[],{},null,false,1.5]', [], Packet(EVENT, "/", ["", 0, "", [], {}, None, False, 1.5])),
    ('212["a",{"b":[1]}]', [], Packet(EVENT, "/", ["a", {"b": [1]}], 12)),
    ('20["a"]', [], Packet(EVENT, "/", ["a"], 0)),
    ("2[1]", [], Packet(EVENT, "/", [1])),
    ("2[1.5]", [], Packet(EVENT, "/", [1.5])),
    ('2["€\U0001f600 "]', [], Packet(EVENT, "/", ["€\U0001f600 "])),
    ('2["1-","/a,"]', [], Packet(EVENT, "/", ["1-", "/a,"])),
    ('2/rooms/tea,7["a"]', [], Packet(EVENT, "/rooms/tea", ["a"], 7)),
    ('2/,7["a"]', [], Packet(EVENT, "/", ["a"], 7)),
    ('2["a",{"_placeholder":true,"num":0}]', [], Packet(EVENT, "/", ["a", {"_placeholder": True, "num": 0}])),
    ("312[]", [], Packet(ACK, "/", [], 12)),
    ('3/admin,0["a"]', [], Packet(ACK, "/admin", ["a"], 0)),
    ('3999999999999999["a"]', [], Packet(ACK, "/", ["a"], 999999999999999)),
    ('4{"message":"no"}', [], Packet(CONNECT_ERROR, "/", {"message": "no"})),
    ('4/admin,"no"', [], Packet(CONNECT_ERROR, "/admin", "no")),
    ('51-["a",{"_placeholder":true,"num":0}]', [b"\x01"], Packet(EVENT, "/", ["a", b"\x01"])),
    ('51-["a",{"_placeholder":true,"num":0}]', [b""], Packet(EVENT, "/", ["a", b""])),
    (
        '52-/admin,7["a",{"b":[{"_placeholder":true,"num":0}]},[[{"_placeholder":true,"num":1}]]]',
        [b"\x01", b"\x02"],
        Packet(EVENT, "/admin", ["a", {"b": [b"\x01"]}, [[b"\x02"]]], 7),
    ),
    ('61-0[{"_placeholder":true,"num":0}]', [b"\xff"], Packet(ACK, "/", [b"\xff"], 0)),
    (
        '510-["a",' + ",".join(f'{{"_placeholder":true,"num":{number}}}' for number in range(10)) + "]",
        [b"0"] * 10,
        Packet(EVENT, "/", ["a", *[b"0"] * 10]),
    ),
]


@pytest.mark.parametrize(("text", "attachments", "packet"), PACKETS)
def test_packet_and_its_encoded_form_become_each_other(text: str, attachments: list[bytes], packet: Packet) -> None:
    decoded = decode_packet(text)
    assert decoded.attachments == len(attachments)
    assert (fill_placeholders(decoded, attachments) if attachments else decoded) == packet
    assert encode_packet(packet) == [text.replace("/,", "", 1) if text[1:3] == "/," else text, *attachments]


@pytest.mark.parametrize(
    ("text", "packet"),
    [
        ("0", Packet(CONNECT, "/", {})),
        ("0/admin,", Packet(CONNECT, "/admin", {})),
        ("0/admin", Packet(CONNECT, "/admin", {})),
        ("0/admin?token=1", Packet(CONNECT, "/admin", {})),
        ('0/?a=1,{"b":2}', Packet(CONNECT, "/", {"b": 2})),
        ("1/admin", Packet(DISCONNECT, "/admin")),
        ("0/a\nb,", Packet(CONNECT, "/a\nb", {})),
        ("0/__proto__,", Packet(CONNECT, "/__proto__", {})),
        ('2 [ "a" ]', Packet(EVENT, "/", ["a"])),
        ('2007["a"]', Packet(EVENT, "/", ["a"], 7)),
        ('50-["a"]', Packet(EVENT, "/", ["a"])),
        ("60-1[]", Packet(ACK, "/", [], 1)),
        (r'2["\ud83d\ude00"]', Packet(EVENT, "/", ["\U0001f600"])),
        (r'2["\ud83d"]', Packet(EVENT, "/", ["�"])),
        (r'2["a\uDE00b"]', Packet(EVENT, "/", ["a�b"])),
        (r'2["\ude00\ud83d"]', Packet(EVENT, "/", ["��"])),
        (r'2["\ud83d\ud83d\ude00"]', Packet(EVENT, "/", ["�\U0001f600"])),
        (r'2["a",{"\ud800":["\ud800",0,null]},"\ufeff"]', Packet(EVENT, "/", ["a", {"�": ["�", 0, None]}, "\ufeff"])),
        (r'2["\\ud83d"]', Packet(EVENT, "/", [r"\ud83d"])),
        (r'0{"a":"\udfff"}', Packet(CONNECT, "/", {"a": "�"})),
    ],
)
def test_texts_that_this_side_would_not_write_are_understood(text: str, packet: Packet) -> None:
    assert decode_packet(text) == packet


JSON_FAILED = "expected JSON: JSONDecodeError"
NO_LIST = "expected a list with an event name first"
BAD_TEXTS = [
    ("", "expected a packet type 0 to 6, got ''"),
    ("7", "expected a packet type 0 to 6, got '7'"),
    ("abc", "expected a packet type 0 to 6, got 'a'"),
    ("٢[]", "expected a packet type 0 to 6, got '٢'"),
    ("0[]", "expected an object as auth, got list"),
    ('0"a"', "expected an object as auth, got str"),
    ("0null", "expected an object as auth, got NoneType"),
    ("0{", JSON_FAILED),
    ("0admin", JSON_FAILED),
    ("01{}", "expected no id in packet type 0, got 1"),
    ("00-{}", "expected no attachments in packet type 0, got 0"),
    ("1{}", "expected no payload in a disconnect packet"),
    ("1/admin,[]", "expected no payload in a disconnect packet"),
    ("17", "expected no id in packet type 1, got 7"),
    ("2", NO_LIST),
    ("2/admin", NO_LIST),
    ("2[]", NO_LIST),
    ("2null", NO_LIST),
    ("2{}", NO_LIST),
    ('2"a"', NO_LIST),
    ("2[null]", "expected a text or number as event name, got NoneType"),
    ("2[true]", "expected a text or number as event name, got bool"),
    ("2[{}]", "expected a text or number as event name, got dict"),
    ('2[["a"]]', "expected a text or number as event name, got list"),
    ('2["a"', JSON_FAILED),
    ('2["a"]]', JSON_FAILED),
    ('2a["a"]', JSON_FAILED),
    ('2-1["a"]', JSON_FAILED),
    ('2٣["a"]', JSON_FAILED),
    ('2/admin["a","b"]', JSON_FAILED),
    ('\ufeff2["a"]', "expected a packet type 0 to 6, got '\\ufeff'"),
    ('2\ufeff["a"]', JSON_FAILED),
    ('2["\n"]', JSON_FAILED),
    ('2["a",NaN]', "expected JSON: ValueError"),
    ('2["a",-Infinity]', "expected JSON: ValueError"),
    ('2["a",1e999]', "expected JSON: ValueError"),
    ('2["a",-1e999]', "expected JSON: ValueError"),
    ('2["a",' + "1" * 5000 + "]", "expected JSON: ValueError"),
    ("2" + "[" * 100_000, "expected JSON: RecursionError"),
    ('21-["a"]', "expected no attachments in packet type 2, got 1"),
    ('20-["a"]', "expected no attachments in packet type 2, got 0"),
    ('21234567890123456["a"]', "expected an id of at most 15 digits, got 16"),
    ("3[]", "expected an id in an ack, got none"),
    ("3/admin,[]", "expected an id in an ack, got none"),
    ("31", "expected a list in an ack, got NoneType"),
    ("31{}", "expected a list in an ack, got dict"),
    ('31"a"', "expected a list in an ack, got str"),
    ("3-1[]", "expected an id in an ack, got none"),
    ("4", "expected an object as error, got NoneType"),
    ("4[]", "expected an object as error, got list"),
    ("41{}", "expected no id in packet type 4, got 1"),
    ('5["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('51["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('5-1["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('5a-["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('51.5-["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('5٣-["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('51234567890-["a"]', "expected a number of attachments and '-' in packet type 5"),
    ('511-["a"]', "expected at most 10 attachments, got 11"),
    ('5999999999-["a"]', "expected at most 10 attachments, got 999999999"),
    ('51-[{"_placeholder":true,"num":0}]', "expected a text or number as event name, got dict"),
    ("51-", NO_LIST),
    ("6[]", "expected a number of attachments and '-' in packet type 6"),
    ("61[]", "expected a number of attachments and '-' in packet type 6"),
    ("61-[]", "expected an id in an ack, got none"),
    *(
        (f'2["{name}"]', f"expected an event name that is not reserved, got '{name}'")
        for name in sorted(RESERVED_EVENTS)
    ),
]


@pytest.mark.parametrize(("text", "error"), BAD_TEXTS, ids=[text[:30].encode().hex() for text, _ in BAD_TEXTS])
def test_bad_text_is_refused_with_what_was_expected_and_what_came(text: str, error: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode_packet(text)
    assert str(caught.value) == error
    assert caught.value.reason is Reason.PARSE_ERROR


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("1", "1"),
        ("-1", "-1"),
        ("true", "True"),
        ("0.0", "0.0"),
        ("null", "None"),
        ('"0"', "'0'"),
        ('"' + "a" * 1000 + '"', "'aaaaaaaaaaaa...aaaaaaaaaaaaa'"),
    ],
)
def test_a_placeholder_must_have_the_number_of_an_attachment(number: str, shown: str) -> None:
    """What came is shown cut short: it goes to the log."""
    packet = decode_packet('51-["a",[{"b":{"_placeholder":true,"num":' + number + "}}]]")
    with pytest.raises(ProtocolError) as caught:
        fill_placeholders(packet, [b""])
    assert str(caught.value) == f"expected the number of an attachment below 1, got {shown}"


def test_placeholders_stand_for_attachments_in_any_number_and_order() -> None:
    """One attachment may be used twice, another not at all; an untrue `_placeholder` is just data."""
    data = [
        {"_placeholder": True, "num": 1},
        {"_placeholder": True, "num": 1, "more": 2},
        {"_placeholder": 1, "num": 0},
    ]
    packet = decode_packet("52-" + json.dumps(["a", *data]))
    assert fill_placeholders(packet, [b"0", b"1"]).data == ["a", b"1", b"1", {"_placeholder": 1, "num": 0}]
    assert packet.data == ["a", *data]  # the argument is left alone


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_a_binary_packet_may_be_nested_to_a_limit(opening: str, closing: str) -> None:
    fits, too_deep = (
        decode_packet('51-["a",' + opening * depth + "1" + closing * depth + "]")
        for depth in (MAX_DEPTH - 1, MAX_DEPTH)
    )
    assert fill_placeholders(fits, [b""]).data == fits.data
    with pytest.raises(ProtocolError, match="expected at most 100 levels of nesting in a binary packet"):
        fill_placeholders(too_deep, [b""])


@pytest.mark.parametrize("binary", [b"\x01", bytearray(b"\x01"), memoryview(b"\x01")])
def test_all_kinds_of_bytes_become_attachments(binary: Any) -> None:
    assert encode_packet(Packet(EVENT, "/", ["a", binary])) == ['51-["a",{"_placeholder":true,"num":0}]', b"\x01"]


@pytest.mark.parametrize(
    ("packet", "error", "message"),
    [
        (Packet(EVENT, "/", ["a", object()]), TypeError, "expected JSON values and bytes, got object"),
        (Packet(EVENT, "/", ["a", {1, 2}]), TypeError, "expected JSON values and bytes, got set"),
        (Packet(EVENT, "/", ["a", {(): 1}]), TypeError, "keys must be str"),
        (Packet(EVENT, "/", ["a", math.nan]), ValueError, "not JSON compliant"),
        (Packet(EVENT, "/", ["a", math.inf]), ValueError, "not JSON compliant"),
        (Packet(EVENT, "/", ["a", *[b""] * 11]), ValueError, "expected at most 10 attachments, got more"),
        (Packet(CONNECT_ERROR, "/", {"data": b""}), TypeError, "expected no bytes in packet type 4"),
    ],
)
def test_data_that_cannot_be_carried_is_this_sides_mistake(
    packet: Packet, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        encode_packet(packet)


def count_bytes(value: Any) -> int:
    """Return how many values in a tree are bytes: each is an attachment."""
    if isinstance(value, list | dict):
        return sum(map(count_bytes, value.values() if isinstance(value, dict) else value))
    return isinstance(value, bytes)


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
NAMESPACES = st.text(st.characters(exclude_characters=",?", exclude_categories=["Cs"])).map("/{}".format)
NAMES = (st.text() | st.integers()).filter(lambda name: name not in RESERVED_EVENTS)
IDS = st.integers(0, 10**15 - 1)
ARGS = st.lists(JSON_VALUES, max_size=4).filter(lambda args: count_bytes(args) <= MAX_ATTACHMENTS)
ANY_PACKET = (
    st.builds(
        Packet, st.just(EVENT), NAMESPACES, st.builds(lambda name, args: [name, *args], NAMES, ARGS), st.none() | IDS
    )
    | st.builds(Packet, st.just(ACK), NAMESPACES, ARGS, IDS)
    | st.builds(Packet, st.just(DISCONNECT), NAMESPACES)
    | st.builds(Packet, st.sampled_from([CONNECT, CONNECT_ERROR]), NAMESPACES, st.dictionaries(st.text(), st.text()))
)


@given(ANY_PACKET)
@settings(deadline=None)
def test_any_packet_of_json_values_and_bytes_survives_the_wire(packet: Packet) -> None:
    text, *attachments = encode_packet(packet)
    decoded = decode_packet(str(text))
    filled = fill_placeholders(decoded, [bytes(item) for item in attachments if isinstance(item, bytes)])
    assert decoded.attachments == len(attachments)
    assert filled == packet
    assert repr(filled) == repr(packet)  # 1 is not True, 0.0 not 0


JSON_LIKE = st.lists(
    st.sampled_from(
        [*'0123456789-/,[]{}":.?é', '"a"', '"\\ud800"', '{"_placeholder":true,"num":0}', "null", "1e999", "NaN"]
    )
).map("".join)


@given(st.text() | JSON_LIKE | st.builds("{}{}".format, st.sampled_from("0123456"), JSON_LIKE))
@settings(deadline=None, max_examples=500)
def test_any_text_either_parses_to_what_can_be_sent_on_or_is_a_protocol_error(text: str) -> None:
    try:
        packet = decode_packet(text)
        filled = fill_placeholders(packet, [b"0"] * packet.attachments)
    except ProtocolError:
        return
    assert all(isinstance(part, bytes) or part.encode() for part in encode_packet(filled))
