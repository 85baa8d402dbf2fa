"""Which events are told of which things, in columns: their own, and those of the containers that they were in.

It is what `story` finds for one thing, for many at once, where no claim ties or unties them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.facts import Facts
from traceability.supply_chain.in_bulk import NO_CODE, Batch
from traceability.supply_chain.seen import AGGREGATION_EVENT, Role, SeenEvent
from traceability.supply_chain.standing import ordered
from traceability.supply_chain.stays import Stays
from traceability.supply_chain.tables import NONE, NOTHING, Ints, distinct, joined, ranges
from traceability.supply_chain.windows import BEGIN

_BITS: Final = 12
_VIA, _OUTER = 1 << 10, 1 << 11
_ROLES: Final = tuple(Role)
_PUT_OUT: Final = frozenset({Role.OUTPUT})


class Part(NamedTuple):
    """What a thing is in an event: the `named` roles of this very thing, and the `counted` ones of a quantity of it.

    Without any, it is inside of what the event is about; or (`outer`) what its container is in is emptied.
    """

    named: frozenset[Role]
    counted: frozenset[Role]
    outer: bool = False

    @property
    def roles(self) -> frozenset[Role]:
        """Return the roles of this very thing, and that of what a transformation puts out of it."""
        return self.named | (self.counted & _PUT_OUT)

    @property
    def own(self) -> bool:
        """Tell whether the event names the thing."""
        return bool(self.named or self.counted)


class Told(NamedTuple):
    """What is told of things: of the n-th from `starts[n]` on, as codes in the order of folds; `events` by number.

    `simultaneous` tells of each thing whether two events are told of it that happened at one instant.
    """

    events: Sequence[SeenEvent]
    codes: list[int]
    starts: list[int]
    simultaneous: list[bool]

    def of(self, code: int) -> tuple[SeenEvent, Part]:
        """Return what a code stands for."""
        return self.events[code >> _BITS], _part(code & ((1 << _BITS) - 1))

    def own(self, codes: Iterable[int]) -> list[SeenEvent]:
        """Return the events that name the thing."""
        return [event for event, part in map(self.of, codes) if part.own]


@lru_cache(maxsize=1 << _BITS)
def _part(bits: int) -> Part:
    named, counted = (
        frozenset(role for n, role in enumerate(_ROLES) if bits >> 2 * n + counts & 1) for counts in (0, 1)
    )
    return Part(named, counted, bool(bits & _OUTER))


def told_of(facts: Facts, things: Ints, stays: Stays, among: Collection[SeenEvent]) -> Told:
    """Tell what is told of things, which are numbers in order, each once, by events that count.

    `stays` are theirs; they may be those of others too.
    """
    stays = stays.of(things)
    events = ordered(among)
    batch = Batch(facts, events)
    named = batch.code != NO_CODE
    rows = [_own(batch, things, named), _inside(batch, stays, named), _left(facts, batch, stays), _outer(batch, stays)]
    thing, event, bits = map(np.concatenate, zip(*rows, strict=True))
    order = np.lexsort((bits & (_VIA | _OUTER), event, thing))
    thing, event, bits = thing[order], event[order], bits[order]
    # What is told of the thing itself is not told of it again because of what it is in.
    first = np.ones(len(thing), np.bool_)
    first[1:] = (thing[1:] != thing[:-1]) | (event[1:] != event[:-1])
    thing, codes = thing[first], (event[first] << _BITS) | bits[first]
    starts = np.searchsorted(thing, np.append(things, np.iinfo(np.int64).max))
    at = batch.at[event[first]]
    twice = thing[1:][(thing[1:] == thing[:-1]) & (at[1:] == at[:-1])]
    return Told(events, codes.tolist(), starts.tolist(), np.isin(things, twice).tolist())


_Rows = tuple[Ints, Ints, Ints]
"""A thing, the number of an event, and what the thing is in it."""


def _own(batch: Batch, things: Ints, named: Ints) -> _Rows:
    rows = np.flatnonzero(named & np.isin(batch.thing, things))
    rows = rows[np.lexsort((batch.event[rows], batch.thing[rows]))]
    thing, event, bits = batch.thing[rows], batch.event[rows], np.left_shift(1, batch.code[rows])
    if not len(rows):
        return NONE, NONE, NONE
    starts = np.append(0, 1 + np.flatnonzero((thing[1:] != thing[:-1]) | (event[1:] != event[:-1])))
    return thing[starts], event[starts], np.bitwise_or.reduceat(bits, starts)


def _inside(batch: Batch, stays: Stays, named: Ints) -> _Rows:
    """Return what happens to containers while things are in them; to pack something else into one is not."""
    aggregates = np.array([event.type == AGGREGATION_EVENT for event in batch.events], np.bool_)[batch.event]
    rows = np.flatnonzero(named & (~aggregates | batch.is_child) & np.isin(batch.thing, stays.container))
    times = distinct(batch.at)
    width = len(times) + 1
    keys = batch.thing[rows] * width + np.searchsorted(times, batch.at[batch.event[rows]])
    order = np.argsort(keys, kind="stable")
    keys, rows = keys[order], rows[order]
    container = stays.container * width
    starts = np.searchsorted(keys, container + np.searchsorted(times, stays.first, side="left"), side="left")
    ends = np.searchsorted(keys, container + np.searchsorted(times, stays.last, side="right"), side="left")
    counts = np.maximum(ends - starts, 0)
    event = batch.event[rows[ranges(starts, counts)]]
    return np.repeat(stays.thing, counts), event, np.full(len(event), _VIA)


def _left(facts: Facts, batch: Batch, stays: Stays) -> _Rows:
    """Return what emptied containers: it names nothing that was inside, and is how that left."""
    stays = stays.at(np.flatnonzero(stays.left_at != BEGIN))
    times = distinct(np.concatenate([facts.emptied["at"], stays.left_at]))
    width = len(times) + 1
    emptied = facts.emptied["parent"] * width + np.searchsorted(times, facts.emptied["at"])
    order = np.argsort(emptied, kind="stable")
    which, rows = joined(stays.container * width + np.searchsorted(times, stays.left_at), emptied[order])
    event = batch.number_of(facts.emptied["position"][order[rows]])
    return stays.thing[which], event, np.full(len(event), _VIA)


def _outer(batch: Batch, stays: Stays) -> _Rows:
    rows = np.flatnonzero(stays.emptied_by != NOTHING)
    return stays.thing[rows], batch.number_of(stays.emptied_by[rows]), np.full(len(rows), _OUTER)
