"""Commands about what is inside of what: pack, unpack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from pydantic import Field, model_validator

from traceability.gs1.epcis.strict_json import JSON
from traceability.supply_chain.commands.body import (
    PALLET,
    Case,
    NewEvent,
    Quantities,
    Thing,
    Things,
    elements,
    things_of,
    unknown,
)
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.seen import SeenEvent, thing_of


class _Packing(NewEvent):
    """A parent and what goes into it or comes out."""

    parent: Thing = Field(description="The container.", examples=[PALLET])
    children: Things = Field(default=[], description="Items and logistic units.")
    quantities: Quantities = Field(default=[], description="So much of lots or classes.")

    def _children(self) -> set[str]:
        return things_of(self.children, self.quantities)

    def _event(self, case: Case, action: str, step: str) -> dict[str, JSON]:
        members = {
            "type": "AggregationEvent",
            "action": action,
            "bizStep": step,
            "parentID": self.parent,
            "childEPCs": self.children,
            "childQuantityList": elements(self.quantities),
        }
        return self.with_common(case, members)


class Pack(_Packing):
    """Put things, or so much of a lot, into a container: however many, it is one event."""

    name = "pack"
    emits = "AggregationEvent ADD, packing"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.OFFERED,
        Rule.NO_AUTHORITY,
        Rule.HELD,
        Rule.INSIDE,
        Rule.CYCLE,
        Rule.TOO_DEEP,
        Rule.NOT_EMPTY,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.children and not self.quantities:
            raise ValueError("name the children, or quantities")
        return self

    def look(self, case: Case) -> None:
        """Read all about the parent and the children, and what is in the children."""
        case.around.name({thing_of(self.parent)} | self._children())
        case.around.look_inward(self._children(), case.at)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "ADD", "packing")

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield children that are unknown."""
        return unknown(case, sorted(self._children()), draft, after)


class Unpack(_Packing):
    """Take things out of a container; all that is in it when none is named."""

    name = "unpack"
    emits = "AggregationEvent DELETE, unpacking"
    rules = (
        Rule.NOT_INSIDE,
        Rule.NOTHING_INSIDE,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.HELD,
    )

    def look(self, case: Case) -> None:
        """Read all about the container and what is to come out."""
        parent = {thing_of(self.parent)}
        case.around.name(parent | self._children())
        if not self._children():
            case.around.name(case.around.look_inward(parent, case.at))

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "DELETE", "unpacking")

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is not inside: nothing at all, or lots that were not put into it."""
        parent = thing_of(self.parent)
        if not self._children() and not after.closed_by(draft.position):
            yield Fault(Rule.NOTHING_INSIDE, parent, draft.position, None)
        for lot in sorted(things_of((), self.quantities)):
            stays = after.nest.of_child(after.stands_for(lot))
            if not any(stay.parent == parent and stay.opened_at <= case.at for stay in stays):
                yield Fault(Rule.NOT_INSIDE, lot, draft.position, None)
