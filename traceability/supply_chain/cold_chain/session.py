"""A monitoring session as one reader sees it: a fold over what is said of it, in the order of event time.

It is the same for every order of arrival and never raises. Who opened it and its quality assurance seal and evaluate
it, quality assurance alone decides; who only tells readings says nothing in it. What breaks a rule is a claim with its
reason, and moves nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.cold_chain.course import LONGEST
from traceability.supply_chain.cold_chain.events import (
    Disposition,
    Said,
    SessionDispositioned,
    SessionEvaluated,
    SessionOpened,
    SessionSealed,
)
from traceability.supply_chain.parties import Parties

_MINUTE: Final = 60_000_000  # µs
_ACTION: Final = "monitoring_session_dispositioned"


class Stage(StrEnum):
    """How far a session has come."""

    OPENED = "opened"
    RECORDING = "recording"
    GAP = "gap"
    """The last reading does not stand any more."""
    SEALED = "sealed"
    EVALUATED = "evaluated"
    DISPOSITIONED = "dispositioned"


class ClaimReason(StrEnum):
    """Why something that is said of a session counts for nothing."""

    OPENED_BEFORE = "opened_before"
    NOT_OPENED = "not_opened"
    NOT_A_SIDE = "not_a_side"
    SEALED_BEFORE = "sealed_before"
    NO_SUCH_TIME = "no_such_time"
    NOT_SEALED = "not_sealed"
    NOT_EVALUATED = "not_evaluated"
    NOT_ITS_QUALITY = "not_its_quality"
    NOT_AUTHORISED = "not_authorised"
    OVER = "over"


class Meaning(NamedTuple):
    """What a reason says, and what would help."""

    sentence: str
    remedy: str


MEANINGS: Final[dict[ClaimReason, Meaning]] = {
    ClaimReason.OPENED_BEFORE: Meaning("A session is opened once.", "Open another."),
    ClaimReason.NOT_OPENED: Meaning("Nothing is said in a session before it is opened.", "Open it first."),
    ClaimReason.NOT_A_SIDE: Meaning(
        "Who opened a session and its quality assurance seal and evaluate it.", "Let one of them do so."
    ),
    ClaimReason.SEALED_BEFORE: Meaning("A session is sealed once.", "Open another for what is watched from now on."),
    ClaimReason.NO_SUCH_TIME: Meaning(
        "A session ends after it began, within a hundred years.", "Give the time until which the things were watched."
    ),
    ClaimReason.NOT_SEALED: Meaning("What is judged is sealed first.", "Seal the session."),
    ClaimReason.NOT_EVALUATED: Meaning("Who decides knows the verdict.", "Evaluate the session first."),
    ClaimReason.NOT_ITS_QUALITY: Meaning(
        "The quality assurance that was named when the session was opened decides.", "Let it decide."
    ),
    ClaimReason.NOT_AUTHORISED: Meaning(
        "Who decides has the licence or role that the register asks for.",
        "Ask the register for what is missing at that time: GET /register/{organisation}/authorised.",
    ),
    ClaimReason.OVER: Meaning(
        "After a release or destruction nothing more is decided.", "Open another session for what is watched again."
    ),
}


class Claim(NamedTuple):
    """Something that counts for nothing, and why."""

    said: Said
    reason: ClaimReason


@dataclass(frozen=True, slots=True)
class Session:
    """A session as a reader sees it; of several evaluations and dispositions the last counts.

    `said` is all that counts, in turn.
    """

    about: SessionOpened
    opened: Said
    sealed: Said | None
    seal: SessionSealed | None
    evaluated: Said | None
    evaluation: SessionEvaluated | None
    dispositioned: Said | None
    decision: SessionDispositioned | None
    said: tuple[Said, ...]
    claims: tuple[Claim, ...]

    @property
    def since(self) -> int:
        """Return when it was opened (µs UTC)."""
        return self.opened.occurred_at

    @property
    def until(self) -> int:
        """Return before when its readings were taken (µs UTC): a session that is not sealed goes on."""
        return self.since + LONGEST if self.seal is None else self.seal.until

    @property
    def disposition(self) -> Disposition | None:
        """Return what was decided last."""
        return None if self.decision is None else self.decision.disposition

    @property
    def was_quarantined(self) -> bool:
        """Tell whether a quarantine was decided at some time."""
        decisions = (one.payload for one in self.said if isinstance(one.payload, SessionDispositioned))
        return any(one.disposition is Disposition.QUARANTINE for one in decisions)

    @property
    def stands(self) -> int:
        """Return how long a reading stands at most (µs)."""
        return self.about.gap_after_minutes * _MINUTE

    @property
    def sides(self) -> frozenset[str]:
        """Return who speaks in it."""
        return frozenset({self.opened.said_by, self.about.quality})

    @property
    def tellers(self) -> frozenset[str]:
        """Return whose events tell the device's readings."""
        return frozenset({self.opened.said_by, *self.about.told_by})

    def stage(self, at: int, last: int | None) -> Stage:
        """Return its stage at an instant (µs UTC); `last` is when the last of its readings was taken."""
        if self.dispositioned is not None:
            return Stage.DISPOSITIONED
        if self.evaluated is not None:
            return Stage.EVALUATED
        if self.sealed is not None:
            return Stage.SEALED
        if last is None:
            return Stage.OPENED
        return Stage.RECORDING if at < last + self.stands else Stage.GAP


def session_of(said: Iterable[Said], parties: Parties) -> Session | None:
    """Fold what a reader sees of one session; None when it is not seen to have been opened."""
    in_turn = sorted(said, key=lambda one: one.turn)
    opened = next((one for one in in_turn if isinstance(one.payload, SessionOpened)), None)
    if opened is None or not isinstance(opened.payload, SessionOpened):
        return None
    fold = _Fold(opened, opened.payload, parties)
    for one in in_turn:
        fold.hear(one)
    return fold.session()


def claim_reason(said: Collection[Said], draft: Said, parties: Parties) -> ClaimReason | None:
    """Tell why something new would count for nothing, None when it would count."""
    found = session_of([*said, draft], parties)
    if found is None:
        return ClaimReason.NOT_OPENED
    return next((claim.reason for claim in found.claims if claim.said is draft), None)


class _Fold:
    def __init__(self, opened: Said, about: SessionOpened, parties: Parties) -> None:
        self._opened, self._about, self._parties = opened, about, parties
        self._sealed: tuple[Said, SessionSealed] | None = None
        self._evaluated: tuple[Said, SessionEvaluated] | None = None
        self._dispositioned: tuple[Said, SessionDispositioned] | None = None
        self._said: list[Said] = []
        self._claims: list[Claim] = []

    def hear(self, said: Said) -> None:
        reason = self._reason(said)
        if reason is not None:
            self._claims.append(Claim(said, reason))
            return
        self._said.append(said)
        match said.payload:
            case SessionSealed() as payload:
                self._sealed = said, payload
            case SessionEvaluated() as payload:
                self._evaluated = said, payload
            case SessionDispositioned() as payload:
                self._dispositioned = said, payload

    def session(self) -> Session:
        sealed, seal = self._sealed or (None, None)
        evaluated, evaluation = self._evaluated or (None, None)
        dispositioned, decision = self._dispositioned or (None, None)
        return Session(
            about=self._about,
            opened=self._opened,
            sealed=sealed,
            seal=seal,
            evaluated=evaluated,
            evaluation=evaluation,
            dispositioned=dispositioned,
            decision=decision,
            said=tuple(self._said),
            claims=tuple(self._claims),
        )

    def _reason(self, said: Said) -> ClaimReason | None:
        payload, by = said.payload, said.said_by
        if isinstance(payload, SessionOpened):
            return None if said is self._opened else ClaimReason.OPENED_BEFORE
        if said.turn < self._opened.turn:
            return ClaimReason.NOT_OPENED
        if isinstance(payload, SessionDispositioned):
            return self._reason_to_decide(said)
        if by not in (self._opened.said_by, self._about.quality):
            return ClaimReason.NOT_A_SIDE
        return self._reason_to_seal(payload) if isinstance(payload, SessionSealed) else self._reason_to_evaluate()

    def _reason_to_seal(self, seal: SessionSealed) -> ClaimReason | None:
        if self._sealed is not None:
            return ClaimReason.SEALED_BEFORE
        lasts = seal.until - self._opened.occurred_at
        return None if 0 < lasts <= LONGEST else ClaimReason.NO_SUCH_TIME

    def _reason_to_evaluate(self) -> ClaimReason | None:
        if self._sealed is None:
            return ClaimReason.NOT_SEALED
        return ClaimReason.OVER if self._is_over() else None

    def _reason_to_decide(self, said: Said) -> ClaimReason | None:
        if said.said_by != self._about.quality:
            return ClaimReason.NOT_ITS_QUALITY
        at = said.occurred_at
        if self._parties.is_ruled(_ACTION, at) and not self._parties.authorised(said.said_by, _ACTION, at, None):
            return ClaimReason.NOT_AUTHORISED
        if self._evaluated is None:
            return ClaimReason.NOT_EVALUATED
        return ClaimReason.OVER if self._is_over() else None

    def _is_over(self) -> bool:
        return self._dispositioned is not None and self._dispositioned[1].disposition is not Disposition.QUARANTINE
