"""The verdict on a session: a pure function of its readings, its profile and the calibration of its device.

It has a name and a version, which are recorded with every verdict: the same is found again from the same events.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import groupby
from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.cold_chain.calibration import Calibration, Status
from traceability.supply_chain.cold_chain.course import Course, Verdict, judge, momentary
from traceability.supply_chain.cold_chain.series import Readings, Series
from traceability.supply_chain.cold_chain.session import Session
from traceability.supply_chain.cold_chain.temperatures import STANDING, celsius
from traceability.supply_chain.readings import Reading

MODEL: Final = "time_weighted"
MODEL_VERSION: Final = 1
"""Changes whenever the same readings would be judged otherwise."""
_CITED: Final = 100
"""Events that a finding cites."""


class Code(StrEnum):
    """What an evaluation finds beside the verdict."""

    NO_READINGS = "no_readings"
    GAP = "gap"
    CONTRADICTION = "contradiction"
    UNUSABLE_READING = "unusable_reading"
    CLOCK_WENT_BACK = "clock_went_back"
    CLOCK_AHEAD = "clock_ahead"
    NOT_CALIBRATED = "not_calibrated"
    CALIBRATION_IN_DOUBT = "calibration_in_doubt"
    CALIBRATION_NOT_SEEN = "calibration_not_seen"
    READING_AFTER_SEAL = "reading_after_seal"
    READING_BY_ANOTHER = "reading_by_another"
    READING_NOT_SEEN = "reading_not_seen"
    READING_TAKEN_BACK = "reading_taken_back"
    VERDICT_CHANGED = "verdict_changed"


SENTENCES: Final[dict[Code, str]] = {
    Code.NO_READINGS: "The device told no temperature.",
    Code.GAP: "Of some of the time nothing is known.",
    Code.CONTRADICTION: "Readings of one instant differ.",
    Code.UNUSABLE_READING: "No thermometer gives this.",
    Code.CLOCK_WENT_BACK: "An event that happened later tells of an earlier time than was told before.",
    Code.CLOCK_AHEAD: "A reading is later than the event that tells it.",
    Code.NOT_CALIBRATED: "The device was out of calibration when it told this.",
    Code.CALIBRATION_IN_DOUBT: "The device was found out of tolerance the next time, and may have been so already.",
    Code.CALIBRATION_NOT_SEEN: "You see no certificate of the device.",
    Code.READING_AFTER_SEAL: "A reading of this time came after the seal; it does not count.",
    Code.READING_BY_ANOTHER: "Somebody else told this of the device; it does not count.",
    Code.READING_NOT_SEEN: "You do not see all of the sealed readings.",
    Code.READING_TAKEN_BACK: "A sealed event was declared an error since; it does not count.",
    Code.VERDICT_CHANGED: "What is known now would be judged otherwise than was recorded.",
}
_UNPROVEN: Final = frozenset(
    {
        Code.NO_READINGS,
        Code.UNUSABLE_READING,
        Code.NOT_CALIBRATED,
        Code.CALIBRATION_IN_DOUBT,
        Code.CALIBRATION_NOT_SEEN,
        Code.READING_NOT_SEEN,
    }
)
"""What leaves open whether all was well."""

_HIDDEN: Final = frozenset({Code.CALIBRATION_NOT_SEEN, Code.READING_NOT_SEEN})
"""What hides from a reader on what a verdict rests."""


class Finding(NamedTuple):
    """How often something was found, from when to when (µs UTC), and the first hundred positions of its events."""

    code: Code
    times: int
    since: int | None
    until: int | None
    positions: tuple[int, ...]


class Evaluation(NamedTuple):
    """A verdict, the course that it is about (None: nothing is known), and what was found beside it.

    `extremes` are minima and maxima that were there for a moment, in 10⁻⁶ °C.
    """

    verdict: Verdict
    course: Course | None
    extremes: tuple[int, ...]
    findings: tuple[Finding, ...]


def evaluate(session: Session, series: Series, calibration: Calibration, at: int) -> Evaluation:
    """Judge the readings of a session: those of the seal, or before it those until an instant `at` (µs UTC)."""
    measured = [one for one in series.counting if one.component in STANDING]
    extremes = tuple(celsius(one) for one in series.counting if one.component not in STANDING)
    course = _course(session, measured, at)
    findings = list(_findings(series, course, calibration))
    verdicts = [momentary(session.about.profile, extremes)]
    verdicts += [] if course is None else [course.verdict]
    verdicts += [Verdict.INCOMPLETE for one in findings if one.code in _UNPROVEN]
    verdict = max(verdicts, key=list(Verdict).index)
    sees_all = not any(one.code in _HIDDEN for one in findings)
    if sees_all and session.evaluation is not None and session.evaluation.verdict is not verdict:
        findings.append(Finding(Code.VERDICT_CHANGED, 1, None, None, ()))
    return Evaluation(verdict, course, extremes, tuple(findings))


def _course(session: Session, measured: Sequence[Reading], at: int) -> Course | None:
    if not measured:
        return None
    # The first reading has as long to come as every other.
    first = measured[0].at
    since = first if first <= session.since + session.stands else session.since
    return judge(
        np.array([one.at for one in measured], np.int64),
        np.array([celsius(one) for one in measured], np.int64),
        session.about.profile,
        since=since,
        until=session.until if session.seal is not None else min(at, session.until),
        stands=session.stands,
    )


def _findings(series: Series, course: Course | None, calibration: Calibration) -> Iterator[Finding]:
    if course is None:
        yield Finding(Code.NO_READINGS, 1, None, None, ())
    else:
        if course.gaps:
            yield Finding(Code.GAP, len(course.gaps), course.gaps[0][0], course.gaps[-1][1], ())
        if course.contradictions:
            differing = set(course.contradictions)
            yield from _about(Code.CONTRADICTION, tuple(one for one in series.counting if one.at in differing))
    yield from _about(Code.UNUSABLE_READING, series.unusable)
    yield from _about(Code.CLOCK_WENT_BACK, series.clock_went_back)
    yield from _about(Code.CLOCK_AHEAD, series.clock_ahead)
    yield from _uncalibrated(series.counting, calibration)
    yield from _about(Code.READING_AFTER_SEAL, series.after_seal)
    yield from _about(Code.READING_BY_ANOTHER, series.by_others)
    if series.unseen:
        yield Finding(Code.READING_NOT_SEEN, series.unseen, None, None, ())
    if series.taken_back:
        yield Finding(Code.READING_TAKEN_BACK, len(series.taken_back), None, None, series.taken_back[:_CITED])


def _uncalibrated(counting: Readings, calibration: Calibration) -> Iterator[Finding]:
    if not calibration.certificates:
        yield Finding(Code.CALIBRATION_NOT_SEEN, 1, None, None, ())
        return
    codes = {Status.VALID: None, Status.IN_DOUBT: Code.CALIBRATION_IN_DOUBT}
    found: dict[Code, list[Reading]] = {}
    for at, together in groupby(counting, key=lambda one: one.at):
        code = codes.get(calibration.at(at), Code.NOT_CALIBRATED)
        if code is not None:
            found.setdefault(code, []).extend(together)
    for code in (Code.NOT_CALIBRATED, Code.CALIBRATION_IN_DOUBT):
        yield from _about(code, tuple(found.get(code, ())))


def _about(code: Code, odd: Readings) -> Iterable[Finding]:
    if odd:
        positions = sorted({one.position for one in odd})[:_CITED]
        yield Finding(code, len(odd), odd[0].at, odd[-1].at, tuple(positions))
