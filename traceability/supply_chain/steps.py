"""Steps of a walk, in columns: from a thing to a thing, over edges."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from traceability.supply_chain.labels import Labels
from traceability.supply_chain.tables import NONE, NOTHING, Flags, Ints


class Edges(NamedTuple):
    """Ties other than transformations: `kind` by its place in `EdgeKind`, things by number, from `begin` until before
    `end` (µs UTC, END while it lasts), as the events at two positions say (`until` NOTHING: one).
    """  # noqa: D205 - one sentence

    kind: Ints
    source: Ints
    target: Ints
    begin: Ints
    end: Ints
    since: Ints
    until: Ints


class Steps(NamedTuple):
    """From thing `origin` to a label (its thing NOTHING: a transformation of which nothing else is known).

    `via` is the transformation, with the passages `here` and `there`, rows of their table; or `over` is the row of
    `edges`. What a step has not, is NOTHING.
    """

    origin: Ints
    reached: Labels
    via: Ints
    here: Ints
    there: Ints
    over: Ints
    edges: Edges

    @classmethod
    def none(cls) -> Steps:
        """Return no steps."""
        return cls(NONE, Labels(NONE, NONE, NONE, NONE), NONE, NONE, NONE, NONE, Edges(*[NONE] * len(Edges._fields)))

    @classmethod
    def through(cls, origin: Ints, reached: Labels, via: Ints, here: Ints, there: Ints) -> Steps:
        """Return steps through transformations."""
        return cls(origin, reached, via, here, there, np.full(len(origin), NOTHING), cls.none().edges)

    @classmethod
    def along(cls, origin: Ints, reached: Labels, edges: Edges) -> Steps:
        """Return steps, each along an edge."""
        nothing = np.full(len(origin), NOTHING)
        return cls(origin, reached, nothing, nothing, nothing, np.arange(len(origin)), edges)

    @classmethod
    def together(cls, several: Iterable[Steps]) -> Steps:
        """Return all of several."""
        some = [steps for steps in several if len(steps.origin)]
        if len(some) < 2:  # noqa: PLR2004
            return some[0] if some else cls.none()
        before = np.cumsum([0, *[len(steps.edges.kind) for steps in some]])
        moved = [np.where(s.over == NOTHING, NOTHING, s.over + edges) for s, edges in zip(some, before, strict=False)]
        return cls(
            np.concatenate([steps.origin for steps in some]),
            Labels(*map(np.concatenate, zip(*[steps.reached for steps in some], strict=True))),
            np.concatenate([steps.via for steps in some]),
            np.concatenate([steps.here for steps in some]),
            np.concatenate([steps.there for steps in some]),
            np.concatenate(moved),
            Edges(*map(np.concatenate, zip(*[steps.edges for steps in some], strict=True))),
        )

    def at(self, rows: Ints | Flags) -> Steps:
        """Return some of them."""
        columns = (self.via[rows], self.here[rows], self.there[rows], self.over[rows])
        return Steps(self.origin[rows], self.reached.at(rows), *columns, self.edges)
