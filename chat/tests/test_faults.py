"""Whatever fails: what was acked is stored once, what was refused is not, and everybody ends with the whole log.

Twelve seeds with 420 messages of 20 visitors each; `python -m chat.tests.faults` is the same with more messages.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from chat.tests.cluster import Cluster, Row
from chat.tests.faults import Plan, run
from chat.tests.verdict import judge

MESSAGES, CLIENTS, TALK_SECONDS = 420, 20, 2.0
COMBINATIONS = [("sqlite", "memory"), ("sqlite", "redis"), ("postgresql", "memory"), ("postgresql", "redis")]
ROWS = [Row(1, "a", "7", "one"), Row(2, "b", "7", "two")]


@pytest.fixture(scope="module", params=COMBINATIONS, ids="-".join)
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The servers with one database and one layer, for all seeds of these."""
    database, layer = request.param
    with Cluster(tmp_path_factory.mktemp("cluster"), database, layer, "1") as running:
        yield running
        assert running.errors() == []


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_everybody_has_everything_once_whatever_fails(cluster: Cluster, turn: int) -> None:
    seed = 10 * COMBINATIONS.index((cluster.database, cluster.layer)) + turn
    outcome = await run(Plan(seed, MESSAGES, CLIENTS, TALK_SECONDS), cluster)
    print(f"seed {seed}: {dict(outcome.counts)}")  # noqa: T201  (shown when the test fails)
    assert outcome.complaints == []
    assert outcome.counts["acked"] == outcome.counts["stored"]
    assert outcome.counts["acked"] + outcome.counts["refused"] == MESSAGES
    for what in ("kill", "retries", "recovered", "refused", *(["redis"] if cluster.redis else [])):
        assert outcome.counts[what], what


def account(**changes: Any) -> dict[str, Any]:
    """Return the account of a visitor who has got everything."""
    answers = [
        {"room": "tea", "sent": "a", "answer": {"ok": True, "seq": 1, "id": "a"}},
        {"room": "tea", "sent": "c", "answer": {"ok": False, "code": "invalid"}},
    ]
    return {"rooms": {"tea": [list(row) for row in ROWS]}, "answers": answers, "complaints": []} | changes


def answered(sent: str, **answer: Any) -> dict[str, Any]:
    """Return a visitor's account with one answer."""
    return account(answers=[{"room": "tea", "sent": sent, "answer": answer}])


def test_what_is_as_promised_is_no_complaint() -> None:
    assert judge({"tea": ROWS}, [account()], [{"id": "a"}, {"id": "c"}]) == []


@pytest.mark.parametrize(
    ("log", "visitor", "said"),
    [
        ([Row(1, "a", "7", "one"), Row(3, "b", "7", "two")], account(), "numbers 1 to 2"),
        ([*ROWS, Row(3, "b", "7", "two")], account(), "1 twice"),
        (ROWS, account(rooms={"tea": [list(ROWS[0])]}), "expected 2 messages, got 1"),
        (ROWS, account(rooms={"tea": [list(row) for row in reversed(ROWS)]}), "expected 2 messages, got 2"),
        (ROWS, account(rooms={"tea": [list(row) for row in (*ROWS, ROWS[1])]}), "expected 2 messages, got 3"),
        (ROWS, answered("x", ok=True, seq=3, id="x"), "expected None in the receipt"),
        (ROWS, answered("b", ok=True, seq=1, id="b"), "in the receipt of b"),
        (ROWS, answered("b", ok=False, code="invalid"), "refused as invalid and is stored"),
        (ROWS, account(complaints=["tea: expected message 2, got 1"]), "expected message 2"),
        (ROWS, account(answers=[]), "a was never answered"),
    ],
)
def test_what_is_not_as_promised_is_a_complaint(log: list[Row], visitor: dict[str, Any], said: str) -> None:
    assert said in " ".join(judge({"tea": log}, [visitor], [{"id": "a"}]))
