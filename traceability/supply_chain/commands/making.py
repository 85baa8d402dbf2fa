"""Commands that bring things into being: commission, and transform, which uses others up for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from traceability.gs1.epcis.strict_json import JSON
from traceability.gs1.identifiers import digital_link
from traceability.supply_chain.commands.body import (
    MOST_ITEMS,
    Case,
    NewEvent,
    Quantities,
    Things,
    Uri,
    elements,
    ilmd,
    things_of,
    unknown,
)
from traceability.supply_chain.commands.faults import measured, written
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.item import makes
from traceability.supply_chain.seen import Role, SeenEvent, is_lot, thing_of

_Gtin = Annotated[str, StringConstraints(pattern="^([0-9]{8}|[0-9]{12,14})$")]
_Serial = Annotated[str, StringConstraints(min_length=1, max_length=20)]
_Digits = Annotated[str, StringConstraints(pattern="^[0-9]{1,20}$")]
Lot = Annotated[str, StringConstraints(min_length=1, max_length=20)]


class SerialRange(BaseModel):
    """Serials that are numbers, from `first` to `last`, as many digits long as `first` at least."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    first: _Digits = Field(examples=["000001"])
    last: _Digits = Field(examples=["001000"])

    @property
    def numbers(self) -> range:
        """Return the serials as numbers."""
        return range(int(self.first), int(self.last) + 1)

    def serials(self) -> Iterator[str]:
        """Yield the serials."""
        return (str(number).zfill(len(self.first)) for number in self.numbers)


class Commission(NewEvent):
    """Give things, or so much of a lot, their identifiers; what has one is in the world from then on.

    Name whole identifiers under `things`, or one `gtin` with `serials` and `ranges` of serials. `lot` and `expiry` are
    those of all of them.
    """

    name = "commission"
    emits = "ObjectEvent ADD, commissioning, active"
    rules = (Rule.COMMISSIONED_BEFORE, Rule.ENDED, Rule.PREFIX_OF_ANOTHER)

    things: Things = Field(default=[], description="Whole identifiers of items and logistic units.")
    gtin: _Gtin | None = Field(default=None, description="That the serials are of.", examples=["09521234000013"])
    serials: list[_Serial] = Field(default=[], max_length=MOST_ITEMS + 1, examples=[[]])
    ranges: list[SerialRange] = Field(default=[], max_length=1_000, description="Serials that are numbers in a row.")
    quantities: Quantities = Field(default=[], description="So much of lots or classes.")
    lot: Lot | None = Field(default=None, description="Lot number of all.", examples=["A7"])
    expiry: date | None = Field(default=None, description="Of all.", examples=["2027-03-01"])

    @model_validator(mode="after")
    def _check(self) -> Self:
        numbered = len(self.serials) + sum(max(0, each.numbers.stop - each.numbers.start) for each in self.ranges)
        count = len(self.things) + len(self.quantities) + numbered
        if not 0 < count <= MOST_ITEMS + 1:
            raise ValueError(f"this commissions {count} things: it may be 1 to {MOST_ITEMS + 1:,}")
        if numbered and self.gtin is None:
            raise ValueError("serials need the gtin that they are of")
        return self

    def look(self, case: Case) -> None:
        """Read all about the things."""
        case.around.name(things_of(self._uris(), self.quantities))

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        event = {
            "type": "ObjectEvent",
            "action": "ADD",
            "bizStep": "commissioning",
            "disposition": "active",
            "epcList": self._uris(),
            "quantityList": elements(self.quantities),
            "ilmd": ilmd(self.lot, self.expiry),
        }
        return self.with_common(case, event)

    def _uris(self) -> list[str]:
        """Return the canonical identifiers; raises `IdentifierError` for a wrong GTIN or serial."""
        uris = list(self.things)
        if self.gtin is not None:
            gtin = self.gtin.zfill(14)
            stem = digital_link((("01", gtin),))
            serials = [*self.serials, *(serial for each in self.ranges for serial in each.serials())]
            uris += [
                f"{stem}/21/{serial}" if serial.isalnum() and serial.isascii() else _link(gtin, serial)
                for serial in serials
            ]
        return uris


def _link(gtin: str, serial: str) -> str:
    return digital_link((("01", gtin), ("21", serial)))


class Transform(NewEvent):
    """Use things up and make others of them.

    `tolerance` is the share of the inputs (0.02 is 2 %) by which what comes out may differ, either way; without it no
    more may come out than went in. Quantities are compared by kind: mass with mass, volume with volume.
    """

    name = "transform"
    emits = "TransformationEvent"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.HELD,
        Rule.COMMISSIONED_BEFORE,
        Rule.PREFIX_OF_ANOTHER,
        Rule.MADE_BEFORE,
        Rule.BELOW_ZERO,
        Rule.MASS_BALANCE,
    )

    inputs: Things = Field(default=[], description="Items that are used up.")
    input_quantities: Quantities = Field(default=[], description="So much of lots or classes that is used up.")
    outputs: Things = Field(default=[], description="Items that come out.")
    output_quantities: Quantities = Field(default=[], description="So much of new lots that comes out.")
    transformation_id: Uri | None = Field(
        default=None, description="Joins several events to one transformation.", examples=[None]
    )
    tolerance: Decimal | None = Field(
        default=None, ge=0, le=1, max_digits=12, description="Share of the inputs.", examples=["0.02"]
    )
    lot: Lot | None = Field(default=None, description="Of the outputs.")
    expiry: date | None = Field(default=None, description="Of the outputs.")
    biz_step: str = Field(default="creating_class_instance", max_length=200)
    disposition: str | None = Field(default=None, description="Of the outputs.", max_length=200)

    @model_validator(mode="after")
    def _check(self) -> Self:
        inputs, outputs = bool(self.inputs or self.input_quantities), bool(self.outputs or self.output_quantities)
        if not (inputs and outputs) and not ((inputs or outputs) and self.transformation_id):
            raise ValueError("a transformation has inputs and outputs, or one of them and a transformation_id")
        return self

    def look(self, case: Case) -> None:
        """Read all about inputs and outputs, and the rest of the transformation."""
        inputs, outputs = self._things()
        case.around.name(inputs | outputs)
        if self.transformation_id is not None:
            case.around.join(self.transformation_id)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event."""
        event = {
            "type": "TransformationEvent",
            "bizStep": self.biz_step,
            "disposition": self.disposition,
            "transformationID": self.transformation_id,
            "inputEPCList": self.inputs,
            "inputQuantityList": elements(self.input_quantities),
            "outputEPCList": self.outputs,
            "outputQuantityList": elements(self.output_quantities),
            "ilmd": ilmd(self.lot, self.expiry),
        }
        return self.with_common(case, event)

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield inputs that are unknown, lots that were made before, and quantities out of balance."""
        inputs, outputs = self._things()
        yield from unknown(case, sorted(inputs), draft, after)
        for lot in filter(is_lot, sorted(outputs)):
            life = after.lives[after.stands_for(lot)]
            made = [e for e in life if makes(e, {m.role for m in e.mentions_of[lot]}) and e is not draft]
            for event in made:
                if event.transformation is None or event.transformation != draft.transformation:
                    yield Fault(Rule.MADE_BEFORE, lot, draft.position, event.position)
                    break
        yield from self._out_of_balance(draft, after)

    def _things(self) -> tuple[set[str], set[str]]:
        return things_of(self.inputs, self.input_quantities), things_of(self.outputs, self.output_quantities)

    def _out_of_balance(self, draft: SeenEvent, after: Picture) -> Iterator[Fault]:
        went_in: dict[str, Fraction] = {}
        came_out: dict[str, Fraction] = {}
        name = draft.transformation
        for event in [e for e in after.standing if name and e.transformation == name] or [draft]:
            for mention in event.mentions:
                if mention.quantity is not None:
                    kind, amount = measured(mention.quantity, mention.uom)
                    side = went_in if mention.role is Role.INPUT else came_out
                    side[kind] = side.get(kind, Fraction(0)) + amount
        tolerance = Fraction(self.tolerance or 0)
        for kind in sorted(went_in.keys() & came_out.keys()):
            more, less = went_in[kind] * (1 + tolerance), went_in[kind] * (1 - tolerance)
            if came_out[kind] > more or (self.tolerance is not None and came_out[kind] < less):
                note = f"{written(went_in[kind])} went in and {written(came_out[kind])} came out ({kind})"
                for quantity in self.output_quantities or self.input_quantities:
                    yield Fault(Rule.MASS_BALANCE, thing_of(quantity.id), draft.position, None, note)
