"""What stops medicines for good: recalls of their lots and withdrawals of their products, and whose word counts."""

from __future__ import annotations

from collections.abc import Iterable

from traceability.supply_chain.balance import class_of
from traceability.supply_chain.decisions import SeenDecision
from traceability.supply_chain.drug_package.events import BatchRecalled, ProductWithdrawn
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.item import makes
from traceability.supply_chain.lot.lot import makes_of_lot
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import SeenEvent, is_lot
from traceability.supply_chain.standing import ordered


def stoppable(thing: str, lot: str | None) -> dict[type[BatchRecalled | ProductWithdrawn], str]:
    """Return what would have to be recalled or withdrawn so that a thing of this lot, or a lot, is stopped."""
    lot, product = thing if is_lot(thing) else lot, class_of(thing)
    return {ProductWithdrawn: product} if lot is None else {BatchRecalled: lot, ProductWithdrawn: product}


def stops_of(
    thing: str, lot: str | None, made: SeenEvent | None, decided: Iterable[SeenEvent], parties: Parties
) -> list[SeenDecision]:
    """Return what of this stops a thing of this lot, or a lot, in the order of time.

    A recall or withdrawal counts when it is by the holder of the company prefix, else by who `made` the thing.
    """
    about = stoppable(thing, lot)
    found = []
    for one in ordered(decided):
        if not isinstance(one, SeenDecision) or not isinstance(one.payload, BatchRecalled | ProductWithdrawn):
            continue
        if about.get(type(one.payload)) not in one.decided_about:
            continue
        if one.captured_by == (parties.prefix_holder(thing, one.occurred_at) or (made and made.captured_by)):
            found.append(one)
    return found


def maker_event(thing: str, entries: Iterable[HistoryEntry]) -> SeenEvent | None:
    """Return the first of its entries that made a thing, or some of a lot; None when nobody is seen to have done so."""
    for entry in entries:
        if not entry.counts or entry.via is not None:
            continue
        if is_lot(thing):
            made = makes_of_lot(thing, entry)
        else:
            roles = {mention.role for mention in entry.mentions if not mention.class_level}
            made = bool(roles) and makes(entry.event, roles)
        if made:
            return entry.event
    return None
