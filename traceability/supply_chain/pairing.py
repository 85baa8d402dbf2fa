"""Intervals of containment of many children at once, by the rules of `containment`.

Nearly every child is in one container at a time and has few ties, or is counted, and has few with each container: such
are paired side by side, one tie of each after the other. The rest (ties of one instant, long lives, what is counted at
one time and not at another) is left to `Containment`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.containment import Containment
from traceability.supply_chain.facts import CONTAINED, NOWHERE, Facts
from traceability.supply_chain.tables import NONE, NOTHING, Flags, Ints, begins, distinct, ints
from traceability.supply_chain.windows import END

_LONG: Final = 8
"""Ties of a track above which a child is paired alone: side by side, each costs as much as for all children at once."""


class Intervals(NamedTuple):
    """`child` was in `parent` from `opened_at` until before `closed_at` (END: while it is), as events at two positions
    say (`closed_by` NOTHING: none); `counted` children are many things. In order of `child`.
    """  # noqa: D205 - one sentence

    child: Ints
    parent: Ints
    opened_at: Ints
    closed_at: Ints
    opened_by: Ints
    closed_by: Ints
    counted: Ints

    def at(self, rows: Ints | Flags) -> Intervals:
        """Return some of them."""
        return Intervals(*(column[rows] for column in self))

    @property
    def last(self) -> Ints:
        """Return the last instants inside."""
        return np.where(self.closed_at == END, END, self.closed_at - 1)


def intervals(facts: Facts, children: Ints) -> Intervals:
    """Return the intervals of containment of children, which are numbers in order, each once."""
    which, rows = facts.ties.find("child", children)
    contained = facts.ties["kind"][rows] == CONTAINED
    which, rows = which[contained], rows[contained]
    at, opens, counted = (facts.ties[column][rows] for column in ("at", "opens", "counted"))
    # What is counted may be in several containers at once, so its ties with one have nothing to do with those with
    # another.
    track = which * (len(facts.things) + 1) + np.where(counted != 0, facts.ties["parent"][rows] + 1, 0)
    order = np.lexsort((opens, at, track))
    which, rows, at, opens, counted, track = (of[order] for of in (which, rows, at, opens, counted, track))
    odd = np.zeros(len(children), np.bool_)
    mixed = (which[1:] == which[:-1]) & (counted[1:] != counted[:-1])
    same = (track[1:] == track[:-1]) & (at[1:] == at[:-1]) & (opens[1:] == opens[:-1])
    odd[which[1:][mixed | same]] = True
    starts, counts = _runs(track)
    odd[which[starts[counts > _LONG]]] = True
    plain = ~odd[which]
    found = [*_side_by_side(facts, track[plain], rows[plain]), *_alone(facts, children[odd])]
    if not found:
        return Intervals(NONE, NONE, NONE, NONE, NONE, NONE, NONE)
    together = Intervals(*map(np.concatenate, zip(*found, strict=True)))
    return together.at(np.argsort(together.child, kind="stable"))


def _runs(numbers: Ints) -> tuple[Ints, Ints]:
    """Return where each run of equal numbers starts, and how long it is."""
    starts = np.flatnonzero(begins(numbers))
    return starts, np.diff(starts, append=len(numbers))


def _side_by_side(facts: Facts, track: Ints, rows: Ints) -> list[Intervals]:
    """Pair the ties in `rows`, of which those of one `track` stand together, in turn."""
    if not len(rows):
        return []
    child, parent, at, opens, position, counted = (
        facts.ties[column][rows] for column in ("child", "parent", "at", "opens", "position", "counted")
    )
    emptied_at, emptied_by = _next_emptyings(facts, parent, at)
    starts, counts = _runs(track)
    found: list[Intervals] = []

    def close(opened: Ints, closed_at: Ints, closed_by: Ints) -> None:
        lasted = closed_at > at[opened]
        opened = opened[lasted]
        closed = closed_at[lasted], position[opened], closed_by[lasted]
        found.append(Intervals(child[opened], parent[opened], at[opened], *closed, counted[opened]))

    inside = np.full(len(starts), NOTHING)  # the tie that opened what each child is in
    for turn in range(int(counts.max())):
        here = np.flatnonzero(counts > turn)
        tie, opened = starts[here] + turn, inside[here]
        was_in = opened != NOTHING
        emptied = was_in & (emptied_at[opened] <= at[tie])
        left = (opens[tie] == 0) & ((parent[tie] == NOWHERE) | (parent[tie] == parent[opened]))
        moved = (opens[tie] == 1) & (parent[tie] != parent[opened])
        stated = was_in & ~emptied & (left | moved)
        close(opened[emptied], emptied_at[opened[emptied]], emptied_by[opened[emptied]])
        close(opened[stated], at[tie[stated]], position[tie[stated]])
        out = ~was_in | emptied | stated
        inside[here] = np.where(out, np.where(opens[tie] == 1, tie, NOTHING), opened)
    still = inside[inside != NOTHING]
    close(still, emptied_at[still], emptied_by[still])
    return found


def _next_emptyings(facts: Facts, parents: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Return when each parent was emptied first after an instant, and by which event; END and NOTHING if never."""
    emptied = facts.emptied
    never = np.full(len(parents), END), np.full(len(parents), NOTHING)
    if not len(emptied):
        return never
    instants = distinct(emptied["at"])
    # Parent and instant as one number, for the instants are numbered too.
    width = len(instants) + 1
    keys = emptied["parent"] * width + np.searchsorted(instants, emptied["at"])
    order = facts.first_told(keys, emptied["position"])
    keys = keys[order]
    places = np.searchsorted(keys, parents * width + np.searchsorted(instants, after, side="right"))
    rows = order[np.minimum(places, len(order) - 1)]
    there = (places < len(order)) & (emptied["parent"][rows] == parents)
    return np.where(there, emptied["at"][rows], never[0]), np.where(there, emptied["position"][rows], never[1])


def _alone(facts: Facts, children: Ints) -> list[Intervals]:
    found = [
        interval
        for child in children.tolist()
        for interval in objects_of(facts, child).of_child(facts.things.names[child])
    ]
    if not found:
        return []
    things = facts.things
    return [
        Intervals(
            ints(things[i.child] for i in found),
            ints(things[i.parent] for i in found),
            ints(i.opened_at for i in found),
            ints(END if i.closed_at is None else i.closed_at for i in found),
            ints(i.opened_by for i in found),
            ints(NOTHING if i.closed_by is None else i.closed_by for i in found),
            ints(i.counted for i in found),
        )
    ]


def objects_of(facts: Facts, child: int) -> Containment:
    """Return the containment that knows all ties of a child."""
    _, rows = facts.ties.find("child", np.array([child]))
    told = facts.told[child]
    # A walk comes to a tote at every level: only what is new, or seen more of, is taken in again.
    new = {p: facts.events[p] for p in facts.ties["position"][rows].tolist() if told.get(p) is not facts.events[p]}
    told.update(new)
    facts.objects.add(new.values(), (facts.things.names[child],))
    return facts.objects
