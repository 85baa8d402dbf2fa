"""What is no longer for sale: expired, recalled with its batch or product, or a pack that was taken off sale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from traceability.supply_chain.balance import class_of
from traceability.supply_chain.commands.body import Case
from traceability.supply_chain.commands.picture import Picture
from traceability.supply_chain.commands.refusal import Fault, Rule
from traceability.supply_chain.days import end_of
from traceability.supply_chain.drug_package.events import Inactive, PackDeactivated
from traceability.supply_chain.drug_package.reading import drug_package, expiry_of, stop_of
from traceability.supply_chain.drug_package.stops import maker_event, stoppable, stops_of
from traceability.supply_chain.seen import SeenEvent
from traceability.supply_chain.story import until
from traceability.supply_chain.things import is_class

_GO_ON: Final = frozenset({Inactive.EXPORTED, Inactive.FREE_SAMPLE, Inactive.CHECKED_OUT})
"""Packs whose identifiers are used up, and that are wanted where they go."""


def name_lots_and_products(case: Case) -> None:
    """Read what was decided about the lots and products of the things that are named."""
    named = case.around.named
    lots = {lot for event in case.around.events for thing, lot in event.memberships.items() if thing in named}
    case.around.name(lots | {class_of(thing) for thing in named})


def faults_of_sale(case: Case, draft: SeenEvent, after: Picture) -> Iterator[Fault]:
    """Yield what a command's event tells of, by name or inside of something, that is not for sale at that time."""
    for members, _ in after.drafted():
        for rule, against, note in _off_sale(case, members[0], after):
            yield from (Fault(rule, thing, draft.position, against, note) for thing in members)


def _off_sale(case: Case, thing: str, after: Picture) -> Iterator[tuple[Rule, int, str]]:
    # A class is made again and again: nobody made it, and it does not expire.
    lived = () if is_class(thing) else after.own(thing)
    # What the command itself says of the lot does not take a thing out of one that is recalled.
    life = [one for one in lived if one.event.occurred_at <= case.at and one.event is not after.draft]
    made = maker_event(thing, life)
    expiry = expiry_of(made)
    if made is not None and expiry is not None and case.at >= end_of(expiry):
        yield Rule.EXPIRED, made.position, f", of what expired on {expiry}"
    lot = next((of for one in reversed(life) if (of := one.event.lot_of(thing)) is not None), None)
    decided = until(after.read.decisions(set(stoppable(thing, lot).values())), case.at)
    for one in stops_of(thing, lot, made, decided, case.around.parties):
        yield Rule.RECALLED, one.position, f": {stop_of(one).reason}"
    if any(isinstance(one.payload, PackDeactivated) for one in after.read.decided.get(thing, ())):
        inactive = drug_package(after.read, thing, case.around.parties, case.at)[0].inactive
        if inactive is not None and inactive.status not in _GO_ON:
            yield Rule.INACTIVE, inactive.position, f" ({inactive.status.value})"
