"""What the roots of a trace forward may have touched: how much of it is still out there, and where it was last seen.

What went into a transformation by itself or in a container, and what an ObjectEvent DELETE ended, is not out there any
more, unless it was made again or, of what was in a container, an event of its own is later. Where the rest is, and
whether an observation tells of its end, is read from its own events and from those of the containers that it is in: the
answer is that of one history for each thing, but what a thousand things share is read once.

Of a lot, what is left is what was made of it less what was used: by itself, or counted in a container that was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from traceability.gs1.identifiers import Kind
from traceability.supply_chain.affected import AffectedLot, Amount, BlastRadius, LotSum, PlaceCount, Whereabouts
from traceability.supply_chain.balance import EXACT, Amounts, by_unit
from traceability.supply_chain.facts import CONTAINED, NOWHERE, Facts
from traceability.supply_chain.item import ENDED, Lifecycle, lifecycle_after
from traceability.supply_chain.labels import LOT, TRACED, Labels
from traceability.supply_chain.links import Links
from traceability.supply_chain.pairing import intervals
from traceability.supply_chain.seen import (
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    Role,
    SeenEvent,
    thing_of,
)
from traceability.supply_chain.sightings import Sighting, sightings
from traceability.supply_chain.standing import time_and_kind
from traceability.supply_chain.stays import stays_of
from traceability.supply_chain.story import MAX_NESTING
from traceability.supply_chain.tables import NONE, Ints, distinct, ints, joined
from traceability.supply_chain.things import things_of
from traceability.supply_chain.windows import BEGIN

_ZERO: Final = Decimal(0)
_COUNTS: Final[Mapping[tuple[str, str | None], Mapping[str, bool]]] = {
    (TRANSFORMATION_EVENT, None): {"outputQuantityList": True, "inputQuantityList": False},
    (OBJECT_EVENT, "ADD"): {"quantityList": True},
    (OBJECT_EVENT, "DELETE"): {"quantityList": False},
}
"""Of an event by type and action, the lists that tell how much of a lot was made (true), or used or ended."""
_ENDING: Final = {TRANSFORMATION_EVENT: frozenset({Role.INPUT}), OBJECT_EVENT: frozenset({Role.OBJECT})}
_IN_TRANSIT: Final = "in_transit"


def blast_radius(links: Links, labels: Labels, *, whereabouts: bool = False) -> BlastRadius:
    """Tell what the things that a walk forward reached, as `labels` say, have become, and if asked where they are."""
    facts = links.facts
    affected = distinct(labels.thing[(labels.reach == TRACED) | (labels.reach == LOT)])
    links.load(NONE, affected, ())  # what the walk reached last it did not look into
    names = facts.things.names
    counted = facts.things.are(affected, Kind.LOT, Kind.CLASS)
    items, bulk = affected[~counted], affected[counted]
    gone = _gone(facts, items)
    perhaps = ints(number for number in items.tolist() if number not in gone)
    left_over = np.sort(np.concatenate([perhaps, bulk]))
    # Loads what they were in at any time: the walk came to some of them later than they went into something.
    stays_of(links, dict.fromkeys(left_over.tolist(), BEGIN))
    within = _within(facts, left_over)
    used = _last_used(within)
    lots = _lots(facts, bulk[facts.things.are(bulk, Kind.LOT)].tolist(), within)
    ended = Counter(gone.values())
    if not whereabouts:
        ended[Lifecycle.CONSUMED] += sum(last <= used[number] for number, last in _last_tied(facts, ints(sorted(used))))
        return BlastRadius(len(items), _in_order(ended), lots, _quantities(lots))
    left = [facts.things[lot.id] for lot in lots if lot.is_left]
    found = sightings(links, [*perhaps.tolist(), *left], used)
    there = []
    for number in perhaps.tolist():
        if (how := found[number].ended_before(used.get(number))) is not None:
            ended[how] += 1
        else:
            there.append(number)
    everything = sorted((*there, *left), key=names.__getitem__)
    return BlastRadius(
        len(items),
        _in_order(ended),
        lots,
        _quantities(lots),
        in_transit=sum(found[number].disposition == _IN_TRANSIT for number in there),
        places=_places([found[number] for number in there], [found[number] for number in left]),
        whereabouts=[
            Whereabouts(names[number], of.at, of.step, of.place, of.disposition)
            for number, of in zip(everything, map(found.__getitem__, everything), strict=True)
        ],
    )


def _in_order(ended: Mapping[Lifecycle, int]) -> dict[Lifecycle, int]:
    return {how: ended[how] for how in Lifecycle if ended.get(how)}


def _last_tied(facts: Facts, items: Ints) -> Iterator[tuple[int, int]]:
    """Yield when each of these items was last said to go anywhere."""
    last = np.full(len(items), BEGIN)
    for table, column in ((facts.ties, "child"), (facts.passages, "thing")):
        which, rows = table.find(column, items)
        np.maximum.at(last, which, table["at"][rows])
    return zip(items.tolist(), last.tolist(), strict=True)


def _gone(facts: Facts, items: Ints) -> dict[int, Lifecycle]:
    """Return which items were put into a transformation or deleted, and how that ended them.

    Left out is what was made again after that, or perhaps: its own events tell.
    """
    last, in_doubt = _last_ends(facts, items)
    in_doubt |= _made_again(facts, {number: time_and_kind(event) for number, event in last.items()})
    found: dict[int, Lifecycle] = {}
    for number, event in last.items():
        how = lifecycle_after(Lifecycle.ACTIVE, event, _ENDING[event.type])
        # What was lost may be found.
        if number not in in_doubt and how in ENDED and how is not Lifecycle.LOST_OR_STOLEN:
            found[number] = how
    return found


def _last_ends(facts: Facts, items: Ints) -> tuple[dict[int, SeenEvent], set[int]]:
    """Return the last event that ended each item, and the items of which more than one may have been the last."""
    which, rows = facts.ties.find("child", items)
    ends = facts.ties["parent"][rows] == NOWHERE
    last: dict[int, SeenEvent] = {}
    in_doubt: set[int] = set()
    for number, position in zip(items[which[ends]].tolist(), facts.ties["position"][rows[ends]].tolist(), strict=True):
        event, known = facts.events[position], last.get(number)
        if known is None or time_and_kind(known) < time_and_kind(event):
            last[number] = event
            in_doubt.discard(number)
        elif time_and_kind(known) == time_and_kind(event):
            in_doubt.add(number)
    return last, in_doubt


def _made_again(facts: Facts, ended: Mapping[int, tuple[int, int]]) -> set[int]:
    """Return the things that were made at or after their turn, the time and rank of an event."""
    numbers = ints(sorted(ended))
    which, rows = facts.passages.find("thing", numbers)
    made = facts.passages["is_input"][rows] == 0
    makers = zip(numbers[which[made]].tolist(), facts.passages["position"][rows[made]].tolist(), strict=True)
    found = {number for number, position in makers if time_and_kind(facts.events[position]) >= ended[number]}
    names = {facts.things.names[number]: number for number in ended}
    for event in facts.events.values():
        if event.type == OBJECT_EVENT and event.action == "ADD":
            again = names.keys() & things_of([item.id for item in event.items])
            found.update(names[name] for name in again if time_and_kind(event) >= ended[names[name]])
    return found


class _Used(NamedTuple):
    """What was in a container when that went into a transformation: which, when, and what had put it there."""

    thing: Ints
    at: Ints
    opened_by: Ints
    counted: Ints


def _within(facts: Facts, things: Ints) -> _Used:
    passages, ties = facts.passages, facts.ties
    inputs = passages["is_input"] == 1
    parent, at = passages["thing"][inputs], passages["at"][inputs]
    held = ties["child"][(ties["opens"] == 1) & (ties["kind"] == CONTAINED)]
    # Containers in between are found on the way, whether they are affected or not.
    wanted = distinct(np.concatenate([things, np.intersect1d(held, ties["parent"])]))
    over = intervals(facts, wanted[np.isin(wanted, held)])
    over = over.at(np.argsort(over.parent, kind="stable"))
    used = [_Used(NONE, NONE, NONE, NONE)]
    for _ in range(MAX_NESTING):
        which, rows = joined(parent, over.parent)
        stay = over.at(rows)
        inside = (stay.opened_at <= at[which]) & (at[which] <= stay.last)
        stay, at = stay.at(inside), at[which[inside]]
        if not len(at):
            break
        used.append(_Used(stay.child, at, stay.opened_by, stay.counted))
        parent = stay.child
    together = _Used(*map(np.concatenate, zip(*used, strict=True)))
    mine = np.isin(together.thing, things)
    return _Used(*(column[mine] for column in together))


def _last_used(within: _Used) -> dict[int, int]:
    """Return when each item was used last in a container."""
    named = within.counted == 0
    order = np.argsort(within.at[named], kind="stable")
    return dict(zip(within.thing[named][order].tolist(), within.at[named][order].tolist(), strict=True))


def _lots(facts: Facts, numbers: Sequence[int], within: _Used) -> list[AffectedLot]:
    """Return lots by name, with what was made, used and is left of each, in each unit."""
    names = {facts.things.names[number]: number for number in numbers}
    made: dict[int, Amounts] = {number: {} for number in numbers}
    used: dict[int, Amounts] = {number: {} for number in numbers}
    # Two partners may tell of one run.
    counting = [e for e in facts.events.values() if (e.type, e.action) in _COUNTS and b'"quantity"' in e.what]
    for event in {(event.occurred_at, event.type, event.what): event for event in counting}.values():
        lists = _COUNTS[event.type, event.action]
        for item in event.items:
            if (adds := lists.get(item.list)) is not None and item.quantity is not None:
                number = names.get(item.id)
                if number is None:
                    number = names.get(thing_of(item.id))
                if number is not None:
                    _add((made if adds else used)[number], item.uom, item.quantity)
    counted = _Used(*(column[within.counted == 1] for column in within))
    for number, position in zip(counted.thing.tolist(), counted.opened_by.tolist(), strict=True):
        if number in used:
            for mention in facts.events[position].of(facts.things.names[number]):
                if mention.class_level and mention.role is Role.CHILD and mention.quantity is not None:
                    _add(used[number], mention.uom, mention.quantity)
    return [AffectedLot(name, tuple(_sums(made[number], used[number]))) for name, number in sorted(names.items())]


def _add(amounts: Amounts, uom: str | None, amount: Decimal) -> None:
    known = amounts.get(uom)
    amounts[uom] = amount if known is None else EXACT.add(known, amount)


def _sums(made: Amounts, used: Amounts) -> Iterator[LotSum]:
    for uom, (came, went) in by_unit(made, used):
        left = None if came is None else max(_ZERO, EXACT.subtract(came, went or _ZERO))
        yield LotSum(uom, came, went or _ZERO, left)


def _quantities(lots: Iterable[AffectedLot]) -> list[Amount]:
    """Return how much is left of lots, in each unit."""
    left: Amounts = {}
    for lot in lots:
        for of in lot.sums:
            if of.left:
                _add(left, of.uom, of.left)
    return [Amount(uom, total) for uom, (total,) in by_unit(left) if total is not None]


def _places(items: Iterable[Sighting], lots: Iterable[Sighting]) -> list[PlaceCount]:
    """Count what was last seen at each place, by its name."""
    counts: dict[str | None, tuple[int, int, int | None]] = {}
    for several, is_lot_ in ((items, 0), (lots, 1)):
        for sighting in several:
            of_items, of_lots, latest = counts.get(sighting.place, (0, 0, None))
            times = [at for at in (latest, sighting.at) if at is not None]
            counts[sighting.place] = (of_items + 1 - is_lot_, of_lots + is_lot_, max(times, default=None))
    return [PlaceCount(name, *counts[name]) for name in sorted(counts, key=lambda name: (name is None, name or ""))]
