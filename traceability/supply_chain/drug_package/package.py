"""A package of a medicine as one reader sees it: a fold over its judged history, in the order of event time.

It is the same for every order of arrival and never raises. What a rule forbids happened all the same: it is an alert,
told with the event, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from traceability.supply_chain.days import end_of
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.drug_package.events import Inactive, PackDeactivated, PackReactivated
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.item import Lifecycle, ending, makes
from traceability.supply_chain.seen import Role, SeenEvent

REVERSIBLE_FOR: Final = 10 * 24 * 3_600_000_000
"""µs after a deactivation in which it may be undone (Delegated Regulation (EU) 2016/161, Art. 13)."""
_NEVER_REVERSED: Final = frozenset({Inactive.DESTROYED, Inactive.STOLEN})
_GONE: Final = frozenset({Inactive.SUPPLIED, Inactive.EXPORTED, Inactive.DESTROYED, Inactive.STOLEN})
_BY_LIFECYCLE: Final = {
    Lifecycle.SUPPLIED: Inactive.SUPPLIED,
    Lifecycle.DESTROYED: Inactive.DESTROYED,
    Lifecycle.LOST_OR_STOLEN: Inactive.STOLEN,
    Lifecycle.CONSUMED: Inactive.CHECKED_OUT,
    Lifecycle.DECOMMISSIONED: Inactive.DECOMMISSIONED,
}


class Alert(StrEnum):
    """What is wrong with something that was said of a pack."""

    DEACTIVATED_AGAIN = "deactivated_again"
    REPEATED = "repeated"
    HANDLED_INACTIVE = "handled_inactive"
    NOTHING_TO_REVERSE = "nothing_to_reverse"
    ANOTHER_STATUS = "another_status"
    ANOTHER_ORGANISATION = "another_organisation"
    TOLD_BY_EVENT = "told_by_event"
    TOO_LATE = "too_late"
    IRREVERSIBLE = "irreversible"
    RECALLED = "recalled"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


MEANINGS: Final[dict[Alert, str]] = {
    Alert.DEACTIVATED_AGAIN: "A pack is deactivated once: where two organisations do, one pack may be a counterfeit.",
    Alert.REPEATED: "A pack is deactivated once; the same organisation said it again.",
    Alert.HANDLED_INACTIVE: "What was supplied, exported, destroyed or stolen is not handled any more.",
    Alert.NOTHING_TO_REVERSE: "Only what is inactive is made active again.",
    Alert.ANOTHER_STATUS: "A deactivation is undone by naming the status that it gave.",
    Alert.ANOTHER_ORGANISATION: "A deactivation is undone by who stated it.",
    Alert.TOLD_BY_EVENT: "What an EPCIS event told is taken back by an error declaration.",
    Alert.TOO_LATE: "A deactivation is undone within ten days.",
    Alert.IRREVERSIBLE: "What was destroyed or stolen stays so.",
    Alert.RECALLED: "A pack of a recalled batch is not made active again.",
    Alert.WITHDRAWN: "A pack of a withdrawn product is not made active again.",
    Alert.EXPIRED: "A pack that has expired is not made active again.",
}
"""What each alert says."""


class Deactivation(NamedTuple):
    """Why a pack is inactive since an instant (µs UTC), who says so, and by which event: a `decision`, or EPCIS's."""

    status: Inactive
    since: int
    by: str
    position: int
    decision: bool


class Alarm(NamedTuple):
    """The event at `position` is wrong, because of what the one at `against` says, where it is one."""

    alert: Alert
    position: int
    against: int | None


class Became(StrEnum):
    """How the status of a pack changed."""

    MADE = "made"
    INACTIVE = "inactive"
    ACTIVE = "active"


class Change(NamedTuple):
    """What a pack became at an instant (µs UTC), by whom; `status` tells how it is inactive, or was until then."""

    became: Became
    status: Inactive | None
    at: int
    by: str
    position: int


class Stop(NamedTuple):
    """A recall or withdrawal from an instant (µs UTC) on."""

    since: int
    by: str
    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class DrugPackage:
    """A pack: `inactive` tells why it is not to be dispensed, `recalled`, `withdrawn` what stops its lot and product.

    `made` is false where nobody is seen to have made it. `expiry` is its last day. `changes` are in the order of time.
    """

    pack: str
    made: bool
    lot: str | None
    expiry: date | None
    inactive: Deactivation | None
    recalled: Stop | None
    withdrawn: Stop | None
    alarms: tuple[Alarm, ...]
    changes: tuple[Change, ...] = ()

    def expired(self, at: int) -> bool:
        """Tell whether its last day is over at an instant (µs UTC), in UTC."""
        return self.expiry is not None and at >= end_of(self.expiry)

    def may_be_dispensed(self, at: int) -> bool:
        """Tell whether nothing speaks against dispensing it."""
        stopped = self.recalled is not None or self.withdrawn is not None
        return self.made and self.inactive is None and not stopped and not self.expired(at)


def package_of(
    pack: str,
    entries: Iterable[HistoryEntry],
    *,
    lot: str | None,
    expiry: date | None,
    recalls: Sequence[Stop] = (),
    withdrawals: Sequence[Stop] = (),
) -> DrugPackage:
    """Fold the judged history of a pack; recalls are of its lot, withdrawals of its product, the first first."""
    fold = _Fold(expiry, recalls, withdrawals)
    for entry in entries:
        if entry.counts:
            fold.live(entry) if entry.via is None else fold.be_inside(entry)
    return DrugPackage(
        pack=pack,
        made=fold.made,
        lot=lot,
        expiry=expiry,
        inactive=fold.inactive,
        recalled=next(iter(recalls), None),
        withdrawn=next(iter(withdrawals), None),
        alarms=tuple(fold.alarms),
        changes=tuple(fold.changes),
    )


class _Fold:
    def __init__(self, expiry: date | None, recalls: Sequence[Stop], withdrawals: Sequence[Stop]) -> None:
        self.made = False
        self.inactive: Deactivation | None = None
        self.alarms: list[Alarm] = []
        self.changes: list[Change] = []
        self._expiry = expiry
        self._recalls = recalls
        self._withdrawals = withdrawals

    def live(self, entry: HistoryEntry) -> None:
        event = entry.event
        if isinstance(event, SeenDecision):
            if isinstance(event.payload, PackDeactivated):
                self._deactivate(event.payload.status, event, decision=True)
            elif isinstance(event.payload, PackReactivated):
                self._reactivate(event.payload.status, event)
            return
        roles = {mention.role for mention in entry.mentions if not mention.class_level}
        if makes(event, roles):
            if not self.made:
                self._change(Became.MADE, None, event)
            self.made = True
            return
        status = _BY_LIFECYCLE.get(ending(event, roles) or Lifecycle.ACTIVE)
        if status is not None:
            self._deactivate(status, event, decision=False)
        elif self.inactive is not None and self.inactive.status in _GONE:
            self._alarm(Alert.HANDLED_INACTIVE, event, self.inactive)

    def be_inside(self, entry: HistoryEntry) -> None:
        """Tell an event of a container that the pack was in: with it the pack is stolen, or destroyed."""
        if not isinstance(entry.event, SeenDecision):
            status = _BY_LIFECYCLE.get(ending(entry.event, {Role.OBJECT}) or Lifecycle.ACTIVE)
            if status in _NEVER_REVERSED and status is not None:
                self._deactivate(status, entry.event, decision=False)

    def _deactivate(self, status: Inactive, event: SeenEvent, *, decision: bool) -> None:
        # Who locked it may say what became of it.
        unlocked = self.inactive and self.inactive.status is Inactive.LOCKED and self.inactive.by == event.captured_by
        if self.inactive is None or unlocked:
            by, position = event.captured_by, event.position
            self.inactive = Deactivation(status, event.occurred_at, by, position, decision)
            self._change(Became.INACTIVE, status, event)
        else:
            same = self.inactive.by == event.captured_by
            self._alarm(Alert.REPEATED if same else Alert.DEACTIVATED_AGAIN, event, self.inactive)

    def _reactivate(self, status: Inactive, event: SeenEvent) -> None:
        known = self.inactive
        alert = Alert.NOTHING_TO_REVERSE if known is None else self._speaks_against(known, status, event)
        if alert is None:
            self.inactive = None
            self._change(Became.ACTIVE, status, event)
        else:
            self._alarm(alert, event, known)

    def _speaks_against(self, known: Deactivation, status: Inactive, event: SeenEvent) -> Alert | None:
        at = event.occurred_at
        told = {
            Alert.ANOTHER_STATUS: known.status is not status,
            Alert.TOLD_BY_EVENT: not known.decision,
            Alert.ANOTHER_ORGANISATION: known.by != event.captured_by,
            Alert.IRREVERSIBLE: known.status in _NEVER_REVERSED,
            Alert.TOO_LATE: at > known.since + REVERSIBLE_FOR and known.status is not Inactive.LOCKED,
            Alert.RECALLED: any(stop.since <= at for stop in self._recalls),
            Alert.WITHDRAWN: any(stop.since <= at for stop in self._withdrawals),
            Alert.EXPIRED: self._expiry is not None and at >= end_of(self._expiry),
        }
        return next((alert for alert, holds in told.items() if holds), None)

    def _change(self, became: Became, status: Inactive | None, event: SeenEvent) -> None:
        self.changes.append(Change(became, status, event.occurred_at, event.captured_by, event.position))

    def _alarm(self, alert: Alert, event: SeenEvent, against: Deactivation | None) -> None:
        self.alarms.append(Alarm(alert, event.position, None if against is None else against.position))
