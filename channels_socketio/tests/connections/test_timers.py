"""One timer for all: on a real event loop whose clock the tests set."""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import TypeVarTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels_socketio.connections.timers import Timers

Ts = TypeVarTuple("Ts")


class SteppedLoop(asyncio.SelectorEventLoop):
    """An event loop that stands still until `advance`; keeps the timers that were made."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.timers: list[asyncio.TimerHandle] = []

    def time(self) -> float:
        """Return the time that was set."""
        return self.now

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Make a timer, as always."""
        self.timers.append(super().call_at(when, callback, *args, context=context))
        return self.timers[-1]

    def advance(self, now: float) -> None:
        """Set the clock and run what is due."""
        self.now = now
        self.stop()  # after one round
        self.run_forever()


class Patient:
    """Something with a deadline, which moves on by `period` when it has passed."""

    def __init__(self, loop: SteppedLoop, deadline: float | None, period: float | None = None) -> None:
        self.loop = loop
        self.deadline = deadline
        self.period = period
        self.scheduled_at = math.inf
        self.calls: list[float] = []

    def next_deadline(self) -> float | None:
        """Part of Timed."""
        return self.deadline

    def handle_timeout(self, now: float) -> None:
        """Part of Timed."""
        assert now == self.loop.now
        self.calls.append(now)
        if self.deadline is not None and now >= self.deadline:
            self.deadline = None if self.period is None else now + self.period

    def fail(self, error: Exception) -> None:
        """Part of Timed."""
        raise AssertionError from error


class Impatient:
    """Something with one deadline, which sets `called`."""

    def __init__(self, deadline: float) -> None:
        self.deadline: float | None = deadline
        self.scheduled_at = math.inf
        self.called = asyncio.Event()

    def next_deadline(self) -> float | None:
        """Part of Timed."""
        return self.deadline

    def handle_timeout(self, now: float) -> None:
        """Part of Timed."""
        self.deadline = None
        self.called.set()

    def fail(self, error: Exception) -> None:
        """Part of Timed."""
        raise AssertionError from error


@pytest.fixture
def loop() -> Iterator[SteppedLoop]:
    """A loop of the test's own."""
    loop = SteppedLoop()
    yield loop
    loop.close()


@pytest.fixture
def timers(loop: SteppedLoop) -> Timers:
    """The deadlines of the loop."""
    return Timers(loop)


def test_what_is_due_is_handled_once_and_nothing_before(loop: SteppedLoop, timers: Timers) -> None:
    patient = Patient(loop, 10)
    timers.schedule(patient)
    loop.advance(9.9)
    assert patient.calls == []
    loop.advance(10)
    loop.advance(1000)
    assert patient.calls == [10]


def test_a_deadline_in_the_past_is_handled_at_once(loop: SteppedLoop, timers: Timers) -> None:
    patient = Patient(loop, -1)
    timers.schedule(patient)
    loop.advance(0)
    assert patient.calls == [0]


def test_what_has_no_deadline_is_not_watched(loop: SteppedLoop, timers: Timers) -> None:
    patient = Patient(loop, None)
    timers.schedule(patient)
    assert (loop.timers, patient.scheduled_at) == ([], math.inf)


def test_a_handled_deadline_is_followed_by_the_next(loop: SteppedLoop, timers: Timers) -> None:
    patient = Patient(loop, 10, period=25)
    timers.schedule(patient)
    for now in (10, 34, 35, 60):
        loop.advance(now)
    assert patient.calls == [10, 35, 60]


def test_one_timer_serves_all(loop: SteppedLoop, timers: Timers) -> None:
    patients = [Patient(loop, 10 + number) for number in range(100)]
    for patient in patients:
        timers.schedule(patient)
    assert len(loop.timers) == 1
    loop.advance(1000)
    assert all(patient.calls == [1000] for patient in patients)
    assert len(loop.timers) == 1


def test_a_deadline_that_moves_later_costs_no_timer_until_the_old_one_is_due(loop: SteppedLoop, timers: Timers) -> None:
    patient = Patient(loop, 10)
    timers.schedule(patient)
    for later in range(11, 100):
        patient.deadline = later
        timers.schedule(patient)
    assert len(loop.timers) == 1
    loop.advance(10)
    assert len(loop.timers) == 2
    loop.advance(98)
    assert patient.calls == [10]  # the early call that the contract allows
    loop.advance(99)
    assert patient.calls == [10, 99]


def test_a_deadline_that_comes_nearer_is_handled_when_it_is_due_and_not_again(
    loop: SteppedLoop, timers: Timers
) -> None:
    patient, other = Patient(loop, 100), Patient(loop, 50)
    timers.schedule(patient)
    timers.schedule(other)
    patient.deadline = 10
    timers.schedule(patient)
    assert [timer.when() for timer in loop.timers if not timer.cancelled()] == [10]
    loop.advance(10)
    assert (patient.calls, other.calls) == ([10], [])
    loop.advance(50)
    loop.advance(100)
    assert (patient.calls, other.calls) == ([10], [50])


def test_far_deadlines_are_handled_together_and_near_ones_in_time(loop: SteppedLoop, timers: Timers) -> None:
    far = [Patient(loop, 10.01 + number / 100) for number in range(10)]
    near = Patient(loop, 4.99)
    for patient in (*far, near):
        timers.schedule(patient)
    loop.advance(4.99)
    assert near.calls == [4.99]
    loop.advance(10.12)
    assert [patient.calls for patient in far] == [[]] * 10
    loop.advance(10.125)
    assert [patient.calls for patient in far] == [[10.125]] * 10


def test_handling_may_watch_another(loop: SteppedLoop, timers: Timers) -> None:
    class Starter(Patient):
        def handle_timeout(self, now: float) -> None:
            super().handle_timeout(now)
            timers.schedule(other)

    other = Patient(loop, 10)
    timers.schedule(Starter(loop, 10))
    loop.advance(10)
    assert other.calls == [10]


def test_one_that_raises_is_told_so_and_the_others_are_handled(loop: SteppedLoop, timers: Timers) -> None:
    class Failing(Patient):
        errors = 0

        def handle_timeout(self, now: float) -> None:
            super().handle_timeout(now)
            raise LookupError(now)

        def fail(self, error: Exception) -> None:
            self.errors += 1

    failing, others = Failing(loop, 10, 10), [Patient(loop, 10) for _ in range(3)]
    for timed in (others[0], failing, *others[1:]):
        timers.schedule(timed)
    loop.advance(10)
    assert [other.calls for other in others] == [[10]] * 3
    loop.advance(20)
    assert (failing.calls, failing.errors) == ([10, 20], 2)


def test_on_uvloop_a_deadline_in_the_past_is_handled_and_others_may_follow() -> None:
    """There a timer for the past is a handle that does not know its time."""
    uvloop = pytest.importorskip("uvloop")

    async def wait() -> tuple[float | None, float | None]:
        loop = asyncio.get_running_loop()
        late, later = Impatient(loop.time() - 1), Impatient(loop.time() + 0.01)
        timers = Timers(loop)
        timers.schedule(late)
        timers.schedule(later)
        async with asyncio.timeout(5):
            await late.called.wait()
            await later.called.wait()
        return late.deadline, later.deadline

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(wait()) == (None, None)


TIMES = st.integers(0, 20)
STEPS = st.lists(st.tuples(st.integers(0, 3), TIMES | st.none(), TIMES), max_size=20)


@given(STEPS)
@settings(deadline=None)
def test_nobody_is_called_later_than_the_deadline(steps: list[tuple[int, int | None, int]]) -> None:
    """Whoever's deadline moves, and whenever the clock advances (by the last number of a step)."""
    loop = SteppedLoop()
    timers = Timers(loop)
    patients = [Patient(loop, None) for _ in range(4)]
    for number, delay, pause in steps:
        patients[number].deadline = None if delay is None else loop.now + delay
        timers.schedule(patients[number])
        for _ in range(pause):
            loop.advance(loop.now + 1)
            assert all(patient.deadline is None or patient.deadline > loop.now for patient in patients)
    loop.close()
