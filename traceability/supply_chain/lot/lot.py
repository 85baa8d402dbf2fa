"""A lot as one reader sees it: a fold over its judged history, in the order of event time.

It is the same for every order of arrival and never raises. What breaks a rule happened all the same: it is a finding,
told with the event.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Final, NamedTuple

from traceability.gs1.epcis.view import read_ilmd
from traceability.gs1.identifiers import Kind
from traceability.supply_chain.containment import Interval
from traceability.supply_chain.custody import Hold
from traceability.supply_chain.days import day_at, end_of, read_day
from traceability.supply_chain.decisions import HoldingRole, SeenDecision, TransferAccepted, TransferProposed
from traceability.supply_chain.drug_package.events import BatchRecalled
from traceability.supply_chain.entry import OF_MAKERS, HistoryEntry
from traceability.supply_chain.item import makes
from traceability.supply_chain.lot.accounts import Row, Sum, Total
from traceability.supply_chain.lot.certificates import Certificate, certificates_in, in_force, missing
from traceability.supply_chain.lot.key_data import (
    KeyData,
    background,
    code_sources,
    key_data,
    master_datum,
)
from traceability.supply_chain.lot.stock import Stock
from traceability.supply_chain.lot.terms import (
    ASSIGNING,
    FIRST_RECEIVING,
    NOT_ASSIGNING,
    STAGES,
    Code,
    Finding,
    Lack,
    Obstacle,
    Stage,
    word_of,
)
from traceability.supply_chain.seen import TRANSFORMATION_EVENT, SeenEvent, identify, thing_of
from traceability.supply_chain.story import MAX_NESTING

_GONE: Final = {
    Total.USED: Stage.CONSUMED,
    Total.SOLD: Stage.SOLD,
    Total.DESTROYED: Stage.DESTROYED,
    Total.LOST: Stage.LOST,
    Total.DECOMMISSIONED: Stage.DECOMMISSIONED,
}
_DATES: Final[Mapping[str, tuple[str, ...]]] = {
    "expiry": ("itemExpirationDate", "expirationDate"),
    "best_before": ("bestBeforeDate",),
    "produced": ("productionDate", "packagingDate"),
    "harvested": ("harvestStartDate", "harvestDate", "harvestEndDate"),
}
_EACH: Final = "EA"  # UN/ECE Recommendation 20


class Passed(NamedTuple):
    """The event at `position` brought the lot, or some of it, to a stage at an instant (µs UTC).

    `documents` are the business documents that it names: the voucher under which goods left a port, say.
    """

    stage: Stage
    at: int
    by: str
    position: int
    documents: tuple[str, ...]


class Assigned(NamedTuple):
    """The event that assigned the lot code, at an instant (µs UTC); `source` is the place, where it tells one."""

    at: int
    by: str
    position: int
    source: str | None


class Recalled(NamedTuple):
    """All of the lot is recalled since an instant (µs UTC); that is never undone."""

    since: int
    by: str
    reason: str
    position: int


@dataclass(frozen=True, slots=True)
class Dates:
    """The days that master data of what made the lot tells; of several the first."""

    expiry: date | None = None
    best_before: date | None = None
    produced: date | None = None
    harvested: date | None = None


@dataclass(frozen=True, slots=True)
class Lot:
    """A lot: its `stage`, all that led to it, how much is where, and what is wrong.

    `made` is false where nobody is seen to have made it or a member of it. `unstated` are the positions of events that
    move some of it without saying how much: then the amounts are not all. `members` counts the things with serials.
    """

    lot: str
    description: str | None
    stage: Stage
    passed: tuple[Passed, ...]
    made: bool
    assigned: Assigned | None
    dates: Dates
    sums: tuple[Sum, ...]
    stock: tuple[Row, ...]
    unstated: tuple[int, ...]
    is_gone: bool
    members: int
    holds: tuple[Hold, ...]
    recalled: Recalled | None
    certificates: tuple[Certificate, ...]
    key_data: tuple[KeyData, ...]
    findings: tuple[Finding, ...]

    def expired(self, at: int) -> bool:
        """Tell whether its last day is over at an instant (µs UTC), in UTC."""
        return self.dates.expiry is not None and at >= end_of(self.dates.expiry)

    def obstacles(self, at: int, required: Iterable[str] = ()) -> list[Obstacle]:
        """Return what keeps it from being released at an instant (µs UTC): nothing for one that may be.

        `required` are the kinds of certificates that are asked for.
        """
        told = (
            (not self.made, Obstacle(Lack.NOT_MADE)),
            (self.is_gone, Obstacle(Lack.NOTHING_LEFT)),
            *((self._is_held_by(hold), Obstacle(Lack.HELD, hold.kind, hold.position)) for hold in self.holds),
            (self.recalled is not None, Obstacle(Lack.RECALLED, None, self.recalled and self.recalled.position)),
            (self.expired(at), Obstacle(Lack.EXPIRED)),
        )
        return [one for holds, one in told if holds] + list(missing(self.certificates, required, day_at(at)))

    def _is_held_by(self, hold: Hold) -> bool:
        """Tell whether a hold is on more than what its placer has of a lot of which others have some too."""
        alone = {row.account.holder for row in self.stock} <= {hold.placed_by}
        return alone or hold.via is not None or hold.authority in OF_MAKERS


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of a lot: its judged history, and when each container that it was in was in what else.

    `described` is what master data calls it, `required` are the kinds of certificates that a release needs.
    """

    entries: Sequence[HistoryEntry]
    nest: Mapping[str, Sequence[Interval]] = field(default_factory=dict)
    holds: Sequence[Hold] = ()
    described: str | None = None
    required: Sequence[str] = ()


def lot_of(lot: str, told: Told, organisation_of: Callable[[str], str | None]) -> Lot:
    """Fold what is told of a lot; it includes nothing after the time asked for."""
    fold = _Fold(lot, told, organisation_of)
    for entry in told.entries:
        if entry.counts:
            fold.hear(entry)
    stock = fold.stock
    turns = {entry.event.position: number for number, entry in enumerate(told.entries)}
    return Lot(
        lot=lot,
        description=fold.description,
        stage=fold.stage,
        passed=tuple(fold.passed),
        made=fold.made,
        assigned=fold.assigned,
        dates=fold.dates,
        sums=tuple(stock.sums()),
        stock=tuple(stock.rows()),
        unstated=tuple(dict.fromkeys(stock.unstated)),
        is_gone=stock.is_gone,
        members=len(fold.members),
        holds=tuple(told.holds),
        recalled=fold.recalled,
        certificates=tuple(in_force(fold.certificates)),
        key_data=tuple(fold.key_data),
        findings=tuple(sorted({**fold.findings, **stock.findings}, key=lambda one: (turns[one.position], one.code))),
    )


class _Fold:
    def __init__(self, lot: str, told: Told, organisation_of: Callable[[str], str | None]) -> None:
        self.stock = Stock(organisation_of)
        self.passed: list[Passed] = []
        self.made = False
        self.members: set[str] = set()
        self.recalled: Recalled | None = None
        self.certificates: list[Certificate] = []
        self.key_data: list[KeyData] = []
        self.findings: dict[Finding, None] = {}
        self._lot = lot
        self._told = told
        self._offered: dict[str, str] = {}
        self._inward: dict[str, list[Interval]] = {}
        for interval in (one for several in told.nest.values() for one in several):
            self._inward.setdefault(interval.parent, []).append(interval)
        making = [entry for entry in told.entries if entry.counts and entry.via is None and makes_of_lot(lot, entry)]
        self.assigned = self._assigned(making)
        harvested = [
            one.event for one in told.entries if one.counts and word_of(one.event.head.bizStep) == "harvesting"
        ]
        maker = next((entry.event for entry in making), None)
        self._known = background(told.described, maker, next(iter(harvested), None))._replace(
            code_source=None if self.assigned is None else self.assigned.source
        )
        self.dates = self._dates(making)

    @property
    def description(self) -> str | None:
        """Return what it is: by master data of what made it, else as it was described."""
        return self._known.description

    @property
    def stage(self) -> Stage:
        """Return the stage of what is left; when all that was counted went, how the last of it did."""
        gone = self.stock.is_gone
        return next((one.stage for one in reversed(self.passed) if gone or one.stage not in _ENDS), Stage.UNKNOWN)

    def hear(self, entry: HistoryEntry) -> None:
        event = entry.event
        if isinstance(event, SeenDecision):
            self._decide(entry, event)
            return
        self.members.update(event.members.get(self._lot, ()))
        made = makes_of_lot(self._lot, entry)
        self.made = self.made or made
        if not (entry.mentions or made):
            return  # what happens to one member tells nothing of the lot
        self.certificates += certificates_in(event)
        containers = self._inside(entry)
        amounts = self.stock.inside(containers) if entry.via is not None else _amounts(self._lot, entry)
        self.key_data += key_data(self._lot, entry, amounts, self._known)
        self._pass(event, self._stage_of(entry, self.stock.hear(entry, containers), made=made))
        self._check_source(event)

    def _decide(self, entry: HistoryEntry, decision: SeenDecision) -> None:
        said = decision.payload
        match said:
            case BatchRecalled() if entry.via is None and entry.authority in OF_MAKERS:
                recalled = Recalled(decision.occurred_at, decision.captured_by, said.reason, decision.position)
                self.recalled = self.recalled or recalled
            case TransferProposed(role=HoldingRole.CUSTODY):
                self._offered[said.proposal] = said.receiver
            case TransferAccepted() if entry.via is not None and said.proposal in self._offered:
                self.stock.hand_over(self._inside(entry), self._offered[said.proposal])

    def _stage_of(self, entry: HistoryEntry, gone: Total | None, *, made: bool) -> Stage | None:
        if gone is not None:
            return _GONE[gone]
        step = word_of(entry.event.head.bizStep)
        packs = step in ("packing", "repackaging") and entry.via is None and not self.passed
        return STAGES.get(step) or (Stage.PACKED if made or packs else None)

    def _pass(self, event: SeenEvent, stage: Stage | None) -> None:
        if stage is None:
            return
        documents = tuple(uri for _, uri in event.view.biz_transactions)
        self.passed.append(Passed(stage, event.occurred_at, event.captured_by, event.position, documents))
        if stage is Stage.RELEASED and self._told.required:
            lacks = missing(in_force(self.certificates), self._told.required, day_at(event.occurred_at))
            for lack in lacks:
                self._tell(Code.RELEASED_WITHOUT_CERTIFICATE, event, lack.position, f"{lack.lack}: {lack.kind}")

    def _inside(self, entry: HistoryEntry) -> Collection[str]:
        """Return the container that an entry is about, and those that are in it at that time."""
        if entry.via is None:
            return ()
        at, found = entry.event.occurred_at, {entry.via}
        level = found
        for _ in range(MAX_NESTING):
            inward = (one for outer in level for one in self._inward.get(outer, ()) if one.opened_at <= at <= one.last)
            level = {one.child for one in inward} - found
            if not level:
                break
            found = found | level
        return found

    def _assigned(self, making: Sequence[HistoryEntry]) -> Assigned | None:
        """Return what assigned the lot code, and tell what made some of the lot and may assign none."""
        found: Assigned | None = None
        for number, entry in enumerate(making):
            event, step = entry.event, word_of(entry.event.head.bizStep)
            first = step == FIRST_RECEIVING and found is None and number == 0
            if event.type == TRANSFORMATION_EVENT or step in ASSIGNING or step not in NOT_ASSIGNING or first:
                found = found or Assigned(event.occurred_at, event.captured_by, event.position, event.place)
            else:
                against = None if found is None else found.position
                self._tell(Code.LOT_CODE_ASSIGNED_OUTSIDE, event, against, event.head.bizStep or "")
        return found

    def _check_source(self, event: SeenEvent) -> None:
        source = None if self.assigned is None else self.assigned.source
        told = code_sources(event)[:1]
        # A reference tells where to ask, and is no place.
        named = [thing_of(uri) for uri in told if _is_place(uri)]
        if source is not None and named and named[0] != thing_of(source):
            self._tell(Code.CODE_SOURCE_DIFFERS, event, self.assigned and self.assigned.position, told[0])

    def _dates(self, making: Iterable[HistoryEntry]) -> Dates:
        found: dict[str, date] = {}
        told_by: dict[str, SeenEvent] = {}
        for entry in making:
            ilmd = read_ilmd(entry.event.parts.how)
            for name, words in _DATES.items():
                text = master_datum(ilmd, *words)
                day = None if text is None else read_day(text)
                if day is None:
                    continue
                known = found.setdefault(name, day)
                before = told_by.setdefault(name, entry.event)
                if known != day and name in ("expiry", "best_before"):
                    note = f"{name} {day.isoformat()}, not {known.isoformat()}"
                    self._tell(Code.MIXED_EXPIRY, entry.event, before.position, note)
                if day < known:
                    found[name], told_by[name] = day, entry.event
        return Dates(**found)

    def _tell(self, code: Code, event: SeenEvent, against: int | None, note: str) -> None:
        self.findings.setdefault(Finding(code, event.position, against, note))


_ENDS: Final = frozenset(_GONE.values())


def _is_place(uri: str) -> bool:
    identifier = identify(uri)
    return identifier is not None and identifier.kind is Kind.PLACE


def makes_of_lot(lot: str, entry: HistoryEntry) -> bool:
    """Tell whether an event makes some of the lot, or members of it."""
    event = entry.event
    if isinstance(event, SeenDecision) or entry.via is not None:
        return False
    roles = {mention.role for mention in entry.mentions}
    if not entry.mentions:
        members = event.members.get(lot, ())
        roles = {mention.role for member in members for mention in event.of(member)}
    return bool(roles) and makes(event, roles)


def _amounts(lot: str, entry: HistoryEntry) -> list[tuple[str | None, Decimal]]:
    """Return the amounts that an event states of a lot; members with serials count as pieces."""
    if not entry.mentions:
        return [(_EACH, Decimal(len(entry.event.members[lot])))]
    return [(mention.uom, mention.quantity) for mention in entry.mentions if mention.quantity is not None]
