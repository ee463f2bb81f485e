"""What strangers send disturbs nobody: no traceback, no connection left, flat memory, the others chat on."""

import random
from pathlib import Path

import pytest

from channels_socketio.tests.arenas import Arena
from channels_socketio.tests.fuzz import Fuzz, packet

COUNT = 4_000


@pytest.mark.parametrize("server", ["daphne", "frames"])
async def test_random_packets_disturb_nobody(tmp_path: Path, server: str) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed {seed}")  # noqa: T201  (shown with a failure)
    with Arena(tmp_path, server) as arena:
        report = await Fuzz(arena, COUNT, seed).run()
    assert report.packets >= COUNT
    assert report.echoes > 10


def test_a_seed_makes_the_same_packets() -> None:
    def packets(seed: int) -> list[str | bytes]:
        rng = random.Random(seed)
        return [packet(rng) for _ in range(1000)]

    assert packets(1) == packets(1) != packets(2)
