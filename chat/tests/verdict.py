"""Compares what visitors have got, and which answers, with what is stored."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from chat.tests.cluster import Row

Log = Mapping[str, Sequence[Row]]
Account = Mapping[str, Any]  # of a visitor; see node/visitors.cjs


def judge(log: Log, accounts: Sequence[Account], said: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for everything that is not as promised; `said` are all messages of all visitors."""
    complaints = [*judge_log(log)]
    for number, account in enumerate(accounts):
        found = [*account["complaints"], *judge_lists(log, account), *judge_answers(log, account)]
        complaints += [f"visitor {number}: {complaint}" for complaint in found]
    answered = {answer["sent"] for account in accounts for answer in account["answers"]}
    complaints += [f"{message['id']} was never answered" for message in said if message["id"] not in answered]
    return complaints


def judge_log(log: Log) -> Iterator[str]:
    """Yield what is wrong with the log itself: its numbers, and ids that are there twice."""
    for room, rows in log.items():
        if [row.seq for row in rows] != list(range(1, len(rows) + 1)):
            yield f"{room}: expected numbers 1 to {len(rows)} in the log, got {[row.seq for row in rows]}"
    ids = [row.id for rows in log.values() for row in rows]
    if len(ids) != len(set(ids)):
        yield f"expected each message once in the log, got {len(ids) - len(set(ids))} twice"


def judge_lists(log: Log, account: Account) -> Iterator[str]:
    """Yield how a visitor's list of each room differs from the log."""
    for room, rows in log.items():
        got = [Row(*entry) for entry in account["rooms"][room]]
        if got != list(rows):
            missing, excess = sorted(set(rows) - set(got))[:3], sorted(set(got) - set(rows))[:3]
            yield f"{room}: expected {len(rows)} messages, got {len(got)}; missing {missing}, not in the log {excess}"


def judge_answers(log: Log, account: Account) -> Iterator[str]:
    """Yield what a visitor was told that is not so."""
    stored = {row.id: (room, row.seq) for room, rows in log.items() for row in rows}
    for told in account["answers"]:
        answer, found = told["answer"], stored.get(told["sent"])
        if answer["ok"]:
            receipt = (told["room"], answer["seq"])
            if found != receipt or answer["id"] != told["sent"]:
                yield f"expected {found} in the receipt of {told['sent']}, got {answer}"
        elif found is not None:
            yield f"{told['sent']} was refused as {answer['code']} and is stored as {found}"
