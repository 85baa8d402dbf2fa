"""Who has many things, at once: each is judged as `authority` judges one, and what is said of many is judged once.

A life is what was heard so far, whatever the thing. Where lives differ only in what changes nothing, they are one; a
thousand packs on a pallet lead a few. So to judge a thing takes a look at each event that is told of it.

Left to `story` are things of which a claim may tie or untie them, and those about which something was decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from traceability.supply_chain.authority import Judge
from traceability.supply_chain.custody import Custody
from traceability.supply_chain.entry import ClaimReason
from traceability.supply_chain.item import makes
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.story import may_tie
from traceability.supply_chain.things import is_class, is_lot
from traceability.supply_chain.told import Part, Told
from traceability.supply_chain.transfers import Transfers

_HOLDS_ONLY: Final = frozenset({Role.PARENT})


class Life:
    """What was heard of a thing so far; `after` has the lives that follow, by code of what is heard next.

    None of them stands for a life that cannot be told here.
    """

    __slots__ = ("_judge", "after")

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self.after: dict[int, Life | None] = {}

    def custody(self) -> Custody:
        """Return who has the thing now."""
        return self._judge.fold.custody(ended=False)

    def hear(self, event: SeenEvent, part: Part) -> Life | None:
        """Return the life that follows."""
        judge = self._judge
        if part.outer:
            # A claim would not have emptied what its container was in.
            voices = judge.voices(event.occurred_at)
            return self if not voices or event.captured_by in voices else None
        if part.counted and not judge.fold.shared:
            return None
        verdict, deed = judge.consider(event, part.roles, own=part.own)
        if isinstance(verdict, ClaimReason) and may_tie(event):
            moved = part.named | part.counted != _HOLDS_ONLY or event.empties
            return None if moved else self
        if deed is None:
            return self
        judge = judge.fork()
        judge.carry_out(deed, event)
        return Life(judge)


class Lives:
    """The lives of things by what is told of each; `names` come in the order in which something is told of them."""

    def __init__(self, parties: Parties, names: Sequence[str], told: Told) -> None:
        self._transfers = Transfers(parties)
        self._names = names
        self._told = told
        self._unborn: dict[tuple[bool, bool, str], Life] = {}

    def __iter__(self) -> Iterator[tuple[str, Life | None, bool]]:
        """Yield for each thing its name and life, and whether the first that is told of it is that it was made.

        That is by somebody who may say so: of such a thing it does not matter who only spoke of it before.
        """
        codes = self._told.codes
        for thing, (start, end) in zip(self._names, pairwise(self._told.starts), strict=True):
            unborn = self._unborn_of(thing)
            life = unborn
            for code in codes[start:end]:
                after = life.after.get(code) or self._hear(life, code)
                if after is None:
                    yield thing, None, self._is_made(unborn, codes[start])
                    break
                life = after
            else:
                yield thing, life, start < end and self._is_made(unborn, codes[start])

    def _is_made(self, unborn: Life, code: int) -> bool:
        if unborn.after[code] in (None, unborn):
            return False
        event, part = self._told.of(code)
        return part.own and makes(event, part.roles)

    def _unborn_of(self, thing: str) -> Life:
        """Return the life of a thing of which nothing was heard."""
        key = is_lot(thing), is_class(thing), self._transfers.parties.prefix_key(thing)
        life = self._unborn.get(key)
        if life is None:
            life = self._unborn[key] = Life(Judge(thing, self._transfers))
        return life

    def _hear(self, life: Life, code: int) -> Life | None:
        life.after[code] = after = life.hear(*self._told.of(code))
        return after
