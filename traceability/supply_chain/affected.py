"""What a trace forward tells of the things that its roots may have touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec

from traceability.supply_chain.item import Lifecycle


class LotSum(msgspec.Struct, frozen=True, gc=False):
    """Of a lot, in one unit (None: pieces): what was `made`, what was `used` or ended, and what is `left` of it.

    `made` and `left` are None when no event tells how much was made. More may be used than was made: then 0 is left.
    """

    uom: str | None
    made: Decimal | None
    used: Decimal
    left: Decimal | None


class AffectedLot(msgspec.Struct, frozen=True, gc=False):
    """A lot that may be affected."""

    id: str
    sums: tuple[LotSum, ...]

    @property
    def is_left(self) -> bool:
        """Tell whether any of it may be out there."""
        return not self.sums or any(of.left is None or of.left > 0 for of in self.sums)


class PlaceCount(msgspec.Struct, frozen=True, gc=False):
    """How many items and lots were last seen at a place (None: no event tells), and when the last of them was."""

    id: str | None
    items: int
    lots: int
    last_seen: int | None


class Amount(msgspec.Struct, frozen=True, gc=False):
    """An amount in a unit; `uom` None counts pieces."""

    uom: str | None
    quantity: Decimal


class Whereabouts(msgspec.Struct, frozen=True, gc=False):
    """An item or lot that is out there: when it was last seen (µs UTC), at what step and place, and in what state."""

    id: str
    last_seen: int | None
    step: str | None
    place: str | None
    disposition: str | None


@dataclass(frozen=True)
class BlastRadius:
    """What may be affected: `items` by number, `ended` by how, and `lots` with the `quantities` that are left of them.

    The rest is None unless where things are was asked for: how many items are `in_transit`, the `places`, and each item
    and lot that is out there. Only then observations are read, which may tell of more that has ended.
    """

    items: int
    ended: Mapping[Lifecycle, int]
    lots: Sequence[AffectedLot]
    quantities: Sequence[Amount]
    in_transit: int | None = None
    places: Sequence[PlaceCount] | None = None
    whereabouts: Sequence[Whereabouts] | None = field(default=None, repr=False)

    @property
    def out_there(self) -> int:
        """Return how many items are out there."""
        return self.items - sum(self.ended.values())
