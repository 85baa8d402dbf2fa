"""Monitoring sessions and the calibration of their devices: folds that are the same whatever the order of arrival."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import ValidationError

from tests.support.happenings import MAKER, hours
from tests.support.monitoring import (
    CARRIER,
    DEVICE,
    NOBODY,
    QUALITY,
    STRANGER,
    Spoken,
    Told,
    World,
    certified,
    decided,
    evaluated,
    named,
    opened,
    reading,
    said_in,
    sealed,
    world,
)
from tests.support.register import stated
from traceability.ledger.register.register import Register
from traceability.ledger.register.statements import RoleGiven, RuleSet
from traceability.supply_chain.cold_chain.calibration import Calibration, Status
from traceability.supply_chain.cold_chain.course import Verdict
from traceability.supply_chain.cold_chain.evaluating import SENTENCES, Code
from traceability.supply_chain.cold_chain.events import CalibrationCertified, Disposition, Result
from traceability.supply_chain.cold_chain.session import MEANINGS, ClaimReason, Session, Stage, session_of
from traceability.supply_chain.parties import ListedParties

RELEASE, QUARANTINE, DESTROY = Disposition
NAME = "2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001"


def codes(found: World, at: float = 20) -> dict[str, int]:
    return {one.code.value: one.times for one in found.judged(at).findings}


def stage(found: World, at: float) -> Stage:
    return found.session.stage(hours(at), found.series.last)


def reasons(found: World) -> list[ClaimReason]:
    return [one.reason for one in found.session.claims]


def test_a_session_from_its_opening_to_the_decision() -> None:
    told: list[Told] = [certified(), opened()]
    assert stage(world(*told), 1) is Stage.OPENED
    told += [reading(1, 5), reading(2, 6)]
    assert stage(world(*told), 3) is Stage.RECORDING
    assert stage(world(*told), 3.5) is Stage.GAP
    told += [reading(3, 7), sealed(4, 3, 4, 5)]
    found = world(*told)
    assert stage(found, 99) is Stage.SEALED
    judged = found.judged(99)
    assert (judged.verdict, judged.findings) == (Verdict.WITHIN, ())
    assert judged.course is not None
    assert (judged.course.since, judged.course.until) == (hours(1), hours(4))
    told.append(evaluated(5))
    assert stage(world(*told), 99) is Stage.EVALUATED
    told.append(decided(6, RELEASE))
    found = world(*told)
    assert (stage(found, 99), found.session.disposition) == (Stage.DISPOSITIONED, RELEASE)
    assert found.session.claims == ()


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (opened(1), ClaimReason.OPENED_BEFORE),
        (sealed(-1, until=1), ClaimReason.NOT_OPENED),
        (sealed(3, by=STRANGER), ClaimReason.NOT_A_SIDE),
        (sealed(3, by=CARRIER), ClaimReason.NOT_A_SIDE),
        (sealed(3, until=0), ClaimReason.NO_SUCH_TIME),
        (sealed(3, until=10**6), ClaimReason.NO_SUCH_TIME),
        (evaluated(3), ClaimReason.NOT_SEALED),
        (decided(3, RELEASE), ClaimReason.NOT_EVALUATED),
        (decided(3, RELEASE, by=MAKER), ClaimReason.NOT_ITS_QUALITY),
        (decided(3, RELEASE, by=CARRIER), ClaimReason.NOT_ITS_QUALITY),
    ],
)
def test_what_breaks_a_rule_is_a_claim(more: Spoken, reason: ClaimReason) -> None:
    assert reasons(world(opened(), more)) == [reason]
    assert reasons(world(more, opened())) == [reason]


def test_the_last_word_is_a_release_or_destruction() -> None:
    told: list[Told] = [opened(), sealed(2), evaluated(3), decided(4, QUARANTINE)]
    found = world(*told, evaluated(5, Verdict.ALLOWED), decided(6, RELEASE))
    assert (found.session.disposition, found.session.was_quarantined) == (RELEASE, True)
    assert found.session.evaluation is not None
    assert found.session.evaluation.verdict is Verdict.ALLOWED
    over = world(*told, decided(5, DESTROY), evaluated(6), decided(7, RELEASE), sealed(8))
    assert reasons(over) == [ClaimReason.OVER, ClaimReason.OVER, ClaimReason.SEALED_BEFORE]
    assert over.session.disposition is DESTROY


def test_who_decides_has_the_role_that_the_register_asks_for() -> None:
    action = "monitoring_session_dispositioned"
    ruled = [stated(RuleSet(action=action, roles=("quality_assurance",), since=0), "operator.example", 1)]
    role = RoleGiven(organisation=QUALITY, role="quality_assurance", since=hours(5))
    told: list[Told] = [opened(), sealed(2), evaluated(3), decided(4, RELEASE), decided(6, QUARANTINE)]
    without = ListedParties({}, Register(ruled, "operator.example"))
    assert reasons(world(*told, parties=without)) == [ClaimReason.NOT_AUTHORISED] * 2
    given_ = ListedParties({}, Register([*ruled, stated(role, "operator.example", 2)], "operator.example"))
    found = world(*told, parties=given_)
    assert (reasons(found), found.session.disposition) == ([ClaimReason.NOT_AUTHORISED], QUARANTINE)


def test_a_reading_after_the_seal_is_told_and_does_not_count() -> None:
    told: list[Told] = [certified(), opened(), reading(1, 5), sealed(2, 3), evaluated(3)]
    late = world(*told, reading(1.5, 30, told=6))
    assert codes(late) == {"reading_after_seal": 1}
    assert late.judged(9).verdict is Verdict.WITHIN
    # What was sealed is told again, or of another time: nothing is new.
    assert codes(world(*told, reading(1, 5, told=6), reading(2, 30))) == {}


def test_odd_times_are_told_and_count() -> None:
    back: list[Told] = [certified(), opened(), reading(1, 5), reading(2, 9), reading(1.5, 6, told=3)]
    found = world(*back)
    assert codes(found, 3) == {"clock_went_back": 1}
    assert [one.at for one in found.series.counting] == [hours(1), hours(1.5), hours(2)]
    ahead = world(certified(), opened(), reading(1.4, 5, told=1))
    assert codes(ahead, 2) == {"clock_ahead": 1}
    assert len(ahead.series.counting) == 1
    # Twice told is once read.
    again = world(*back[:4], reading(1, 5, told=3))
    assert (codes(again, 3), len(again.series.counting), len(again.series.repeated)) == ({}, 2, 1)


def test_what_others_tell_of_a_device_does_not_count() -> None:
    found = world(certified(), opened(), reading(1, 5, by=CARRIER), reading(1.5, 30, by=STRANGER))
    assert codes(found, 2) == {"reading_by_another": 1}
    assert len(found.series.counting) == 1
    other = world(certified(), opened(), reading(1, 30, device="urn:example:other"), reading(1, 5))
    assert (codes(other, 2), len(other.series.counting)) == ({}, 1)


def test_what_is_taken_back_after_the_verdict_changes_it() -> None:
    warm = named(reading(1, 30), NAME)
    told: list[Told] = [certified(), opened(), warm, reading(1.5, 5), sealed(2, 3, 4), evaluated(3, Verdict.OUT)]
    assert world(*told).judged(9).verdict is Verdict.OUT
    found = world(*told, warm.retracted(hour=8))
    assert codes(found) == {"reading_taken_back": 1, "verdict_changed": 1}
    assert found.judged(9).verdict is Verdict.WITHIN


def test_who_sees_less_is_not_told_that_the_verdict_is_another() -> None:
    told: list[Told] = [
        certified(),
        opened(),
        reading(1, 5),
        reading(1.5, 30),
        sealed(2, 3, 4),
        evaluated(3, Verdict.OUT),
    ]
    less = world(*told[:3], *told[4:], positions=[1, 2, 3, 5, 6])
    assert codes(less) == {"reading_not_seen": 1}
    assert less.judged(9).verdict is Verdict.INCOMPLETE
    nothing = world(*told[1:2], *told[4:], positions=[2, 5, 6])
    assert codes(nothing) == {"no_readings": 1, "reading_not_seen": 2, "calibration_not_seen": 1}


def test_a_gap_and_a_contradiction_are_findings() -> None:
    found = world(certified(), opened(), reading(2, 5), reading(2, 6, told=3), reading(6, 5))
    assert codes(found, 6.1) == {"gap": 2, "contradiction": 2}
    unusable = world(certified(), opened(), reading(1, -400), reading(1, 5))
    assert (codes(unusable, 2), unusable.judged(2).verdict) == ({"unusable_reading": 1}, Verdict.INCOMPLETE)


def calibration(*told: Spoken) -> Calibration:
    return Calibration(said_in(enumerate(told, 1)))


def test_the_status_of_a_device_over_time() -> None:
    found = calibration(certified(0, until=100), certified(200, until=300, number="C2"))
    times = {-1: Status.MISSING, 0: Status.VALID, 99: Status.VALID, 100: Status.EXPIRED, 200: Status.VALID}
    assert {at: found.at(hours(at)) for at in times} == times
    # It failed at 50: since it last passed nobody knows.
    failed = calibration(
        certified(-50, until=500, number="C0"), *[certified(0, until=100)], certified(50, until=None, number="F")
    )
    times = {-9: Status.VALID, 0: Status.IN_DOUBT, 49: Status.IN_DOUBT, 50: Status.OUT_OF_TOLERANCE}
    assert {at: failed.at(hours(at)) for at in times} == times
    assert [(one.since, one.until) for one in failed.doubts()] == [(hours(0), hours(50))]
    assert calibration(certified(50, until=None)).doubts()[0].since is None
    # The same certificate again, by who stated it, corrects it; at one instant the worse counts.
    assert calibration(certified(0, until=9), certified(0, until=99, said_at=5)).at(hours(50)) is Status.VALID
    assert calibration(certified(0), certified(0, until=None, number="F")).at(hours(1)) is Status.OUT_OF_TOLERANCE


def test_a_reading_out_of_calibration_proves_nothing() -> None:
    told: list[Told] = [opened(), reading(1, 5), reading(1.5, 5), sealed(2, 2, 3)]
    expired = world(*told, certified(until=1.2))
    assert (codes(expired), expired.judged(9).verdict) == ({"not_calibrated": 1}, Verdict.INCOMPLETE)
    doubted = world(*told, certified(), certified(500, until=None, number="F"))
    assert (codes(doubted), doubted.judged(9).verdict) == ({"calibration_in_doubt": 2}, Verdict.INCOMPLETE)
    # A stranger says nothing of the device, unless the register says that it does.
    slander = certified(500, until=None, number="F", by=STRANGER)
    assert codes(world(*told, certified(), slander)) == {}
    rule_ = stated(RuleSet(action="calibration_certified", roles=("laboratory",), since=0), "o.example", 1)
    lab = stated(RoleGiven(organisation=STRANGER, role="laboratory", since=0), "o.example", 2)
    parties = ListedParties({}, Register([rule_, lab], "o.example"))
    assert codes(world(*told, certified(), slander, parties=parties)) == {"not_calibrated": 2}


def test_every_word_is_explained() -> None:
    assert SENTENCES.keys() == set(Code)
    assert MEANINGS.keys() == set(ClaimReason)


def test_certificates_that_cannot_be() -> None:
    passed: dict[str, Any] = {
        "device": DEVICE,
        "certificate": "C",
        "issuer": "L",
        "calibrated_at": 5,
        "result": "passed",
    }
    for broken in ({}, {"valid_until": 5}, {"valid_until": 9, "result": "out_of_tolerance"}, {"valid_until": 10**30}):
        with pytest.raises(ValidationError):
            CalibrationCertified.model_validate(passed | broken)
    assert CalibrationCertified.model_validate(passed | {"valid_until": 6}).result is Result.PASSED


_hours = st.integers(-3, 12)
_by = st.sampled_from([MAKER, QUALITY, CARRIER, STRANGER])
_spoken = st.one_of(
    st.builds(opened, _hours, by=_by),
    st.builds(lambda at, by: sealed(at, 1, 2, 3, 4, by=by), _hours, _by),
    st.builds(evaluated, _hours, st.sampled_from(Verdict), by=_by),
    st.builds(decided, _hours, st.sampled_from(Disposition), by=_by),
    st.builds(
        lambda at, until, number, by: certified(at, until=until, number=number, by=by),
        _hours,
        st.sampled_from([None, 20, 400]),
        st.sampled_from(["C1", "C2"]),
        _by,
    ),
)
_read = st.builds(
    lambda at, celsius, told, by, name: named(reading(at, celsius, told=told, by=by), f"{NAME[:-1]}{name}"),
    _hours,
    st.sampled_from([5, 9, 30, -400]),
    _hours,
    st.sampled_from([MAKER, CARRIER, STRANGER]),
    st.integers(0, 9),
)
_told = st.one_of(_read, _read.map(lambda one: one.retracted()), _spoken)


def content(found: World) -> object:
    def told(session: Session) -> object:
        counting = [(one.payload, one.said_by, one.occurred_at) for one in session.said]
        return counting, sorted((one.said.turn, one.reason) for one in session.claims)

    return told(found.session), found.series, found.calibration.doubts(), found.judged(20)


@settings(max_examples=300, deadline=None)
@given(st.lists(_told, max_size=14), st.randoms(use_true_random=False))
def test_any_order_gives_the_same_session(told: list[Told], choose: random.Random) -> None:
    # Positions stay with what they are of: the seal names them.
    placed = list(enumerate([opened(-2), *told], 1))
    shuffled = choose.sample(placed, len(placed))
    one, other = (
        world(*(event for _, event in order), positions=[position for position, _ in order])
        for order in (placed, shuffled)
    )
    assert content(one) == content(other)


@settings(max_examples=100, deadline=None)
@given(st.lists(_told, max_size=14))
def test_a_reading_is_never_dropped(told: list[Told]) -> None:
    found = world(opened(-3), *told)
    series = found.series
    assert len({(one.at, one.value) for one in series.counting}) == len(series.counting)
    for odd in (series.clock_ahead, series.clock_went_back):
        kept = {(one.at, one.value) for one in (*series.counting, *series.unusable)}
        assert {(one.at, one.value) for one in odd} <= kept


class SessionMachine(RuleBasedStateMachine):
    """A plain automaton of the stages beside the fold, which hears everything again each time."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Told] = [opened(0)]
        self.hour = 0
        self.sealed = self.evaluated = self.over = False
        self.disposition: Disposition | None = None
        self.claims = 0

    def say(self, make: Any, *, counts: bool) -> None:
        self.hour += 1
        self.told.append(make(self.hour))
        self.claims += not counts

    @rule(by=_by)
    def seal(self, by: str) -> None:
        counts = by in (MAKER, QUALITY) and not self.sealed
        self.say(lambda at: sealed(at, by=by), counts=counts)
        self.sealed |= counts

    @rule(by=_by, verdict=st.sampled_from(Verdict))
    def evaluate(self, by: str, verdict: Verdict) -> None:
        counts = by in (MAKER, QUALITY) and self.sealed and not self.over
        self.say(lambda at: evaluated(at, verdict, by=by), counts=counts)
        self.evaluated |= counts

    @rule(by=_by, disposition=st.sampled_from(Disposition))
    def decide(self, by: str, disposition: Disposition) -> None:
        counts = by == QUALITY and self.evaluated and not self.over
        self.say(lambda at: decided(at, disposition, by=by), counts=counts)
        if counts:
            self.disposition, self.over = disposition, disposition is not QUARANTINE

    @rule()
    def open_again(self) -> None:
        self.say(opened, counts=False)

    @rule(celsius=st.sampled_from([5, 9]), by=_by)
    def read(self, celsius: int, by: str) -> None:
        self.hour += 1
        self.told.append(reading(self.hour, celsius, by=by))

    @invariant()
    def the_fold_agrees(self) -> None:
        session = session_of(said_in(enumerate(self.told, 1)), NOBODY)
        assert session is not None
        at = session.stage(hours(self.hour), None)
        expected = Stage.OPENED
        if self.disposition is not None:
            expected = Stage.DISPOSITIONED
        elif self.evaluated:
            expected = Stage.EVALUATED
        elif self.sealed:
            expected = Stage.SEALED
        assert (at, session.disposition) == (expected, self.disposition)
        assert len(session.claims) == self.claims


SessionMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
test_sessions_go_their_way = SessionMachine.TestCase
