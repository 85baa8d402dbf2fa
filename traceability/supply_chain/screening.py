"""Of which things surely nothing is irregular: found out for many at once, so that few have to be evaluated one by one.

It reads what `evaluation` reads, as `lives` does: what is said of many is looked at once. A thing is cleared only when
no rule can be broken by what is told of it. When in doubt it is not: whatever was decided about it, what is a mere
claim, what has ended with something inside. So what is left is a little more than what is irregular, and nothing that
is irregular is ever missing from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.authority import Judge
from traceability.supply_chain.balance import Verdict, balance_of, events_of
from traceability.supply_chain.commands.faults import DEEPEST, FINAL, faults_of_quantity
from traceability.supply_chain.commands.rights import Deed, deed_of
from traceability.supply_chain.entry import Authority, ClaimReason
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.item import ending, makes
from traceability.supply_chain.links import Links
from traceability.supply_chain.lives import Lives
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import AGGREGATION_EVENT, OBJECT_EVENT, Role, SeenEvent
from traceability.supply_chain.stays import Stays, stays_of, turned_inward
from traceability.supply_chain.tables import NONE, Ints, distinct, ints
from traceability.supply_chain.told import Part, told_of
from traceability.supply_chain.transfers import movement
from traceability.supply_chain.windows import BEGIN

CLOCKS_DIFFER: Final = 60_000_000
"""Microseconds by which clocks may differ before what is told was told too early."""


def not_cleared(index: ProvenanceIndex, parties: Parties, things: Iterable[str]) -> list[str]:
    """Return those of these things (`thing_of`) of which something may be irregular, in the order of their names."""
    links = Links(index, None, ask=index.counting)
    numbers = ints(links.facts.things[thing] for thing in sorted(set(things)))
    links.load(NONE, numbers, ())
    stays = stays_of(links, dict.fromkeys(numbers.tolist(), BEGIN))
    doubtful = [
        _decided(links, index, numbers, stays),
        turned_inward(links, numbers, stays),
        _too_deep(links, index, numbers, stays),
        _emptied_when_filled(links, stays),
        _out_of_balance(links, numbers),
    ]
    rest = np.setdiff1d(numbers, np.concatenate(doubtful))
    names = links.facts.things.of(rest)
    told = told_of(links.facts, rest, stays, {**links.facts.events, **links.done}.values())
    lives = zip(Lives(parties, names, told, _Life), told.simultaneous, strict=True)
    cleared = {
        name
        for (name, life, codes), simultaneous in lives
        if life is not None
        and not (simultaneous and _two_places(told.own(codes)))
        and not (life.judge.fold.shared and any(faults_of_quantity(name, told.own(codes))))
    }
    return sorted(name for name in links.facts.things.of(numbers) if name not in cleared)


def _decided(links: Links, index: ProvenanceIndex, things: Ints, stays: Stays) -> Ints:
    names = links.facts.things
    decisions = index.decisions(names.of(distinct(np.concatenate([things, stays.container]))))
    about = ints(names[name] for name in {name for one in decisions for name in one.decided_about})
    return np.concatenate([about, stays.thing[np.isin(stays.container, about)]])


def _too_deep(links: Links, index: ProvenanceIndex, things: Ints, stays: Stays) -> Ints:
    """Return things that may be nested too deep, by what is in them and around them at any time.

    What took their container out of another may be a mere claim of somebody who may speak of them, so when that was in
    what else does not matter.
    """
    names = links.facts.things
    within = index.nesting(names.of(things), DEEPEST)
    directly = stays.at(stays.depth == 1)
    around = index.surrounding(names.of(distinct(directly.container)), DEEPEST)
    deep = ints(names[container] for container, depth in around.items() if 1 + depth + within >= DEEPEST)
    return directly.thing[np.isin(directly.container, deep)]


def _emptied_when_filled(links: Links, stays: Stays) -> Ints:
    """Return what was put into something that was emptied at that instant: before, or by a mere claim after it."""
    emptied = links.facts.emptied
    at_once = np.isin(stays.first, emptied["at"]) & np.isin(stays.container, emptied["parent"])
    return stays.thing[at_once]


def _out_of_balance(links: Links, things: Ints) -> Ints:
    """Return what went into or came out of transformations out of which more came than went in."""
    passages = links.facts.passages
    _, rows = passages.find("thing", things)
    met = distinct(passages["transformation"][rows])
    gaining = ints(
        number
        for number, events in events_of(links.facts, met)
        if balance_of("", events, Decimal(0)).verdict is Verdict.GAIN
    )
    return passages["thing"][rows[np.isin(passages["transformation"][rows], gaining)]]


class _Now(NamedTuple):
    """Where a thing stands: what it is in and since when (µs UTC), and whether it was spoken of, has ended, or was ever
    a container. What follows is None where a rule may be broken.
    """  # noqa: D205 - one sentence

    inside: str | None = None
    since: int = BEGIN
    spoken: bool = False
    ended: bool = False
    contains: bool = False

    def inherit(self, event: SeenEvent) -> _Now | None:
        """Take in an event of what it is in."""
        if event.type != AGGREGATION_EVENT or not event.empties:
            return self
        # It left its container by this, and by nothing else.
        return self._replace(inside=None) if self.inside in event.parents else None

    def live(self, event: SeenEvent, named: frozenset[Role]) -> _Now | None:
        """Take in an event of its own."""
        if self.ended or event.occurred_at > event.recorded_at + CLOCKS_DIFFER:
            return None
        contains = self.contains or Role.PARENT in named
        if not named or makes(event, named):
            return None if named and self.spoken else self._replace(spoken=True, contains=contains)
        stay = self._stay(event, named)
        ends = ending(event, named) in FINAL
        if stay is None or (ends and contains and Role.INPUT not in named):
            return None
        return _Now(*stay, spoken=True, ended=ends, contains=contains)

    def _stay(self, event: SeenEvent, named: frozenset[Role]) -> tuple[str | None, int] | None:
        if event.type == AGGREGATION_EVENT and Role.CHILD in named and event.action != "OBSERVE":
            adds, parent = event.action == "ADD", event.parents[0] if event.parents else None
            fits = parent is not None and self.inside == (None if adds else parent)
            return ((parent, event.occurred_at) if adds else (None, BEGIN)) if fits else None
        if Role.INPUT in named or (event.type == OBJECT_EVENT and event.action == "DELETE"):
            # To be put in and end at one instant is to have been nowhere.
            return None if self.inside is not None and self.since == event.occurred_at else (None, BEGIN)
        return self.inside, self.since


_AT_FIRST: Final = _Now()


class _Life:
    """A life of which nothing is irregular; `after` has those that follow, None where something may be."""

    __slots__ = ("after", "judge", "now")

    def __init__(self, judge: Judge, now: _Now = _AT_FIRST) -> None:
        self.judge = judge
        self.now = now
        self.after: dict[int, _Life | None] = {}

    def hear(self, event: SeenEvent, part: Part) -> _Life | None:
        """Return the life that follows."""
        judge = self.judge
        if part.outer:
            return self if judge.heeds(event) else None
        # What is counted and what is one thing have rules of their own.
        if (part.counted and not judge.fold.shared) or (part.named and judge.fold.shared):
            return None
        verdict, change = judge.consider(event, part.roles, own=part.own)
        if isinstance(verdict, ClaimReason) or not self._in_right_hands(event, part, verdict):
            return None
        # What is counted may be in several containers, and stay in some.
        inherited = self.now if judge.fold.shared else self.now.inherit(event)
        now = self.now.live(event, part.named) if part.own else inherited
        if now is None or (change is None and now == self.now):
            return now and self
        if change is not None:
            judge = judge.fork()
            judge.carry_out(change, event)
        return _Life(judge, now)

    def _in_right_hands(self, event: SeenEvent, part: Part, by: Authority) -> bool:
        """Tell whether who has it may do what is done, as `faults_of_rights` does, or more strictly."""
        deed = deed_of(event, part.named, part.counted, own=part.own)
        if deed is None:
            return True
        fold = self.judge.fold
        # Another may have had a carrier that is found empty.
        held = by is Authority.FIRST_TO_SPEAK or fold.is_held_by(event.captured_by)
        if deed is Deed.RECEIVE:
            return held or any(shipment.is_for(event.captured_by) for shipment in fold.shipments)
        if not held:
            return False
        on_its_way = bool(fold.shipments) and not fold.shared
        return not (deed in (Deed.HANDLE, Deed.PACK_INTO) and on_its_way and movement(event) is None)


def _two_places(events: Sequence[SeenEvent]) -> bool:
    """Tell whether events that come in the order of time tell of two places at one instant."""
    placed = [event for event in events if event.place is not None]
    return any(one.occurred_at == next_.occurred_at and one.place != next_.place for one, next_ in pairwise(placed))
