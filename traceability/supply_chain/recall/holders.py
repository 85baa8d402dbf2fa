"""Who has many things now, and to whom they are under way: what the custody of each says, for all of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.custody import Custody
from traceability.supply_chain.decisions import HoldingRole, TransferAccepted, TransferProposed
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.links import Links
from traceability.supply_chain.lives import HOLDERS, Life, Lives
from traceability.supply_chain.parties import Parties
from traceability.supply_chain.stays import Stays, stays_of, windows_of
from traceability.supply_chain.story import until
from traceability.supply_chain.tables import NONE, Ints, distinct, ints
from traceability.supply_chain.told import told_of
from traceability.supply_chain.windows import BEGIN, END

_AT_ONCE: Final = 5_000
"""Things whose whole histories are in memory together."""
_TRANSFERS: Final = (TransferProposed, TransferAccepted)


class Held(NamedTuple):
    """Who has a thing, and to whom it is under way.

    A holder is an organisation by its permanent name, else a party by its URI. Several have some of a lot: they stand
    in the order of their names, since merged lives do not tell since when.
    """

    holders: tuple[str, ...]
    awaited_by: tuple[str, ...]


def held_by(
    links: Links, index: ProvenanceIndex, parties: Parties, things: Sequence[str], as_of: int | None
) -> dict[str, Held]:
    """Tell who has things, as of an event time; `links` reads deeds too, of the same view `index` of the ledger.

    Nearly all are judged at once (`lives`). Of the rest, each is told its own story.
    """
    numbers = np.sort(ints(links.facts.things[thing] for thing in things))
    links.load(NONE, numbers, ())
    stays = stays_of(links, dict.fromkeys(numbers.tolist(), BEGIN))
    decided, given = _decided(links, index, numbers, stays, as_of)
    found = dict(_judged(links, parties, np.setdiff1d(numbers, given), stays, decided))
    left = sorted(thing for thing in things if thing not in found)
    for start in range(0, len(left), _AT_ONCE):
        found.update(_one_by_one(index, parties, left[start : start + _AT_ONCE], as_of))
    return found


def _decided(links: Links, index: ProvenanceIndex, things: Ints, stays: Stays, as_of: int | None) -> tuple[Ints, Ints]:
    """Return the things about which, or about a container of which, anything was decided; and what was given so."""
    names = links.facts.things
    about: tuple[set[str], set[str]] = set(), set()
    for one in until(index.decisions(names.of(distinct(np.concatenate([things, stays.container])))), as_of):
        about[0].update(one.decided_about)
        if isinstance(one.payload, _TRANSFERS):
            about[1].update(one.decided_about)
    numbers = [ints(sorted(names[name] for name in those)) for those in about]
    inside = [stays.thing[np.isin(stays.container, those)] for those in numbers]
    decided, given = (distinct(np.concatenate(both)) for both in zip(numbers, inside, strict=True))
    return decided, given


def _judged(links: Links, parties: Parties, things: Ints, stays: Stays, decided: Ints) -> Iterator[tuple[str, Held]]:
    """Yield what is found out at once."""
    facts = links.facts
    events = {**facts.events, **links.done}
    told = told_of(facts, things, stays, events.values())
    held = _Holdings()
    rest = set[str]()
    for thing, life, _ in Lives(parties, facts.things.of(things), told, Life, HOLDERS):
        if life is not None and life.made:
            yield thing, held[life]
        elif life is not None:
            rest.add(thing)
    # Who speaks first of what nobody is seen to have made has it, whatever he says.
    unmade = np.setdiff1d(ints(facts.things[thing] for thing in rest), decided)
    if len(unmade):
        stays = stays.of(unmade)
        names = facts.things.of(unmade)
        events.update((event.position, event) for event in links.events(frozenset(names), windows_of(links, stays)))
        told = told_of(facts, unmade, stays, events.values())
        for thing, life, _ in Lives(parties, names, told, Life, HOLDERS):
            if life is not None:
                yield thing, held[life]


class _Holdings(dict[Life, Held]):
    """Who has what, by its life."""

    def __missing__(self, life: Life) -> Held:
        held = self[life] = held_in(life.custody())
        return held


def _one_by_one(
    index: ProvenanceIndex, parties: Parties, things: Sequence[str], as_of: int | None
) -> Iterator[tuple[str, Held]]:
    around = Surroundings(index, parties)
    around.name(frozenset(things))
    picture = around.picture(END)
    for thing in things:
        first = picture.stands_for(thing)
        yield thing, held_in(picture.custody_last(first) if as_of is None else picture.custody_at(first, as_of))


def held_in(custody: Custody) -> Held:
    """Tell who has a thing, of which this is known."""
    awaiting = [end for shipment in custody.shipments for end in (shipment.to, shipment.owner) if end is not None]
    return Held(tuple(sorted(custody.holders(HoldingRole.CUSTODY))), tuple(dict.fromkeys(awaiting)))
