"""A clock as one reader sees it: a fold over what is said of it, in the order of event time.

It is the same for every order of arrival and never raises. The first answer of the responsible organisation, or of who
started the clock, counts; what breaks a rule is a claim with its reason, and moves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.clocks.events import ClockStarted, ClockStopped, Said


class ClockState(StrEnum):
    """What has become of a clock at a time."""

    RUNNING = "running"
    OVERDUE = "overdue"
    ELAPSED = "elapsed"
    ANSWERED_IN_TIME = "answered_in_time"
    ANSWERED_LATE = "answered_late"
    STOPPED = "stopped"


class ClaimReason(StrEnum):
    """Why something that is said of a clock counts for nothing."""

    NOT_STARTED = "not_started"
    STARTED_BEFORE = "started_before"
    NOT_ITS_STARTER = "not_its_starter"
    NOT_RESPONSIBLE = "not_responsible"
    NOTHING_TO_ANSWER = "nothing_to_answer"
    OVER = "over"


class Meaning(NamedTuple):
    """What a reason says, and what would help."""

    sentence: str
    remedy: str


MEANINGS: Final[dict[ClaimReason, Meaning]] = {
    ClaimReason.NOT_STARTED: Meaning("A clock is answered or stopped after it began.", "Start it first."),
    ClaimReason.STARTED_BEFORE: Meaning("A clock begins once.", "Start another."),
    ClaimReason.NOT_ITS_STARTER: Meaning(
        "Only who started a clock stops it.", "Let whoever started it do so, or answer it."
    ),
    ClaimReason.NOT_RESPONSIBLE: Meaning(
        "A clock is answered by who has to answer, or by who started it.", "Let the responsible organisation answer it."
    ),
    ClaimReason.NOTHING_TO_ANSWER: Meaning(
        "This clock says how long something is kept.", "Stop it if it need not be kept any more."
    ),
    ClaimReason.OVER: Meaning(
        "A clock is answered or stopped once.", "Start another for what has to be answered again."
    ),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that counts for nothing, and why."""

    said: Said
    reason: ClaimReason


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock as a reader sees it: how it `began`, how it `ended` if it has, and what counts for nothing."""

    started: ClockStarted
    began: Said
    ended: Said | None
    claims: tuple[Claim, ...]

    def state(self, at: int) -> ClockState:
        """Return what has become of it at an instant (µs UTC) not before the last thing said; `due` itself is late."""
        if self.ended is None:
            if at < self.started.due:
                return ClockState.RUNNING
            return ClockState.ELAPSED if self.started.retention else ClockState.OVERDUE
        if isinstance(self.ended.payload, ClockStopped):
            return ClockState.STOPPED
        in_time = self.ended.occurred_at < self.started.due
        return ClockState.ANSWERED_IN_TIME if in_time else ClockState.ANSWERED_LATE


def clock_of(said: Iterable[Said]) -> Clock | None:
    """Fold what a reader sees of one clock; None when it is not seen to have begun."""
    in_turn = sorted(said, key=lambda one: one.turn)
    began = next((one for one in in_turn if isinstance(one.payload, ClockStarted)), None)
    if began is None or not isinstance(began.payload, ClockStarted):
        return None
    started, ended, claims = began.payload, None, []
    for one in in_turn:
        if one is began:
            continue
        reason = _reason(one, began, started, ended)
        if reason is None:
            ended = one
        else:
            claims.append(Claim(one, reason))
    return Clock(started, began, ended, tuple(claims))


def _reason(one: Said, began: Said, started: ClockStarted, ended: Said | None) -> ClaimReason | None:
    if isinstance(one.payload, ClockStarted):
        return ClaimReason.STARTED_BEFORE
    if one.turn < began.turn:
        return ClaimReason.NOT_STARTED
    if isinstance(one.payload, ClockStopped):
        if one.said_by != began.said_by:
            return ClaimReason.NOT_ITS_STARTER
    elif one.said_by not in (began.said_by, started.responsible):
        return ClaimReason.NOT_RESPONSIBLE
    elif started.retention:
        return ClaimReason.NOTHING_TO_ANSWER
    return None if ended is None else ClaimReason.OVER
