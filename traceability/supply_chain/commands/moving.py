"""Commands that hand things over: ship, receive, reject."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pydantic import Field

from traceability.gs1.epcis.strict_json import JSON
from traceability.supply_chain.commands.body import Case, PlaceId, things_of, unknown
from traceability.supply_chain.commands.handling import Handling
from traceability.supply_chain.commands.off_sale import faults_of_sale, name_lots_and_products
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.seen import SeenEvent

REJECTING: Final = "urn:traceability:step:rejecting"
"""The CBV has no word for it; whoever reads the last one understands it."""
_PARTY: Final = "https://id.gs1.org/417/9521234000013"


class Ship(Handling):
    """Send things off to a party, with all that is inside of them; they are yours until they are received."""

    name = "ship"
    emits = "ObjectEvent OBSERVE, shipping, in_transit"
    rules = (
        Rule.UNKNOWN,
        Rule.ENDED,
        Rule.NOT_CUSTODIAN,
        Rule.UNDER_WAY,
        Rule.NO_AUTHORITY,
        Rule.NOT_TOP_LEVEL,
        Rule.HELD,
        Rule.EXPIRED,
        Rule.RECALLED,
        Rule.INACTIVE,
    )

    to: PlaceId = Field(description="The party that is to have them, by GLN or URI.", examples=[_PARTY])
    owner: PlaceId | None = Field(default=None, description="The party that is to own them, if they are sold.")
    from_: PlaceId | None = Field(default=None, alias="from", description="Your own party, for who reads it.")
    unsellable: bool = Field(
        default=False, description="To go back, to be examined or destroyed: it may be expired, recalled or off sale."
    )

    def look(self, case: Case) -> None:
        """Read all about the things and all that is inside of them."""
        super().look(case)
        case.around.name(case.around.look_inward(case.around.named, case.at))
        if not self.unsellable:
            name_lots_and_products(case)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        ends: dict[str, JSON] = {
            "destinationList": [{"type": "possessing_party", "destination": self.to}],
            "sourceList": [{"type": "possessing_party", "source": self.from_}] if self.from_ else [],
        }
        if self.owner is not None:
            ends["destinationList"].append({"type": "owning_party", "destination": self.owner})
        if self.unsellable:
            ends["persistentDisposition"] = {"set": ["non_sellable_other"]}
        return self._event(case, "OBSERVE", "shipping", "in_transit", **ends)

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:
        """Yield what is unknown, inside of something, or not for sale."""
        things = things_of(self.things, self.quantities)
        yield from unknown(case, sorted(things), draft, after)
        for thing in sorted(things_of(self.things)):
            for interval in after.nest.of_child(after.stands_for(thing)):
                if interval.opened_at <= case.at <= interval.last:
                    yield Fault(Rule.NOT_TOP_LEVEL, thing, draft.position, interval.opened_by)
        if not self.unsellable:
            yield from faults_of_sale(case, draft, after)


class Receive(Handling):
    """Take things over that were sent to you, or that come from outside of the ledger."""

    name = "receive"
    emits = "ObjectEvent OBSERVE, receiving, in_progress"
    rules = (Rule.ENDED, Rule.NOT_UNDER_WAY, Rule.NO_AUTHORITY)

    def look(self, case: Case) -> None:
        """Read all about the things and all that is inside of them."""
        super().look(case)
        case.around.name(case.around.look_inward(case.around.named, case.at))

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "OBSERVE", "receiving", "in_progress")

    def breaks(self, case: Case, draft: SeenEvent, after: Picture) -> Iterable[Fault]:  # noqa: ARG002
        """Yield nothing: of what comes from outside of the ledger nothing is known."""
        return ()


class Reject(Handling):
    """Send things back: those that are on their way to you, or that you have."""

    name = "reject"
    emits = "ObjectEvent OBSERVE, rejecting (a step of our own), returned"
    rules = (Rule.UNKNOWN, Rule.ENDED, Rule.NO_AUTHORITY, Rule.NOT_CUSTODIAN, Rule.HELD)

    def said(self, case: Case) -> dict[str, JSON]:
        """Return one event for all."""
        return self._event(case, "OBSERVE", REJECTING, "returned")
