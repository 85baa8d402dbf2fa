"""Commands about packages of medicines: taken off sale and put back, and what stops a whole batch or product.

A guard is an alert that the fold of the pack would tell with the command's event in its place, and does not without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from traceability.supply_chain.balance import class_of
from traceability.supply_chain.commands.body import LOT, PACK, Case, Counted, Things, Timed, things_of, unknown
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.decisions import Decided, HoldingRole
from traceability.supply_chain.drug_package.events import (
    BatchRecalled,
    Inactive,
    Line,
    PackDeactivated,
    PackReactivated,
    ProductWithdrawn,
)
from traceability.supply_chain.drug_package.package import Alarm, Alert
from traceability.supply_chain.drug_package.reading import drug_package
from traceability.supply_chain.seen import SeenEvent, is_class, is_lot, thing_of

_DEACTIVATED: Final = frozenset({Alert.DEACTIVATED_AGAIN, Alert.REPEATED})
_MOST: Final = 1_000
_PRODUCT: Final = "https://id.gs1.org/01/09521234000013"


def _lot(uri: str) -> str:
    if not is_lot(thing_of(uri)):
        raise ValueError("this is no lot of a trade item")
    return uri


def _product(uri: str) -> str:
    if not is_class(thing_of(uri)):
        raise ValueError("this is no product: give the GTIN alone")
    return uri


_Lot = Annotated[Counted, AfterValidator(_lot)]
_Product = Annotated[Counted, AfterValidator(_product)]


class _OfPacks(Timed):
    """Something stated of packs, seen by who has or owns them at that time."""

    things: Things = Field(min_length=1, max_length=_MOST, examples=[[PACK]])

    def look(self, case: Case) -> None:
        """Read all about the packs, and what was decided of their lots and products."""
        case.around.name(things_of(self.things))
        seen = [event.lot_of(thing) for event in case.around.events for thing in things_of(self.things)]
        case.around.name(
            {lot for lot in seen if lot is not None} | {class_of(thing) for thing in things_of(self.things)}
        )

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, and what would be wrong with it."""
        packs = sorted(things_of(self.things))
        yield from unknown(case, packs, draft, after)
        before = case.around.picture(case.at)
        for pack in packs:
            yield from _added(case, pack, before, after)

    def seen_by(self, case: Case) -> set[str]:
        """Return who has or owns the packs at that time."""
        picture = case.around.picture(case.at)
        custodies = [picture.custody_at(picture.stands_for(pack), case.at) for pack in things_of(self.things)]
        return {holder for one in custodies for role in HoldingRole for holder in one.holders(role)}

    def names(self) -> tuple[str, ...]:
        """Return the names of the packs."""
        return tuple(sorted(things_of(self.things)))


class DeactivatePack(_OfPacks):
    """Take packs off sale: supplied, exported, taken as samples, to be repacked, locked, destroyed, stolen."""

    name = "deactivate_pack"
    emits = PackDeactivated.type_name
    rules = (Rule.UNKNOWN, Rule.NO_AUTHORITY, Rule.DEACTIVATED, Rule.NOT_REVERSIBLE)

    status: Inactive
    note: Line | None = None

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the deactivation."""
        return PackDeactivated(things=self.names(), status=self.status, note=self.note)


class ReactivatePack(_OfPacks):
    """Undo a deactivation of your own, within ten days."""

    name = "reactivate_pack"
    emits = PackReactivated.type_name
    rules = (Rule.UNKNOWN, Rule.NO_AUTHORITY, Rule.NOT_REVERSIBLE, Rule.DEACTIVATED)

    status: Inactive = Field(description="The status that is undone.")
    note: Line | None = None

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the reactivation."""
        return PackReactivated(things=self.names(), status=self.status, note=self.note)


class _Stopping(Timed):
    """Something that stops all packs of a lot or product, for good."""

    reason: Line

    def subjects(self) -> tuple[str, ...]:
        """Return the lots or products."""
        raise NotImplementedError

    def look(self, case: Case) -> None:
        """Read all about them."""
        case.around.name(frozenset(self.subjects()))

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:  # noqa: ARG002
        """Yield what is of a company prefix that is another's; for packs that others made it counts for nothing."""
        for subject in self.subjects():
            if case.around.parties.prefix_holder(subject, case.at) not in (None, case.organisation):
                yield Fault(Rule.NO_AUTHORITY, subject, draft.position, None)


class RecallBatch(_Stopping):
    """Recall lots of a medicine: none of their packs is dispensed any more. It is never undone."""

    name = "recall_batch"
    emits = BatchRecalled.type_name
    rules = (Rule.NO_AUTHORITY,)

    lots: list[_Lot] = Field(min_length=1, max_length=_MOST, examples=[[LOT]])

    def subjects(self) -> tuple[str, ...]:
        """Return the lots."""
        return tuple(sorted(map(thing_of, set(self.lots))))

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the recall."""
        return BatchRecalled(things=self.subjects(), reason=self.reason)


class WithdrawProduct(_Stopping):
    """Withdraw products, by their GTINs: none of their packs is dispensed any more. It is never undone."""

    name = "withdraw_product"
    emits = ProductWithdrawn.type_name
    rules = (Rule.NO_AUTHORITY,)

    products: list[_Product] = Field(min_length=1, max_length=_MOST, examples=[[_PRODUCT]])

    def subjects(self) -> tuple[str, ...]:
        """Return the products."""
        return tuple(sorted(map(thing_of, set(self.products))))

    def said(self, case: Case) -> Decided:  # noqa: ARG002
        """Return the withdrawal."""
        return ProductWithdrawn(things=self.subjects(), reason=self.reason)


def _added(case: Case, pack: str, before: Picture, after: Picture) -> Iterator[Fault]:
    found = [one for one in _alarms(case, pack, after) if one.alert is not Alert.HANDLED_INACTIVE]
    if found:
        known = {one[:2] for one in _alarms(case, pack, before)} if before.entries[before.stands_for(pack)] else set()
        for one in found:
            if one[:2] not in known:
                rule = Rule.DEACTIVATED if one.alert in _DEACTIVATED else Rule.NOT_REVERSIBLE
                yield Fault(rule, pack, one.position, one.against, f" ({one.alert.value})")


def _alarms(case: Case, pack: str, picture: Picture) -> tuple[Alarm, ...]:
    return drug_package(picture.read, pack, case.around.parties)[0].alarms
