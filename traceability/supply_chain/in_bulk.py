"""What many small events say, taken in at once: the same as `Facts.add` of each, in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np

from traceability.gs1.identifiers import Kind
from traceability.ledger.index import MarkKind
from traceability.supply_chain.facts import ATTACHED, CONTAINED, NOWHERE, Facts, Numbers
from traceability.supply_chain.seen import (
    AGGREGATION_EVENT,
    ASSOCIATION_EVENT,
    OBJECT_EVENT,
    TRANSFORMATION_EVENT,
    Role,
    SeenEvent,
)
from traceability.supply_chain.tables import Flags, Ints, ints
from traceability.supply_chain.things import ROLES, lot_of, thing_of

_ROLES: Final = tuple(Role)
_OBJECT, _PARENT, _CHILD, _INPUT, _OUTPUT = map(_ROLES.index, Role)
# The role of what stands in a list, and in the lowest bit whether the list counts it.
_CODES: Final = {name: 2 * _ROLES.index(role) + counted for name, (role, counted) in ROLES.items()}
NO_CODE: Final = -1

_NOTHING, _TRANSFORMS, _ENDS, _PUTS, _TAKES, _ATTACHES, _DETACHES = range(7)
_ACTS: Final[Mapping[tuple[str, str | None], int]] = {
    (OBJECT_EVENT, "DELETE"): _ENDS,
    (AGGREGATION_EVENT, "ADD"): _PUTS,
    (AGGREGATION_EVENT, "DELETE"): _TAKES,
    (ASSOCIATION_EVENT, "ADD"): _ATTACHES,
    (ASSOCIATION_EVENT, "DELETE"): _DETACHES,
}


class Batch:
    """Events and their items in columns; `event` is the number of each item's event.

    `code` is twice the number of a role, and one more if the item counts it; NO_CODE for what names no thing.
    """

    def __init__(self, facts: Facts, events: Sequence[SeenEvent]) -> None:
        self.events = events
        items = list(chain.from_iterable([event.items for event in events]))
        self.code = ints([_CODES.get(item.list, NO_CODE) for item in items])
        self.role = self.code >> 1
        self.counted = self.code & 1
        self.event = np.repeat(np.arange(len(events)), ints([len(event.items) for event in events]))
        self.thing = np.full(len(items), NOWHERE)
        named = np.flatnonzero(self.code != NO_CODE)  # a transformationID names no thing
        self.thing[named] = _numbers(facts.things, [items[place].id for place in named.tolist()])
        self.act = ints(
            [
                _TRANSFORMS if event.type == TRANSFORMATION_EVENT else _ACTS.get((event.type, event.action), _NOTHING)
                for event in events
            ]
        )
        self.at = ints([event.occurred_at for event in events])
        self.position = ints([event.position for event in events])

    @property
    def is_child(self) -> Flags:
        """Tell which items are put into or taken out of something."""
        children: Flags = (self.code != NO_CODE) & (self.role == _CHILD)
        return children

    def number_of(self, positions: Ints) -> Ints:
        """Return the numbers of the events at positions, all of which are among them."""
        order = np.argsort(self.position)
        numbers: Ints = order[np.searchsorted(self.position[order], positions)]
        return numbers

    def last_said(self, rows: Ints) -> Ints:
        """Return, of items of the same thing in the same event, the last."""
        keys = self.event[rows] * (int(self.thing.max(initial=0)) + 1) + self.thing[rows]
        _, places = np.unique(keys[::-1], return_index=True)
        return rows[::-1][places]


def _numbers(things: Numbers, uris: Sequence[str]) -> Ints:
    """Return the numbers of the things that identifiers mean."""
    # What is known is its own name, as most identifiers are: only others are read.
    numbers = [things.get(uri, NOWHERE) for uri in uris]
    for place in [place for place, number in enumerate(numbers) if number == NOWHERE]:
        numbers[place] = things[thing_of(uris[place])]
    return ints(numbers)


def add_whole(facts: Facts, events: Sequence[SeenEvent]) -> None:
    """Take in all that events say that are small, seen whole, and taken in for the first time."""
    if not events:
        return
    facts.events.update([(event.position, event) for event in events])
    batch = Batch(facts, events)
    _add_passages(facts, events, batch)
    act = batch.act[batch.event]
    gone = (act == _TRANSFORMS) | (act == _ENDS)
    gone &= (batch.code != NO_CODE) & (batch.role != _OUTPUT) & (batch.counted == 0)
    rows = batch.last_said(np.flatnonzero(gone))
    _add_ties(facts, batch, rows, np.full(len(rows), NOWHERE), CONTAINED)
    for acts, kind in (((_PUTS, _TAKES), MarkKind.CONTAINMENT), ((_ATTACHES, _DETACHES), MarkKind.ASSOCIATION)):
        _add_containment(facts, events, batch, np.isin(act, acts), kind)
    _add_members(facts, events, batch)


def _add_passages(facts: Facts, events: Sequence[SeenEvent], batch: Batch) -> None:
    transforming = np.flatnonzero(batch.act == _TRANSFORMS)
    transformation = np.full(len(events), NOWHERE)
    transformation[transforming] = ints(facts.transformation_of(events[number]) for number in transforming.tolist())
    here = (batch.act[batch.event] == _TRANSFORMS) & (batch.code != NO_CODE)
    for is_input in (False, True):
        rows = batch.last_said(np.flatnonzero(here & ((batch.role == _INPUT) == is_input)))
        event = batch.event[rows]
        columns = (np.full(len(rows), int(is_input)), transformation[event], batch.at[event], batch.position[event])
        facts.passages.extend(batch.thing[rows], *columns)


def _add_containment(facts: Facts, events: Sequence[SeenEvent], batch: Batch, here: Flags, kind: MarkKind) -> None:
    parent = np.full(len(events), NOWHERE)
    parents = here & (batch.code != NO_CODE) & (batch.role == _PARENT)
    parent[batch.event[parents]] = batch.thing[parents]
    rows = np.flatnonzero(here & (batch.code != NO_CODE) & (batch.role == _CHILD) & (parent[batch.event] != NOWHERE))
    rows = batch.last_said(rows)
    _add_ties(facts, batch, rows, parent[batch.event[rows]], CONTAINED if kind is MarkKind.CONTAINMENT else ATTACHED)
    filled = np.zeros(len(events), np.bool_)
    filled[batch.event[rows]] = True
    opens = (batch.act == _PUTS) | (batch.act == _ATTACHES)
    opened = np.flatnonzero(filled & opens)
    facts.note_opened(kind, zip(facts.things.of(parent[opened]), batch.at[opened].tolist(), strict=True))
    facts.add_emptyings(events[number] for number in np.flatnonzero((parent != NOWHERE) & ~filled & ~opens).tolist())


def _add_ties(facts: Facts, batch: Batch, rows: Ints, parent: Ints, kind: int) -> None:
    event = batch.event[rows]
    opens = np.isin(batch.act[event], (_PUTS, _ATTACHES)).astype(np.int64)
    columns = (parent, batch.at[event], opens, batch.position[event], batch.counted[rows], np.full(len(rows), kind))
    facts.ties.extend(batch.thing[rows], *columns)


def _add_members(facts: Facts, events: Sequence[SeenEvent], batch: Batch) -> None:
    made = np.flatnonzero((batch.code != NO_CODE) & ((batch.role == _OBJECT) | (batch.role == _OUTPUT)))
    made = made[~facts.things.are(batch.thing[made], Kind.LOT)]  # a lot is a member of none
    starts = np.searchsorted(batch.event[made], np.arange(len(events) + 1)).tolist()
    names = facts.things.of(batch.thing[made])
    for number, event in enumerate(events):
        if event.names_lots_beside_serials:
            for lot, things in event.members.items():
                facts.add_members(event, things, lot)
        elif (made_with := event.made_with) is not None:
            lots: dict[str, dict[str, None]] = {}
            for name in names[starts[number] : starts[number + 1]]:
                if (of := lot_of(name, made_with)) is not None:
                    lots.setdefault(of, {})[name] = None
            for lot, named in lots.items():
                facts.add_members(event, named, lot)
