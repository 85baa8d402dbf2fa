"""A shipment as one reader sees it: a fold over what is said of it and the EPCIS events that name its despatch advice.

It is the same for every order of arrival and never raises. Of EPCIS events those of the shipper tell what was sent,
and those of the consignee what came; departures and arrivals are told by these two and the carriers of the legs. What
others say, and what breaks a rule, is a claim with its reason and moves nothing. To receive more than was sent is a
fact of the world: it is counted as over, and never refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from itertools import pairwise
from typing import Final, NamedTuple

from traceability.supply_chain.seen import SeenEvent, thing_of
from traceability.supply_chain.shipment.counting import Advised, Count, Row, rows_of
from traceability.supply_chain.shipment.events import (
    Difference,
    ExceptionAnswered,
    ExceptionClosed,
    ExceptionOpened,
    Leg,
    ReceiptCompleted,
    Report,
    Said,
    ShipmentAdvised,
)
from traceability.supply_chain.standing import standing


class Stage(StrEnum):
    """How far a shipment has come."""

    ADVISED = "advised"
    DESPATCHED = "despatched"
    PARTLY_RECEIVED = "partly_received"
    RECEIVED = "received"
    """All that was advised came and nothing else, or the consignee said so."""
    DISCREPANT = "discrepant"
    """The consignee opened an exception case that is not closed."""
    CLOSED = "closed"
    """All its exception cases are closed."""


class ClaimReason(StrEnum):
    """Why something that is said of a shipment counts for nothing."""

    ADVISED_BEFORE = "advised_before"
    NOT_ADVISED = "not_advised"
    NOT_A_SIDE = "not_a_side"
    NOT_ITS_CONSIGNEE = "not_its_consignee"
    NOT_ITS_SHIPPER = "not_its_shipper"
    NO_SUCH_CASE = "no_such_case"
    OPENED_BEFORE = "opened_before"
    OVER = "over"


class Meaning(NamedTuple):
    """What a reason says, and what would help."""

    sentence: str
    remedy: str


MEANINGS: Final[dict[ClaimReason, Meaning]] = {
    ClaimReason.ADVISED_BEFORE: Meaning("A shipment is advised once.", "Advise another."),
    ClaimReason.NOT_ADVISED: Meaning("A shipment is received after it was advised.", "Let it be advised first."),
    ClaimReason.NOT_A_SIDE: Meaning(
        "The shipper tells what was sent, the consignee what came, and they and the carriers when it left and arrived.",
        "Let one of them record it.",
    ),
    ClaimReason.NOT_ITS_CONSIGNEE: Meaning(
        "The consignee completes a receipt, and opens and closes its cases.", "Let the consignee do so."
    ),
    ClaimReason.NOT_ITS_SHIPPER: Meaning("A case is answered by who advised the shipment.", "Let the shipper answer."),
    ClaimReason.NO_SUCH_CASE: Meaning("There is no such exception case.", "Name one of this shipment."),
    ClaimReason.OPENED_BEFORE: Meaning("A case is opened once.", "Open another."),
    ClaimReason.OVER: Meaning("Nothing more is said in a case that was closed.", "Complete the receipt again."),
}


class Moved(StrEnum):
    """What an EPCIS event tells of a shipment."""

    SHIPPED = "shipped"
    VOIDED = "voided"
    RECEIVED = "received"
    DAMAGED = "damaged"
    DEPARTED = "departed"
    ARRIVED = "arrived"


_STEPS: Final = {
    "shipping": Moved.SHIPPED,
    "void_shipping": Moved.VOIDED,
    "receiving": Moved.RECEIVED,
    "departing": Moved.DEPARTED,
    "arriving": Moved.ARRIVED,
}


@dataclass(frozen=True, slots=True)
class Movement:
    """An EPCIS event that counts, and what it tells; of goods that came damaged it tells two things."""

    event: SeenEvent
    told: tuple[Moved, ...]


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that counts for nothing, and why."""

    of: Said | SeenEvent
    reason: ClaimReason


@dataclass(slots=True)
class ExceptionCase:
    """A case that the consignee opened, the answers of the shipper, the oldest first, and how it was closed."""

    opened: Said
    about: ExceptionOpened
    answers: list[Said] = field(default_factory=list)
    closed: Said | None = None


@dataclass(frozen=True, slots=True)
class Travelled:
    """A leg with the first departure and arrival (µs UTC) that events tell of its places, and their positions."""

    leg: Leg
    departed: int | None = None
    arrived: int | None = None
    positions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Handover:
    """A place where one carrier hands over to the next, and when it was there, as far as that is told."""

    place: str
    from_carrier: str | None
    to_carrier: str | None
    arrived: int | None
    departed: int | None


@dataclass(frozen=True, slots=True)
class Shipment:
    """A shipment as a reader sees it.

    `receipts` is how many receiving events of the consignee are seen, also those that it took back. `sees_all` is false
    when the consignee counted more, or they are not seen whole: then nothing is said of what is short or over but in
    the cases.
    """

    about: ShipmentAdvised
    advised: Said
    stage: Stage
    rows: tuple[Row, ...]
    legs: tuple[Travelled, ...]
    handovers: tuple[Handover, ...]
    completed: Said | None
    cases: tuple[ExceptionCase, ...]
    movements: tuple[Movement, ...]
    claims: tuple[Claim, ...]
    said: tuple[Said, ...]
    receipts: int
    sees_all: bool

    @property
    def differences(self) -> tuple[Report, ...]:
        """Return how what came differs from what was advised, once the receipt is complete, else what is over."""
        return tuple(report for row in self.rows for report in row.reports)

    def missing_reports(self) -> tuple[Report, ...]:
        """Return what a case has to name if all that will come has come: what is outstanding is short then."""
        rows = [row if row.outstanding is None else row._replace(short=row.outstanding) for row in self.rows]
        return tuple(report for row in rows for report in row.reports if report.named not in self._named)

    @property
    def unnamed(self) -> tuple[Report, ...]:
        """Return the differences that no case names: what became known after the receipt was complete."""
        return tuple(report for report in self.differences if report.named not in self._named)

    @property
    def _named(self) -> set[tuple[str, Difference, str, Decimal]]:
        return {report.named for case in self.cases for report in case.about.reports}


def shipment_of(said: Iterable[Said], events: Iterable[SeenEvent]) -> Shipment | None:
    """Fold what a reader sees of one shipment; None when nobody is seen to have advised it.

    `events` are those that may name the despatch advice, with the error declarations that retract some of them.
    """
    in_turn = sorted(said, key=lambda one: one.turn)
    advised = next((one for one in in_turn if isinstance(one.payload, ShipmentAdvised)), None)
    if advised is None or not isinstance(advised.payload, ShipmentAdvised):
        return None
    fold, seen = _Fold(advised, advised.payload), list(events)
    for one in in_turn:
        fold.hear(one)
    # At one instant, what was shipped before it was not after all.
    for event in sorted(standing(seen), key=lambda event: (event.occurred_at, Moved.VOIDED in _told(event))):
        fold.watch(event)
    return fold.shipment({event.position: event for event in seen if not event.declares and fold.is_receipt(event)})


def claim_reason(said: Collection[Said], draft: Said) -> ClaimReason | None:
    """Tell why something new would count for nothing, None when it would count."""
    found = shipment_of([*said, draft], ())
    if found is None:
        return ClaimReason.NOT_ADVISED
    return next((claim.reason for claim in found.claims if claim.of is draft), None)


class _Fold:
    def __init__(self, advised: Said, about: ShipmentAdvised) -> None:
        self._advised = advised
        self._about = about
        self._completed: Said | None = None
        self._cases: dict[str, ExceptionCase] = {}
        self._said: list[Said] = []
        self._claims: list[Claim] = []
        self._movements: list[Movement] = []
        contents = Advised(about.lines)
        self._contents = contents
        self._counts = {moved: Count(contents) for moved in (Moved.SHIPPED, Moved.RECEIVED, Moved.DAMAGED)}
        self._carriers = {leg.carrier for leg in about.legs}

    def hear(self, said: Said) -> None:
        reason = self._reason(said)
        if reason is not None:
            self._claims.append(Claim(said, reason))
            return
        self._said.append(said)
        match said.payload:
            case ReceiptCompleted():
                self._completed = said
            case ExceptionOpened(case=case) as opened:
                self._cases[case] = ExceptionCase(said, opened)
            case ExceptionAnswered(case=case):
                self._cases[case].answers.append(said)
            case ExceptionClosed(case=case):
                self._cases[case].closed = said

    def is_receipt(self, event: SeenEvent) -> bool:
        return event.captured_by == self._about.consignee and Moved.RECEIVED in _told(event) and self._names(event)

    def watch(self, event: SeenEvent) -> None:
        if not self._names(event):
            return
        told = _told(event)
        if not told:
            return
        counting = tuple(moved for moved in told if event.captured_by in self._tellers(moved))
        if not counting:
            self._claims.append(Claim(event, ClaimReason.NOT_A_SIDE))
            return
        self._movements.append(Movement(event, counting))
        for moved in counting:
            if moved is Moved.VOIDED:
                self._counts[Moved.SHIPPED].remove(event)
            elif moved in self._counts:
                self._counts[moved].add(event)

    def shipment(self, receipts: Mapping[int, SeenEvent]) -> Shipment:
        completed = self._completed
        payload = None if completed is None else completed.payload
        sees_all = not isinstance(payload, ReceiptCompleted) or len(receipts) >= payload.receipts
        sees_all = sees_all and all(event.whole for event in receipts.values())
        shipped, received, damaged = (self._counts[one] for one in (Moved.SHIPPED, Moved.RECEIVED, Moved.DAMAGED))
        rows = rows_of(self._contents, shipped, received, damaged, complete=payload is not None, seen=sees_all)
        legs = self._legs()
        return Shipment(
            about=self._about,
            advised=self._advised,
            stage=self._stage(rows, sees_all=sees_all),
            rows=tuple(rows),
            legs=legs,
            handovers=tuple(_handovers(legs)),
            completed=completed,
            cases=tuple(self._cases.values()),
            movements=tuple(self._movements),
            claims=tuple(self._claims),
            said=tuple(self._said),
            receipts=len(receipts),
            sees_all=sees_all,
        )

    def _names(self, event: SeenEvent) -> bool:
        return any(uri == self._about.advice for _, uri in event.view.biz_transactions)

    def _reason(self, said: Said) -> ClaimReason | None:
        payload, by = said.payload, said.said_by
        if isinstance(payload, ShipmentAdvised):
            return None if said is self._advised else ClaimReason.ADVISED_BEFORE
        if said.turn < self._advised.turn:
            return ClaimReason.NOT_ADVISED
        if isinstance(payload, ExceptionAnswered):
            return self._reason_in_case(payload) if by == self._advised.said_by else ClaimReason.NOT_ITS_SHIPPER
        if by != self._about.consignee:
            return ClaimReason.NOT_ITS_CONSIGNEE
        return None if isinstance(payload, ReceiptCompleted) else self._reason_in_case(payload)

    def _reason_in_case(self, payload: ExceptionOpened | ExceptionAnswered | ExceptionClosed) -> ClaimReason | None:
        case = self._cases.get(payload.case)
        if isinstance(payload, ExceptionOpened):
            return None if case is None else ClaimReason.OPENED_BEFORE
        if case is None:
            return ClaimReason.NO_SUCH_CASE
        return None if case.closed is None else ClaimReason.OVER

    def _tellers(self, moved: Moved) -> Collection[str | None]:
        shipper, consignee = self._advised.said_by, self._about.consignee
        match moved:
            case Moved.SHIPPED | Moved.VOIDED:
                return (shipper,)
            case Moved.RECEIVED | Moved.DAMAGED:
                return (consignee,)
        return {shipper, consignee, *self._carriers}

    def _stage(self, rows: Iterable[Row], *, sees_all: bool) -> Stage:
        if any(case.closed is None for case in self._cases.values()):
            return Stage.DISCREPANT
        if self._cases:
            return Stage.CLOSED
        if self._completed is not None:
            return Stage.RECEIVED
        if any(row.received or row.damaged for row in rows):
            differs = any(row.outstanding or row.over or row.damaged for row in rows)
            return Stage.PARTLY_RECEIVED if differs or not sees_all else Stage.RECEIVED
        return Stage.DESPATCHED if any(row.shipped for row in rows) else Stage.ADVISED

    def _legs(self) -> tuple[Travelled, ...]:
        """Give each leg the first departure from its beginning that no earlier leg has, and the arrival after it."""
        left = {moved: [one.event for one in self._movements if moved in one.told] for moved in Moved}
        found, since = [], 0
        for leg in self._about.legs:
            departed = _first_at(left[Moved.DEPARTED], leg.from_place, since)
            since = since if departed is None else departed.occurred_at
            arrived = _first_at(left[Moved.ARRIVED], leg.to_place, since)
            since = since if arrived is None else arrived.occurred_at
            told = [event for event in (departed, arrived) if event is not None]
            found.append(
                Travelled(
                    leg,
                    None if departed is None else departed.occurred_at,
                    None if arrived is None else arrived.occurred_at,
                    tuple(event.position for event in told),
                )
            )
        return tuple(found)


def _told(event: SeenEvent) -> tuple[Moved, ...]:
    step = _STEPS.get(event.head.bizStep or "")
    damaged = (Moved.DAMAGED,) if event.head.disposition == "damaged" else ()
    return damaged if step is None else (step, *damaged)


def _first_at(events: list[SeenEvent], place: str, since: int) -> SeenEvent | None:
    """Take the first event at a place that is not before an instant."""
    for number, event in enumerate(events):
        there = {thing_of(uri) for uri in event.places if uri is not None}
        if event.occurred_at >= since and thing_of(place) in there:
            return events.pop(number)
    return None


def _handovers(legs: tuple[Travelled, ...]) -> Iterable[Handover]:
    for one, following in pairwise(legs):
        if one.leg.carrier != following.leg.carrier:
            yield Handover(one.leg.to_place, one.leg.carrier, following.leg.carrier, one.arrived, following.departed)
