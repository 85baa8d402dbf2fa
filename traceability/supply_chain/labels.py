"""The labels that a walk carries along, in columns: a thing, in what way it was reached, and when it matters."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.tables import NONE, Flags, Ints, Table, distinct
from traceability.supply_chain.traced import Reach

REACHES: Final = tuple(Reach)
TRACED, LOT, CARRIER, ATTACHED = range(len(REACHES))
"""`Reach` in numbers: the strongest first."""


class Labels(NamedTuple):
    """Things, by number, in what way they were reached, and from when to when (µs UTC) it matters."""

    thing: Ints
    reach: Ints
    first: Ints
    last: Ints

    def at(self, rows: Ints | Flags) -> Labels:
        """Return some of them."""
        return Labels(*(column[rows] for column in self))


class Kept:
    """The labels of a walk so far, of which none is implied by those that were kept before it."""

    def __init__(self) -> None:
        self._kept = Table(Labels._fields, ("thing",))

    @property
    def labels(self) -> Labels:
        """Return all that was kept."""
        return Labels(*(self._kept[column] for column in Labels._fields))

    def accept(self, labels: Labels) -> Labels:
        """Keep what leads on: labels that no other one covers.

        One covers another of the same thing if it was reached in the same way, or traced, and every instant that
        matters to the other matters to it.
        """
        things = distinct(labels.thing)
        _, rows = self._kept.find("thing", things)
        known = Labels(*(self._kept[column][rows] for column in Labels._fields))
        both = Labels(*map(np.concatenate, zip(known, labels, strict=True)))
        is_new = np.arange(len(both.thing)) >= len(rows)
        # Whatever covers a label stands before it.
        order = np.lexsort((is_new, both.reach, _backwards(both.last), both.first, both.thing))
        both, is_new = both.at(order), is_new[order]
        accepted = both.at(is_new & ~_covered(both))
        self._kept.extend(*accepted)
        return accepted


def _backwards(numbers: Ints) -> Ints:
    return ~numbers  # as -n, and of every number there is


def _covered(labels: Labels) -> Flags:
    """Tell of labels, in order, which are covered by one that stands before them."""
    covered = np.zeros(len(labels.thing), np.bool_)
    lasts, rank = np.unique(labels.last, return_inverse=True)
    group = np.cumsum(np.concatenate([NONE[:0], [0], labels.thing[1:] != labels.thing[:-1]]))
    width = len(lasts) + 1
    for reach in range(len(REACHES)):
        of_reach = labels.reach == reach
        if not of_reach.any():
            continue
        # Rank and thing as one number: the largest so far starts anew with every thing.
        largest = np.maximum.accumulate(group * width + np.where(of_reach, rank + 1, 0))
        before = np.concatenate([[-1], largest[:-1]]) >= group * width + rank + 1
        covered |= before if reach == TRACED else before & of_reach
    return covered
