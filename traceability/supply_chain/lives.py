"""Who has many things, at once: each is judged as `authority` judges one, and what is said of many is judged once.

A life is what was heard so far, whatever the thing. Where lives differ only in what changes nothing, they are one; a
thousand packs on a pallet lead a few. So to judge a thing takes a look at each event that is told of it. Who asks only
who has a thing tells neither events apart that do the same to it, nor lives after which the same may follow (`Alike`):
a hundred thousand packs that were each made and shipped alone lead a few, too.

Left to `story` are things of which a claim may tie or untie them, and those about which something was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final, Generic, Protocol, Self, TypeVar

from traceability.supply_chain.authority import Judge
from traceability.supply_chain.custody import Custody
from traceability.supply_chain.entry import ClaimReason
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.seen import Role, SeenEvent
from traceability.supply_chain.story import may_tie
from traceability.supply_chain.things import is_carrier, is_class, is_lot
from traceability.supply_chain.told import Part, Told
from traceability.supply_chain.transfers import Transfers

_HOLDS_ONLY: Final = frozenset({Role.PARENT})


class _Led(Protocol):
    """A life: `after` has those that follow, by what is heard next; None where that cannot be told so.

    What is heard is known by its code, or by the number of all that is alike.
    """

    after: dict[int, Self | None]

    def hear(self, event: SeenEvent, part: Part) -> Self | None:
        """Return the life that follows."""
        ...


_Life = TypeVar("_Life", bound=_Led)


@dataclass(frozen=True, slots=True)
class Alike(Generic[_Life]):
    """What need not be told apart: events, and lives, of which the same is returned."""

    events: Callable[[str, Transfers, SeenEvent, Part], Hashable]
    lives: Callable[[_Life], Hashable]


class Lives(Generic[_Life]):
    """The lives of things, whose `names` come in the order of `told`; `begin` is that of which nothing was heard.

    Lives begin differently by whose the company prefix of a key is, by whether there is more than one of a thing, as of
    a lot, and by whether it carries others.
    """

    def __init__(
        self,
        parties: Parties,
        names: Sequence[str],
        told: Told,
        begin: Callable[[Judge], _Life],
        alike: Alike[_Life] | None = None,
    ) -> None:
        self._transfers = Transfers(parties)
        self._names = names
        self._told = told
        self._begin = begin
        self._alike = alike
        self._unborn: dict[tuple[bool, bool, bool, str], tuple[_Life, _Merged[_Life] | None]] = {}

    def __iter__(self) -> Iterator[tuple[str, _Life | None, Sequence[int]]]:
        """Yield for each thing its name, its life, and the codes of what is told of it."""
        codes = self._told.codes
        try:
            for thing, (start, end) in zip(self._names, pairwise(self._told.starts), strict=True):
                life, merged = self._unborn_of(thing)
                told = codes[start:end]
                for code in told:
                    number = code if merged is None else merged[code]
                    after = life.after.get(number) or self._hear(life, number, code, merged)
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
        lives = [life for life, _ in self._unborn.values()]
        while lives:
            after = lives.pop().after
            lives += [life for life in after.values() if life is not None]
            after.clear()

    def _unborn_of(self, thing: str) -> tuple[_Life, _Merged[_Life] | None]:
        """Return the life of a thing of which nothing was heard, and what is merged among all that begin like it."""
        key = is_lot(thing), is_class(thing), is_carrier(thing), self._transfers.parties.prefix_key(thing)
        unborn = self._unborn.get(key)
        if unborn is None:
            merged = None
            if self._alike is not None:
                merged = _Merged(self._told, partial(self._alike.events, thing, self._transfers), self._alike)
            unborn = self._unborn[key] = self._begin(Judge(thing, self._transfers)), merged
        return unborn

    def _hear(self, life: _Life, number: int, code: int, merged: _Merged[_Life] | None) -> _Life | None:
        if number not in life.after:
            after = life.hear(*self._told.of(code))
            life.after[number] = after if after is None or merged is None else merged.life(after)
        return life.after[number]


class _Merged(dict[int, int], Generic[_Life]):
    """The number of what is alike, by code; and the lives that are, each the first of its kind."""

    def __init__(self, told: Told, heard_as: Callable[[SeenEvent, Part], Hashable], alike: Alike[_Life]) -> None:
        super().__init__()
        self._told = told
        self._heard_as = heard_as
        self._alike = alike
        self._numbers: dict[Hashable, int] = {}
        self._lives: dict[Hashable, _Life] = {}

    def __missing__(self, code: int) -> int:
        what = self._heard_as(*self._told.of(code))
        self[code] = number = self._numbers.setdefault(what, len(self._numbers))
        return number

    def life(self, life: _Life) -> _Life:
        """Return the first life that was like this one."""
        return self._lives.setdefault(self._alike.lives(life), life)


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
        """Return who has the thing now; where lives were merged, since when is that of one of them."""
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

    @property
    def state(self) -> Hashable:
        """Return what `custody` and the lives that follow depend on, instants and positions apart."""
        return self.made, self._judge.state


def _done_to_holders(thing: str, transfers: Transfers, event: SeenEvent, part: Part) -> Hashable:
    """Return all of an event on which it depends who has a thing after it.

    That is neither its instant nor what else it names. An event whose step the register rules, or that names the thing
    as a parent, is like no other. `thing` stands for all that begin like it.
    """
    head, at = event.head, event.occurred_at
    step = head.bizStep
    if Role.PARENT in part.named or (step is not None and transfers.parties.is_ruled(step, at)):
        return event.position, part
    at_home = event.action == "OBSERVE" and transfers.is_at_home(event)
    holder = transfers.parties.prefix_holder(thing, at)
    said = event.type, event.action, step, head.disposition, transfers.ends(event)
    return *said, event.captured_by, at_home, holder, part


HOLDERS: Final[Alike[Life]] = Alike(_done_to_holders, lambda life: life.state)
"""What is alike to whoever asks who has a thing and who is to have it, by name, and not since when."""
