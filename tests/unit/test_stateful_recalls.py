"""A recall case step by step: whatever is said, late or again, it is as a reader of the plain rules tells it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
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

from tests.support.recalls import (
    CASE,
    OPENED,
    OPENER,
    RECONCILED,
    SCOPED,
    SHOP,
    STORE,
    THINGS,
    NaiveCase,
    acknowledged,
    notified,
    said,
)
from traceability.supply_chain.recall.case import case_of, claim_reason
from traceability.supply_chain.recall.events import (
    Outcome,
    Payload,
    RecallAcknowledged,
    RecallCancelled,
    RecallClosed,
    RecallNotified,
    Said,
)

WHEN = st.integers(0, 9) | st.just(None)
"""An hour, or None: after all that was said."""
BY = st.sampled_from([OPENER, OPENER, OPENER, SHOP, STORE])
TO = st.sampled_from([SHOP, STORE])
SOME = st.lists(st.sampled_from(THINGS), max_size=2, unique=True)


class ACase(RuleBasedStateMachine):
    """Three organisations; who may say what is the case's business."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Said] = []
        self.numbers = count(1)

    def say(self, payload: Payload, by: str, at: int | None) -> None:
        after = max((one.occurred_at for one in self.told), default=0) + 1
        one = said(payload, by, after if at is None else at, next(self.numbers))
        if any(known.digest == one.digest for known in self.told):
            return
        # What a command is refused for is what would count for nothing.
        counts = one in NaiveCase([*self.told, one]).counting()
        if case_of([*self.told, one]) is not None:
            assert (claim_reason(self.told, one) is None) is counts
        self.told.append(one)

    @initialize(steps=st.integers(0, 4))
    def begin(self, steps: int) -> None:
        for payload in (OPENED, SCOPED, notified(SHOP, THINGS[0]), notified(STORE, *THINGS))[:steps]:
            self.say(payload, OPENER, None)

    @rule(by=BY, at=WHEN)
    def open(self, by: str, at: int | None) -> None:
        self.say(OPENED, by, at)

    @rule(by=BY, at=WHEN)
    def scope(self, by: str, at: int | None) -> None:
        self.say(SCOPED, by, at)

    @rule(by=BY, at=WHEN, to=TO, things=st.lists(st.sampled_from(THINGS), min_size=1, max_size=2, unique=True))
    def notify(self, by: str, at: int | None, to: str, things: list[str]) -> None:
        self.say(notified(to, *things), by, at)

    @rule(by=st.just(None) | BY, at=WHEN, to=TO, things=SOME, outcome=st.sampled_from(Outcome))
    def acknowledge(self, by: str | None, at: int | None, to: str, things: list[str], outcome: Outcome) -> None:
        self.say(acknowledged(to, *things, outcome=outcome), by or to, at)

    @rule(by=BY, at=WHEN)
    def reconcile(self, by: str, at: int | None) -> None:
        self.say(RECONCILED, by, at)

    @rule(by=BY, at=WHEN, to=st.none() | TO, reconciled=st.booleans(), reason=st.none() | st.just("enough"))
    def close(self, *, by: str, at: int | None, to: str | None, reconciled: bool, reason: str | None) -> None:
        self.say(RecallClosed(case=CASE, organisation=to, reconciled=reconciled, reason=reason), by, at)

    @rule(by=BY, at=st.none() | st.integers(5, 9), to=st.none() | TO)
    def cancel(self, by: str, at: int | None, to: str | None) -> None:
        self.say(RecallCancelled(case=CASE, organisation=to, reason="a mistake"), by, at)

    @precondition(lambda self: self.told)
    @rule(data=st.data(), at=WHEN)
    def say_again_of_another_time(self, data: st.DataObject, at: int | None) -> None:
        one = data.draw(st.sampled_from(self.told))
        self.say(one.payload, one.said_by, at)

    @rule(order=st.randoms(use_true_random=False))
    def arrive_otherwise(self, order: random.Random) -> None:
        """Let the same have arrived in another order."""
        order.shuffle(self.told)
        self.told = [replace(one, position=n, event_id=UUID(int=n)) for n, one in enumerate(self.told, 1)]

    @invariant()
    def it_is_what_the_rules_say_to_everybody(self) -> None:
        """The opener sees all, who was notified its notices and answers and the end: one fold for both."""
        self.compare(self.told)
        for reader in (SHOP, STORE):
            self.compare([one for one in self.told if sees(reader, one)])

    def compare(self, told: Sequence[Said]) -> None:
        found, model = case_of(told), NaiveCase(told)
        if found is None:
            assert model.opener is None
            return
        counting = model.counting()
        assert (found.opened_by, found.stage) == (model.opener, model.stage())
        assert list(found.said) == counting
        assert {one.said.position for one in found.claims} == {one.position for one in told if one not in counting}
        ends = [one for one in counting if isinstance(one.payload, RecallClosed | RecallCancelled)]
        assert found.ended == (ends[0] if ends else None)
        named = {n.notice: n.things.keys() for n in found.notices}
        sent = [one.payload for one in counting if isinstance(one.payload, RecallNotified)]
        assert named == {n.notice: {thing for m in sent if m.notice == n.notice for thing in m.things} for n in sent}
        answers = [one.payload for one in counting if isinstance(one.payload, RecallAcknowledged)]
        for notice in found.notices:
            last = {line.thing: line for a in answers if a.notice == notice.notice for line in a.told}
            assert {thing: lines[-1] for thing, lines in notice.told.items()} == last


def sees(reader: str, one: Said) -> bool:
    to = getattr(one.payload, "organisation", None)
    return reader in (one.said_by, to)


def test_a_case_is_what_its_rules_say_after_each_thing_that_is_said() -> None:
    run_state_machine_as_test(ACase, settings=settings(max_examples=100, stateful_step_count=16, deadline=None))
