"""Stores many messages beside others: `python -m chat.tests.concurrent_writers SEED` writes what it got as JSON.

All such processes send the same ids, in an order and into rooms of their own choice, and as many that are theirs alone;
and they delete some of what is there.
"""

import json
import os
import random
import sys
from uuid import UUID

import django

ROOMS = ["lobby", "tea", "coffee"]
SHARED = [UUID(int=number) for number in range(1, 201)]
OWN = 200
BATCH = 20


def main() -> None:
    """Store everything, then write the receipts of the shared messages by id."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatproject.settings")
    django.setup()
    from chat import services
    from chat.models import Visitor
    from chat.services import Draft, Receipt

    seed = int(sys.argv[1])
    chance = random.Random(seed)
    visitor = Visitor.objects.get().pk
    ids = [*SHARED, *(UUID(int=seed * 1_000_000 + number) for number in range(OWN))]
    chance.shuffle(ids)
    receipts: dict[str, list[object]] = {}
    for start in range(0, len(ids), BATCH):
        drafts = [Draft(chance.choice(ROOMS), "42", "text", visitor, key) for key in ids[start : start + BATCH]]
        for draft, outcome in zip(drafts, services.commit(drafts).outcomes, strict=True):
            assert isinstance(outcome, Receipt), outcome
            if draft.client_id in SHARED:
                receipts[outcome.id] = [outcome.seq, outcome.at]
        services.delete_message(chance.choice(ROOMS), chance.randint(1, 30))
    sys.stdout.write(json.dumps(receipts))


if __name__ == "__main__":
    main()
