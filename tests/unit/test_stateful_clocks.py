"""What several say of one clock, late, twice and corrected, beside the rules as the guide tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import count
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from traceability.supply_chain.clocks.clock import ClockState, clock_of
from traceability.supply_chain.clocks.events import ClockAnswered, ClockStarted, ClockStopped, Payload, Said
from traceability.supply_chain.clocks.term import Term, Unit

ASKER, OURS, RIVAL = "agency.example", "dairy.example", "rival.example"
DUE = 50
WHEN = st.sampled_from([0, 10, 20, 40, DUE - 1, DUE, DUE + 1, 90])
BY = st.sampled_from([ASKER, OURS, OURS, RIVAL])


def started(*, retention: bool, title: str = "Answer") -> ClockStarted:
    term = Term(amount=1, unit=Unit.HOURS)
    return ClockStarted(clock="C1", title=title, responsible=OURS, due=DUE, term=term, zone="UTC", retention=retention)


@dataclass
class NaiveClock:
    """One walk in the order of event time; at one instant what begins goes before answers, and they before stops."""

    began: Said | None = None
    end: Said | None = None
    idle: int = 0

    @classmethod
    def of(cls, told: Sequence[Said]) -> NaiveClock:
        clock, kinds = cls(), list[type[Payload]]([ClockStarted, ClockAnswered, ClockStopped])
        for one in sorted(told, key=lambda one: (one.occurred_at, kinds.index(type(one.payload)), one.digest)):
            clock.hear(one)
        return clock

    def hear(self, one: Said) -> None:
        if self.began is None and isinstance(one.payload, ClockStarted):
            self.began = one
        elif self.began is None or isinstance(one.payload, ClockStarted) or self.end is not None:
            self.idle += 1
        elif self.may_end(one, self.began):
            self.end = one
        else:
            self.idle += 1

    @staticmethod
    def may_end(one: Said, began: Said) -> bool:
        assert isinstance(began.payload, ClockStarted)
        if isinstance(one.payload, ClockStopped):
            return one.said_by == began.said_by
        return one.said_by in (began.said_by, OURS) and not began.payload.retention

    def state(self, at: int) -> str:
        assert self.began is not None
        assert isinstance(self.began.payload, ClockStarted)
        if self.end is None and at < DUE:
            return "running"
        if self.end is None:
            return "elapsed" if self.began.payload.retention else "overdue"
        if isinstance(self.end.payload, ClockStopped):
            return "stopped"
        return "answered_in_time" if self.end.occurred_at < DUE else "answered_late"


class AClock(RuleBasedStateMachine):
    """The clock is compared with the model after each thing said, as it is known and as it was known before."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Said] = []
        self.numbers = count(1)

    def say(self, payload: Payload, by: str, at: int) -> None:
        digest = sha256(f"{payload.type_name} {payload.model_dump_json()} {by} {at}".encode()).digest()
        if any(one.digest == digest for one in self.told):
            return  # of two that say the same at one instant it is not told which counts
        number = next(self.numbers)
        self.told.append(Said(payload, by, at, number, UUID(int=number), number, digest))

    @initialize(begun=st.booleans(), retention=st.booleans())
    def begin(self, *, begun: bool, retention: bool) -> None:
        if begun:
            self.say(started(retention=retention), ASKER, 10)

    @rule(by=st.sampled_from([ASKER, ASKER, RIVAL]), at=WHEN, retention=st.booleans(), title=st.sampled_from("ab"))
    def start(self, *, by: str, at: int, retention: bool, title: str) -> None:
        self.say(started(retention=retention, title=title), by, at)

    @rule(by=BY, at=WHEN, of=st.integers(1, 2))
    def answer(self, by: str, at: int, of: int) -> None:
        self.say(ClockAnswered(clock="C1", position=of, event_id=UUID(int=of)), by, at)

    @rule(by=BY, at=WHEN)
    def stop(self, by: str, at: int) -> None:
        self.say(ClockStopped(clock="C1", reason="withdrawn"), by, at)

    @precondition(lambda self: self.told)
    @rule(data=st.data(), shift=st.integers(-20, 20))
    def correct_the_time(self, data: st.DataObject, shift: int) -> None:
        """Say again what was said, of another instant: both are told, and the earlier counts."""
        one = data.draw(st.sampled_from(self.told))
        self.say(one.payload, one.said_by, one.occurred_at + shift)

    @rule(of=st.permutations(range(8)))
    def arrive_otherwise(self, of: list[int]) -> None:
        """Let the same have arrived in another order."""
        places = [n for n in of if n < len(self.told)] + list(range(8, len(self.told)))
        self.told = [
            replace(self.told[place], position=n, event_id=UUID(int=n), recorded_at=n)
            for n, place in enumerate(places, 1)
        ]
        self.numbers = count(len(self.told) + 1)

    @invariant()
    def it_is_what_the_rules_say(self) -> None:
        for head in range(len(self.told) + 1):
            self.compare(self.told[:head])

    def compare(self, told: Sequence[Said]) -> None:
        found, model = clock_of(told), NaiveClock.of(told)
        if found is None:
            assert model.began is None
            return
        assert (found.began, found.ended) == (model.began, model.end)
        assert len(found.claims) == model.idle
        last = max(one.occurred_at for one in told)
        for at in {last, max(last, DUE - 1), max(last, DUE), max(last, DUE + 1)}:
            assert found.state(at) is ClockState(model.state(at))


def test_a_clock_is_what_its_rules_say_after_each_thing_that_is_said() -> None:
    run_state_machine_as_test(AClock, settings=settings(max_examples=120, stateful_step_count=12, deadline=None))
