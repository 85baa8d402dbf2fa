"""Commands about things as they are: observe, decommission, destroy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Self

from pydantic import Field, model_validator

from traceability.gs1.epcis.context import standard_names
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.epcis.vocabulary import BIZ_STEP
from traceability.supply_chain.commands.body import (
    Case,
    NewEvent,
    Quantities,
    Things,
    Word,
    elements,
    things_of,
    unknown,
)
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.seen import SeenEvent

OWN_COMMAND: Final[Mapping[str, str]] = {
    "commissioning": "commission",
    "decommissioning": "decommission",
    "destroying": "destroy",
    "packing": "pack",
    "unpacking": "unpack",
    "shipping": "ship",
    "departing": "ship",
    "consigning": "ship",
    "receiving": "receive",
    "arriving": "receive",
    "accepting": "receive",
}
"""Steps that have a command of their own, whose guards an observation would go round."""


class Handling(NewEvent):
    """Something that happens to things that are there."""

    things: Things = Field(default=[], description="Items and logistic units, by any identifier.")
    quantities: Quantities = Field(default=[], description="So much of lots or classes.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.things and not self.quantities:
            raise ValueError("name the things, or quantities")
        return self

    def look(self, case: Case) -> None:
        """Read all about the things."""
        case.around.name(things_of(self.things, self.quantities))

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what nothing is known of."""
        return unknown(case, sorted(things_of(self.things, self.quantities)), draft, after)

    def _event(
        self, case: Case, action: str, step: str | None, disposition: str | None, **more: JSON
    ) -> dict[str, JSON]:
        members = {
            "type": "ObjectEvent",
            "action": action,
            "bizStep": step,
            "disposition": disposition,
            "epcList": self.things,
            "quantityList": elements(self.quantities),
            **more,
        }
        return self.with_common(case, members)


class Observe(Handling):
    """Tell that things were seen: where, in which step, and what is to be thought of them.

    A step or disposition that ends a life, such as dispensing, is only told by who has the thing.
    """

    name = "observe"
    emits = "ObjectEvent OBSERVE"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NO_AUTHORITY,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.HELD,
        Rule.NOT_EMPTY,
    )

    biz_step: Word | None = Field(default=None, description="CBV word or URI.", examples=["inspecting"])
    disposition: Word | None = Field(default=None, description="CBV word or URI.", examples=["conformant"])

    @model_validator(mode="after")
    def _check_step(self) -> Self:
        step = BIZ_STEP.word(self.biz_step, standard_names(), "", Findings(None, "")) if self.biz_step else None
        if step is not None and step in OWN_COMMAND:
            raise ValueError(f"this step has a command of its own: {OWN_COMMAND[step]}")
        return self

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "OBSERVE", self.biz_step, self.disposition)


class _Ending(Handling):
    """The end of a life."""

    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.HELD,
        Rule.NOT_EMPTY,
        Rule.BELOW_ZERO,
    )

    def look(self, case: Case) -> None:
        """Read all about the things, and what is inside of them."""
        super().look(case)
        case.around.look_inward(case.around.named, case.at)


class Decommission(_Ending):
    """Take the identifiers of things back: what they stood for is not told of any more."""

    name = "decommission"
    emits = "ObjectEvent DELETE, decommissioning, inactive"

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "DELETE", "decommissioning", "inactive")


class Destroy(_Ending):
    """Tell that things were destroyed."""

    name = "destroy"
    emits = "ObjectEvent DELETE, destroying, destroyed"

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "DELETE", "destroying", "destroyed")
