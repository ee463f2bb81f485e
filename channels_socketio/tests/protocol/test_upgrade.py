"""The candidate of an upgrade: probe, then upgrade, or it has failed."""

import pytest

from channels_socketio.protocol.engine_packets import Encoded
from channels_socketio.protocol.upgrade import UpgradeProtocol, UpgradeState

OPENED, PROBED, UPGRADED, FAILED = UpgradeState


@pytest.mark.parametrize(
    ("packets", "state", "answers"),
    [
        ([], OPENED, []),
        (["2probe"], PROBED, ["3probe"]),
        (["2probe", "5"], UPGRADED, ["3probe"]),
        (["5"], FAILED, []),
        (["2"], FAILED, []),
        (["2probe "], FAILED, []),
        ([b"2probe"], FAILED, []),
        (["4a"], FAILED, []),
        ([""], FAILED, []),
        (["2probe", "2probe"], FAILED, ["3probe"]),
        (["2probe", "4a"], FAILED, ["3probe"]),
        (["2probe", b"5"], FAILED, ["3probe"]),
        (["2probe", "5a"], FAILED, ["3probe"]),
        (["2probe", "5", "5"], FAILED, ["3probe"]),
        (["4a", "2probe", "5"], FAILED, []),
        (["2probe", "4a", "5"], FAILED, ["3probe"]),
    ],
)
def test_only_probe_and_then_upgrade_take_over(
    packets: list[Encoded], state: UpgradeState, answers: list[Encoded]
) -> None:
    """The same when the answers are taken after each packet and when they are taken at the end."""
    one_by_one, at_once = UpgradeProtocol(), UpgradeProtocol()
    seen: list[Encoded] = []
    for packet in packets:
        one_by_one.receive_data(packet)
        seen += one_by_one.data_to_send()
        at_once.receive_data(packet)
    assert one_by_one.state is at_once.state is state
    assert seen == at_once.data_to_send() == answers
