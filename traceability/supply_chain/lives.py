"""Who has many things, at once: each is judged as `authority` judges one, and what is said of many is judged once.

A life is what was heard so far, whatever the thing. Where lives differ only in what changes nothing, they are one; a
thousand packs on a pallet lead a few. So to judge a thing takes a look at each event that is told of it.

Left to `story` are things of which a claim may tie or untie them, and those about which something was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final, Generic, Protocol, Self, TypeVar

from traceability.supply_chain.authority import Judge
from traceability.supply_chain.custody import Custody
from traceability.supply_chain.entry import ClaimReason
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.story import may_tie
from traceability.supply_chain.things import is_class, is_lot
from traceability.supply_chain.told import Part, Told
from traceability.supply_chain.transfers import Transfers

_HOLDS_ONLY: Final = frozenset({Role.PARENT})


class _Led(Protocol):
    """A life: `after` has those that follow, by code of what is heard next; None where that cannot be told so."""

    after: dict[int, Self | None]

    def hear(self, event: SeenEvent, part: Part) -> Self | None:
        """Return the life that follows."""
        ...


_Life = TypeVar("_Life", bound=_Led)


class Lives(Generic[_Life]):
    """The lives of things, whose `names` come in the order of `told`; `begin` is that of which nothing was heard.

    Whose the company prefix of a key is, and that of a lot there is more than one, makes lives begin differently.
    """

    def __init__(self, parties: Parties, names: Sequence[str], told: Told, begin: Callable[[Judge], _Life]) -> None:
        self._transfers = Transfers(parties)
        self._names = names
        self._told = told
        self._begin = begin
        self._unborn: dict[tuple[bool, bool, str], _Life] = {}

    def __iter__(self) -> Iterator[tuple[str, _Life | None, Sequence[int]]]:
        """Yield for each thing its name, its life, and the codes of what is told of it."""
        codes = self._told.codes
        try:
            for thing, (start, end) in zip(self._names, pairwise(self._told.starts), strict=True):
                life = self._unborn_of(thing)
                told = codes[start:end]
                for code in told:
                    after = life.after.get(code) or self._hear(life, code)
                    if after is None:
                        yield thing, None, told
                        break
                    life = after
                else:
                    yield thing, life, told
        finally:
            self._part()

    def _part(self) -> None:
        """Forget which life follows which: those that follow themselves would be there until the collector comes."""
        lives = [*self._unborn.values()]
        while lives:
            after = lives.pop().after
            lives += [life for life in after.values() if life is not None]
            after.clear()

    def _unborn_of(self, thing: str) -> _Life:
        """Return the life of a thing of which nothing was heard."""
        key = is_lot(thing), is_class(thing), self._transfers.parties.prefix_key(thing)
        life = self._unborn.get(key)
        if life is None:
            life = self._unborn[key] = self._begin(Judge(thing, self._transfers))
        return life

    def _hear(self, life: _Life, code: int) -> _Life | None:
        if code not in life.after:
            life.after[code] = life.hear(*self._told.of(code))
        return life.after[code]


class Life:
    """What was heard of a thing so far, and whether it was `made` by somebody who may say so before anybody had it.

    Of such a thing it does not matter who only spoke of it before.
    """

    __slots__ = ("_judge", "after", "made")

    def __init__(self, judge: Judge, *, made: bool = False) -> None:
        self._judge = judge
        self.made = made
        self.after: dict[int, Life | None] = {}

    def custody(self) -> Custody:
        """Return who has the thing now."""
        return self._judge.fold.custody(ended=False)

    def hear(self, event: SeenEvent, part: Part) -> Life | None:
        """Return the life that follows."""
        judge = self._judge
        if part.outer:
            # A claim would not have emptied what its container was in.
            return self if judge.heeds(event) else None
        if part.counted and not judge.fold.shared:
            return None
        verdict, change = judge.consider(event, part.roles, own=part.own)
        if isinstance(verdict, ClaimReason) and may_tie(event):
            moved = part.named | part.counted != _HOLDS_ONLY or event.empties
            return None if moved else self
        if change is None:
            return self
        made = self.made or (change.makes and judge.fold.unclaimed)
        judge = judge.fork()
        judge.carry_out(change, event)
        return Life(judge, made=made)
