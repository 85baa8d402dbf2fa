"""What a command judges a thing by is what its history tells, however many things are looked at together."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.dealings import ASKED, COUNTED, dealings
from tests.support.happenings import PALLET, Decided, commission, hours, index_of, pack, put
from tests.support.holders import PARTIES, SEES_ALL, Told
from traceability.errors import NotFoundError
from traceability.supply_chain.commands.surroundings import Surroundings
from traceability.supply_chain.decisions import HoldPlaced
from traceability.supply_chain.entry import HistoryEntry
from traceability.supply_chain.history import item_history

# A lot's history tells of its members, too; a command that names it is about what is counted of it.
NAMED = [thing for thing in ASKED if thing not in COUNTED]


ON_HOLD = HoldPlaced(things=(PALLET,), hold="H1", kind="quality", reason="a warm lorry")


@settings(max_examples=400, deadline=None)
@example([commission(1, pack("1")), put(2, PALLET, pack("1")), Decided(3, ON_HOLD)], {pack("1")})
@given(dealings(), st.sets(st.sampled_from(NAMED), min_size=1))
def test_it_tells_what_histories_tell(world: list[Told], named: set[str]) -> None:
    around = Surroundings(index_of(world, reader=SEES_ALL), PARTIES)
    around.name(named)
    around.name_containers()
    picture = around.picture(hours(0))
    for thing in named:
        try:
            history = item_history(index_of(world, reader=SEES_ALL), thing, PARTIES)
        except NotFoundError:
            continue
        told = picture.entries[picture.stands_for(thing)]
        assert list(map(_said, told)) == [_said(entry) for entry in history.entries if entry.stands]


def _said(entry: HistoryEntry) -> tuple[object, ...]:
    return entry.event.position, entry.authority, entry.reason, entry.via, [m.role for m in entry.mentions]
