"""A recall case as one reader sees it: a fold over what is said in it, in the order of event time.

It is the same for every order of arrival and never raises. What breaks a rule is a claim with its reason, and moves
nothing. Who opened a case sees all of it; an organisation that was notified sees its notices, its own answers, and that
the case is over; others may see that it is open or over. The same fold applies to all, so a rule asks for nothing that
some of them do not see.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.recall.events import (
    Payload,
    RecallAcknowledged,
    RecallCancelled,
    RecallClosed,
    RecallNotified,
    RecallOpened,
    RecallReconciled,
    RecallScoped,
    Said,
    Told,
)


class Stage(StrEnum):
    """How far a case has come."""

    OPENED = "opened"
    SCOPED = "scoped"
    NOTIFIED = "notified"
    ACKNOWLEDGED = "acknowledged"
    """By everybody who was notified."""
    RECONCILED = "reconciled"
    CLOSED = "closed"
    CANCELLED = "cancelled"


OVER: Final = frozenset({Stage.CLOSED, Stage.CANCELLED})


class ClaimReason(StrEnum):
    """Why something that is said in a case counts for nothing."""

    NOT_ITS_OPENER = "not_its_opener"
    NOT_OPENED = "not_opened"
    OPENED_BEFORE = "opened_before"
    NOT_SCOPED = "not_scoped"
    NOT_NOTIFIED = "not_notified"
    NOT_IN_NOTICE = "not_in_notice"
    NOT_RECONCILED = "not_reconciled"
    OVER = "over"


class Meaning(NamedTuple):
    """What a reason says, and what would help."""

    sentence: str
    remedy: str


MEANINGS: Final[dict[ClaimReason, Meaning]] = {
    ClaimReason.NOT_ITS_OPENER: Meaning(
        "Only who opened the case scopes it, notifies, reconciles and ends it.", "Let whoever opened it do so."
    ),
    ClaimReason.NOT_OPENED: Meaning("The case was not open at that time.", "Open it first."),
    ClaimReason.OPENED_BEFORE: Meaning("A case is opened once.", "Open another."),
    ClaimReason.NOT_SCOPED: Meaning("It is known what is affected before it is added up.", "Scope it first."),
    ClaimReason.NOT_NOTIFIED: Meaning(
        "An organisation answers to a notice that it was sent.", "Name a notice of your own that is in the case."
    ),
    ClaimReason.NOT_IN_NOTICE: Meaning(
        "An answer is about the things that the notice names.", "Leave out what the notice does not name."
    ),
    ClaimReason.NOT_RECONCILED: Meaning(
        "A case is closed when it was added up what became of the things, or for a reason.",
        "Reconcile it after the last scope and notice, or give the reason.",
    ),
    ClaimReason.OVER: Meaning("Nothing more is said in a case that was closed or cancelled.", "Open another."),
}


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that counts for nothing, and why."""

    said: Said
    reason: ClaimReason


@dataclass(slots=True)
class Notice:
    """What an organisation was told, in one event or several, and what it answered, the oldest first."""

    notice: str
    organisation: str
    sent: list[Said] = field(default_factory=list)
    things: dict[str, None] = field(default_factory=dict)
    answers: list[Said] = field(default_factory=list)

    @property
    def told(self) -> dict[str, list[Told]]:
        """Return what the organisation told of each thing, all of it in the last answer that names the thing."""
        found: dict[str, list[Told]] = {}
        for said in self.answers:
            lines: dict[str, list[Told]] = {}
            for one in _answer(said).told:
                lines.setdefault(one.thing, []).append(one)
            found.update(lines)
        return found


@dataclass(frozen=True, slots=True)
class RecallCase:
    """A case as a reader sees it.

    `about` is the opening, or what a notice says of it to who sees no more. `scopes` are the oldest first; `reconciled`
    is the last, if nothing was scoped and nobody notified since.
    """

    case: str
    opened_by: str
    about: RecallOpened
    stage: Stage
    scopes: tuple[Said, ...]
    notices: tuple[Notice, ...]
    reconciled: Said | None
    ended: Said | None
    said: tuple[Said, ...]
    claims: tuple[Claim, ...]

    @property
    def began_at(self) -> int:
        """Return the first position that tells of the case."""
        return min(one.position for one in self.said)

    @property
    def scope(self) -> RecallScoped | None:
        """Return the last scope."""
        payload = self.scopes[-1].payload if self.scopes else None
        return payload if isinstance(payload, RecallScoped) else None

    def notified(self, organisation: str) -> set[str]:
        """Return the things that an organisation was told of."""
        return {thing for one in self.notices if one.organisation == organisation for thing in one.things}


def case_of(said: Iterable[Said]) -> RecallCase | None:
    """Fold what a reader sees of one case; None when nobody is seen to have opened it."""
    in_turn = sorted(said, key=lambda one: one.turn)
    begins = next((one for one in in_turn if isinstance(one.payload, RecallOpened)), None)
    begins = begins or next((one for one in in_turn if isinstance(one.payload, RecallNotified)), None)
    if begins is None:
        return None
    fold = _Fold(begins)
    for one in in_turn:
        fold.hear(one)
    return fold.case()


def claim_reason(said: Sequence[Said], draft: Said) -> ClaimReason | None:
    """Tell why something new would count for nothing in a case, None when it would count."""
    found = case_of([*said, draft])
    if found is None:
        return ClaimReason.NOT_OPENED
    return next((claim.reason for claim in found.claims if claim.said is draft), None)


class _Fold:
    def __init__(self, begins: Said) -> None:
        self._begins = begins
        self._open = False
        self._scopes: list[Said] = []
        self._notices: dict[str, Notice] = {}
        self._reconciled: Said | None = None
        self._ended: Said | None = None
        self._said: list[Said] = []
        self._claims: list[Claim] = []

    def hear(self, said: Said) -> None:
        reason = self._reason(said)
        if reason is None:
            self._said.append(said)
            self._take(said)
        else:
            self._claims.append(Claim(said, reason))

    def case(self) -> RecallCase:
        return RecallCase(
            case=self._begins.payload.case,
            opened_by=self._begins.said_by,
            about=_about(self._begins.payload),
            stage=self._stage(),
            scopes=tuple(self._scopes),
            notices=tuple(self._notices.values()),
            reconciled=self._reconciled,
            ended=self._ended,
            said=tuple(self._said),
            claims=tuple(self._claims),
        )

    def _reason(self, said: Said) -> ClaimReason | None:
        if not isinstance(said.payload, RecallAcknowledged) and said.said_by != self._begins.said_by:
            return ClaimReason.NOT_ITS_OPENER
        if said is self._begins:
            return None
        if isinstance(said.payload, RecallOpened):
            return ClaimReason.OPENED_BEFORE
        if not self._open:
            return ClaimReason.NOT_OPENED
        if self._ended is not None:
            return None if self._tells_of_the_end(said.payload) else ClaimReason.OVER
        return self._reason_while_open(said)

    def _tells_of_the_end(self, payload: Payload) -> bool:
        """Tell whether this is how somebody who was notified learns that the case is over."""
        ended = self._ended
        return ended is not None and type(payload) is type(ended.payload) and _addressee(payload) is not None

    def _reason_while_open(self, said: Said) -> ClaimReason | None:
        payload = said.payload
        match payload:
            case RecallAcknowledged():
                return self._reason_of_answer(said, payload)
            case RecallReconciled() if not self._scopes:
                return ClaimReason.NOT_SCOPED
            case RecallClosed() if payload.reason is None and not self._may_close(payload):
                return ClaimReason.NOT_RECONCILED
        return None

    def _may_close(self, payload: RecallClosed) -> bool:
        """Tell whether it was added up; who sees no scope sees no sum either."""
        return payload.reconciled and (self._reconciled is not None or not self._scopes)

    def _reason_of_answer(self, said: Said, payload: RecallAcknowledged) -> ClaimReason | None:
        notice = self._notices.get(payload.notice)
        if notice is None or notice.organisation != said.said_by:
            return ClaimReason.NOT_NOTIFIED
        known = all(one.thing in notice.things for one in payload.told)
        return None if known else ClaimReason.NOT_IN_NOTICE

    def _take(self, said: Said) -> None:
        payload = said.payload
        match payload:
            case RecallOpened():
                self._open = True
            case RecallScoped():
                self._scopes.append(said)
                self._reconciled = None
            case RecallNotified():
                self._open = True
                notice = self._notices.setdefault(payload.notice, Notice(payload.notice, payload.organisation))
                notice.sent.append(said)
                notice.things.update(dict.fromkeys(payload.things))
                self._reconciled = None
            case RecallAcknowledged():
                self._notices[payload.notice].answers.append(said)
            case RecallReconciled():
                self._reconciled = said
            case RecallClosed() | RecallCancelled():
                self._ended = self._ended or said

    def _stage(self) -> Stage:
        if self._ended is not None:
            return Stage.CLOSED if isinstance(self._ended.payload, RecallClosed) else Stage.CANCELLED
        if self._reconciled is not None:
            return Stage.RECONCILED
        if self._notices:
            answered = all(notice.answers for notice in self._notices.values())
            return Stage.ACKNOWLEDGED if answered else Stage.NOTIFIED
        return Stage.SCOPED if self._scopes else Stage.OPENED


def _about(payload: Payload) -> RecallOpened:
    assert isinstance(payload, RecallOpened | RecallNotified)
    return RecallOpened(
        case=payload.case,
        name=payload.name,
        reason=payload.reason,
        classification=payload.classification,
        roots=payload.roots,
    )


def _addressee(payload: Payload) -> str | None:
    return payload.organisation if isinstance(payload, RecallClosed | RecallCancelled) else None


def _answer(said: Said) -> RecallAcknowledged:
    assert isinstance(said.payload, RecallAcknowledged)
    return said.payload
