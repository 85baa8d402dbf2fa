"""The provenance index over an audit export answers as the one in memory, which looks at every record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.exports.provenance import ExportedEvents, ExportProvenance
from adapters.memory.provenance import MemoryProvenance
from tests.support.dealings import ASKED, dealings
from tests.support.exports import export_of, exported_events, opened, stored
from tests.support.happenings import (
    DAY_ZERO,
    MAKER,
    STORE,
    STRANGERS,
    Decided,
    Happening,
    commission,
    hours,
    pack,
    records,
)
from tests.support.holders import PARTIES, SEES_ALL, Told
from tests.support.logs import KEY
from tests.support.worlds import COUNTED, JOINED, THINGS, worlds
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.epcis import index_rows
from traceability.ledger.access import PUBLIC, Grant, Reader
from traceability.ledger.event import DecisionPayload
from traceability.ledger.index import MarkKind, TagHash, tag_hash
from traceability.ledger.parts import Parts
from traceability.ledger.store import Record
from traceability.supply_chain.history import item_history
from traceability.supply_chain.index import ProvenanceIndex
from traceability.supply_chain.provenance import TraceQuery, trace
from traceability.supply_chain.seen import SeenEvent, Subjects, thing_of

NAMED = [thing_of(uri) for uri in (*THINGS, *COUNTED)]
SUBJECTS = [
    *(Subjects(things={thing}) for thing in NAMED),
    *(Subjects(lots={lot}) for lot in COUNTED[:2]),
    Subjects(transformations={str(JOINED[1])}),
]
READERS = [
    Reader(MAKER),
    Reader("store.example", frozenset({STORE})),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, None, frozenset({"item", "how"})),)),
    Reader(PUBLIC, grants=(Grant(MAKER, PUBLIC, frozenset({"packing"}), frozenset({"what"})),)),
    Reader(PUBLIC),
]


class Noted(DecisionPayload):
    type_name = "tests.noted.v1"
    text: str = "nothing that happened to a thing"


def _two_hashes(tag: str) -> int:
    return tag_hash(tag) % 2 + 1


def _recorded(world: Sequence[Happening | Decided]) -> list[Record]:
    """Record a world, with a decision among the events that names a thing in its tags."""
    made = records(world)
    noted = Noted().to_event(captured_by=MAKER, occurred_at=DAY_ZERO, tags=[f"item:{NAMED[0]}"])
    # Whatever its parts hold, it is no event that happened to a thing.
    noted = replace(noted, parts=replace(noted.parts, what=commission(1, NAMED[0]).parts().what))
    made.append(replace(made[-1], position=len(made) + 1, event=noted))
    # As the export holds them: with the ids and times that the log gave them.
    return [
        replace(
            record,
            event=replace(record.event, event_id=one.event_id, recorded_at=one.recorded_at),
        )
        for record, one in zip(made, stored([r.event.parts for r in made]), strict=True)
    ]


@pytest.mark.parametrize("hash_of", [tag_hash, _two_hashes])
@given(
    st.tuples(worlds(), st.lists(st.sampled_from([(), (STORE,)]), min_size=1, max_size=6)),
    st.sampled_from(READERS),
    st.tuples(
        st.lists(st.sampled_from(SUBJECTS), min_size=1, max_size=3),
        st.sets(st.tuples(st.sampled_from(NAMED), st.integers(-1, 6).map(hours)), max_size=4),
    ),
    st.floats(0, 1),
)
def test_both_indexes_find_the_same(
    hash_of: TagHash,
    drawn: tuple[list[Happening], list[tuple[str, ...]]],
    reader: Reader,
    asked: tuple[list[Subjects], set[tuple[str, int]]],
    share: float,
) -> None:
    (world, parties), (subjects, instants) = drawn, asked
    known = _recorded([replace(one, parties=parties[n % len(parties)]) for n, one in enumerate(world)])
    events = exported_events(known, hash_of)
    known_at = int(len(known) * share)

    def both() -> tuple[ExportProvenance, MemoryProvenance]:
        return (
            ExportProvenance(events, reader=reader, known_at=known_at),
            MemoryProvenance(known, reader=reader, indexer=index_rows, known_at=known_at),
        )

    exported, memory = both()
    assert exported.known_at == memory.known_at == known_at
    for one in subjects:
        assert _content(exported.events(one)) == _content(memory.events(one))
        assert _content(exported.ties(one)) == _content(memory.ties(one))
        assert _content(exported.deeds(one)) == _content(memory.deeds(one))
        assert exported.known(one.things) == memory.known(one.things)
        for kind in MarkKind:
            assert _content(exported.emptyings(kind, instants)) == _content(memory.emptyings(kind, instants))
        for most in (1, 4):
            assert exported.surrounding(one.things, most) == memory.surrounding(one.things, most)
            assert exported.nesting(one.things, most) == memory.nesting(one.things, most)
    folds: list[Callable[[ProvenanceIndex], object]] = [
        lambda index: item_history(index, NAMED[0], STRANGERS),
        lambda index: trace(index, TraceQuery((NAMED[1],))),
    ]
    for fold in folds:
        answers = [_answer(fold, index) for index in both()]
        assert answers[0] == answers[1]


@given(dealings(max_size=8), st.sampled_from(ASKED), st.sampled_from([SEES_ALL, *READERS]))
def test_both_tell_the_same_of_decisions(world: list[Told], thing: str, reader: Reader) -> None:
    known = _recorded(world)
    exported = ExportProvenance(exported_events(known, tag_hash), reader=reader)
    memory = MemoryProvenance(known, reader=reader, indexer=index_rows)
    answers = [_answer(lambda index: item_history(index, thing, PARTIES), index) for index in (exported, memory)]
    assert answers[0] == answers[1]


def _content(events: Sequence[SeenEvent]) -> list[tuple[int, object, bool]]:
    assert len({event.position for event in events}) == len(events)
    return sorted(((e.position, e.parts, e.whole) for e in events), key=lambda found: found[0])


def _answer(fold: Callable[[ProvenanceIndex], object], index: ProvenanceIndex) -> object:
    try:
        return repr(fold(index))
    except NotFoundError:
        return None


def test_a_position_that_the_export_lacks_is_refused() -> None:
    events = exported_events(records([commission(1, pack(1))]))
    assert ExportProvenance(events, reader=READERS[0], known_at=0).events(Subjects({pack(1)})) == []
    for known_at in (-1, 2):
        with pytest.raises(InvalidInputError):
            ExportProvenance(events, reader=READERS[0], known_at=known_at)


@pytest.mark.parametrize("head", [b"", b"[]", b"{}", b'{"type":1}', b"{", b'{"type":"epcis.object_event.v2"}', b"\xff"])
def test_parts_that_cannot_be_read_are_named(head: bytes) -> None:
    data = export_of(stored([commission(1, pack(1)).parts(), Parts(head)]))
    with pytest.raises(InvalidInputError, match="position 2") as refused:
        ExportedEvents(opened(data), [KEY.verifier], index_rows)
    assert refused.value.code == "ledger.unreadable_parts"


def test_an_export_without_events_answers_nothing() -> None:
    events = exported_events([])
    assert ExportProvenance(events, reader=READERS[0]).events(Subjects({pack(1)})) == []
