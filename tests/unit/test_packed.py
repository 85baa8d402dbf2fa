"""Batches as columns: what is split, thinned out, joined or written down stays the rows of the same events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres import packed as module
from adapters.postgres.packed import (
    Packed,
    in_order,
    index_data,
    joined,
    pack,
    read,
    record_data,
    visibility_columns,
    written,
)
from adapters.postgres.rows import rows_of
from tests.ledgers import RULES
from tests.support.epcis_events import DAIRY, LOT, OTHER_PACK, PACK, PALLET, PARTY, typed
from tests.support.epcis_events import event as epcis_event
from tests.support.epcis_events import read as read_events
from traceability.errors import ConflictError
from traceability.gs1.epcis import content_digest, index_rows
from traceability.ledger.commitment import entry_of, leaf_hash
from traceability.ledger.index import Visibility, tag_hash
from traceability.ledger.store import Prepared, prepare

NUMBER, HEAD, TIME = 7, 40, 1_772_352_900_123_456


def _events() -> list[Prepared]:
    """One event of each form that the index knows."""
    owner = {"sourceList": [{"type": "owning_party", "source": PARTY}]}
    found = read_events(
        epcis_event(eventID="urn:uuid:2f3b1c52-5a0e-4b0e-9d3a-0d6a3f7f0001", bizStep="shipping", **owner),
        epcis_event(disposition="in_transit", epcList=[PACK, OTHER_PACK]),
        epcis_event(errorDeclaration={"declarationTime": "2026-03-02T00:00:00Z"}, eventID="urn:x:y:1"),
        typed("AggregationEvent", action="ADD", parentID=PALLET, childEPCs=[PACK, OTHER_PACK], bizStep="packing"),
        typed("AggregationEvent", action="DELETE", parentID=PALLET),
        typed("TransformationEvent", action=None, inputEPCList=[PACK], outputQuantityList=[{"epcClass": LOT}]),
        epcis_event(epcList=[f"https://id.gs1.org/01/09521234000013/21/{n}" for n in range(60)]),
    )
    assert found.valid, found.problems
    rules = replace(RULES, indexer=index_rows, content_digest=content_digest)
    return [prepare(one.event, rules, captured_by=DAIRY) for one in found.events]


EVENTS = _events()
batches = st.lists(st.sampled_from(EVENTS), max_size=9)


def packed_of(events: Sequence[Prepared]) -> Packed:
    return pack(rows_of(events, tag_hash))


def encoded(*values: Any) -> bytes:
    """One row of binary COPY, field by field: an int with its width, text, bytes, a boolean or NULL."""
    row = len(values).to_bytes(2, "big")
    for value in values:
        match value:
            case None:
                row += b"\xff\xff\xff\xff"
                continue
            case (int(number), int(width)):
                field = number.to_bytes(width, "big", signed=True)
            case bool():
                field = bytes([value])
            case str():
                field = value.encode()
            case _:
                field = value
        row += len(field).to_bytes(4, "big") + field
    return row


def naive(events: Sequence[Prepared]) -> dict[str, list[bytes]]:
    """The rows of every table, an event and a value at a time."""
    rows = rows_of(events, tag_hash)

    def start(ordinal: int) -> tuple[Any, Any]:
        return (NUMBER, 4), (HEAD + 1 + ordinal, 8)

    def visibility(ordinal: int) -> tuple[int, int]:
        return rows.visibilities[ordinal], 8

    records = []
    for o, one in enumerate(events):
        parts = one.event.parts
        what = b"\n".join(parts.what)
        leaf = leaf_hash(entry_of(one.event_id, TIME, one.commitment))
        records.append(encoded(*start(o), (TIME, 8), leaf, one.event_id.bytes, visibility(o), one.event.type,
                               one.commitment, one.salt, one.personal_salt, parts.head, what, parts.where,
                               parts.why, parts.how, parts.more, parts.personal, parts.source))  # fmt: skip
    return {
        "record": records,
        "posting": [encoded(*start(o), (tag, 8), visibility(o)) for tag, o in zip(rows.tags, rows.tagged, strict=True)],
        "mark": [
            encoded(*start(o), (child, 8), (parent, 8), kind, opens, (at, 8), visibility(o))
            for o, child, parent, kind, opens, at in rows.marks
        ],
        "edge": [
            encoded(*start(o), (node, 8), (via, 8), is_input, (at, 8), visibility(o))
            for o, node, via, is_input, at in rows.edges
        ],
        "sighting": [
            encoded(*start(o), (at, 8), visibility(o), (event, 8), retracts, step, disposition)
            for o, at, event, retracts, step, disposition in rows.sightings
        ],
    }


def data(rows: Sequence[bytes]) -> bytes:
    return b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"".join(rows) + b"\xff\xff"


def copied(packed: Packed) -> dict[str, bytes]:
    """Everything that is sent to the database."""
    return {"record": record_data(packed, NUMBER, HEAD, TIME), **dict(index_data(packed, NUMBER, HEAD))}


def same(one: Packed, other: Packed) -> bool:
    """Whether two batches are the same rows, and tell the same about each event."""
    return (
        copied(one) == copied(other)
        and list(one.identities) == list(other.identities)
        and one.row_counts().tolist() == other.row_counts().tolist()
        and one.meanings == other.meanings
    )


@given(batches)
def test_the_rows_are_those_of_an_encoder_that_takes_one_value_at_a_time(events: list[Prepared]) -> None:
    expected = {table: data(rows) for table, rows in naive(events).items() if rows or table == "record"}
    assert copied(packed_of(events)) == expected


@given(batches)
def test_postings_are_sorted_by_tag_and_stay_the_same(events: list[Prepared]) -> None:
    ordered = in_order(packed_of(events))
    tags = ordered.tables["posting"]["tag"]
    assert (tags[1:] >= tags[:-1]).all()
    postings = {tuple(row) for row in ordered.tables["posting"].tolist()}
    assert postings == {tuple(row) for row in packed_of(events).tables["posting"].tolist()}
    others = {table: copied(ordered)[table] for table in copied(ordered) if table != "posting"}
    assert others == {table: copied(packed_of(events))[table] for table in others}


@given(batches, st.integers(0, 9))
def test_what_is_split_is_two_batches(events: list[Prepared], count: int) -> None:
    first, rest = packed_of(events).split(count)
    assert same(first, packed_of(events[:count]))
    assert same(rest, packed_of(events[count:]))


@given(batches, st.data())
def test_what_is_kept_is_a_batch_of_its_own(events: list[Prepared], choice: st.DataObject) -> None:
    """Also of what it brings: nothing that a batch does not write counts as known after it."""
    wanted = choice.draw(st.lists(st.booleans(), min_size=len(events), max_size=len(events)))
    kept = packed_of(events).kept(np.array(wanted, bool))
    assert same(kept, packed_of([one for one, keep in zip(events, wanted, strict=True) if keep]))


@given(st.lists(batches, min_size=1, max_size=4))
def test_what_is_joined_is_one_batch(pieces: list[list[Prepared]]) -> None:
    whole = joined([packed_of(piece) for piece in pieces])
    assert same(whole, packed_of([one for piece in pieces for one in piece]))


@given(st.lists(batches, min_size=1, max_size=3), st.integers(0, 20))
def test_what_was_written_down_is_read_as_it_was(pieces: list[list[Prepared]], count: int) -> None:
    """And can be joined and split like what never left: its arrays are not ours to change."""
    kept = [read(written(packed_of(piece))) for piece in pieces]
    for one, piece in zip(kept, pieces, strict=True):
        assert same(one, packed_of(piece))
    events = [one for piece in pieces for one in piece]
    assert same(joined(kept).split(count)[1], packed_of(events[count:]))
    assert same(in_order(read(written(joined(kept)))), in_order(packed_of(events)))


@given(batches.filter(bool), st.data())
def test_an_event_is_read_back_from_its_row(events: list[Prepared], choice: st.DataObject) -> None:
    i = choice.draw(st.integers(0, len(events) - 1))
    packed = packed_of(events)
    assert packed.parts(i) == events[i].event.parts
    assert packed.event_id(i) == events[i].event_id
    rows = rows_of(events, tag_hash)
    others = [row[0] for row in (*rows.marks, *rows.edges, *rows.sightings)]
    assert packed.row_counts()[i] == 1 + rows.tagged.count(i) + others.count(i)


def test_a_rebuilt_index_does_without_the_records() -> None:
    packed = pack(rows_of(EVENTS, tag_hash), records=False)
    assert dict(index_data(packed, NUMBER, HEAD)) == {
        table: rows for table, rows in copied(packed_of(EVENTS)).items() if table != "record"
    }


@given(batches)
def test_what_the_database_does_not_know_comes_with_its_first_event(events: list[Prepared]) -> None:
    packed = packed_of(events)
    ordinals, ids, captured_by, parties, steps = visibility_columns(packed, {})
    first = {v: i for i, v in reversed(list(enumerate(packed.visibilities.tolist())))}
    assert dict(zip(ids, ordinals, strict=True)) == {v: i + 1 for v, i in first.items()}
    told = zip(ids, captured_by, parties, steps, strict=True)
    assert {v: Visibility(who, tuple(named.split("\n")) if named else (), step) for v, who, named, step in told} == (
        packed.meanings
    )
    assert visibility_columns(packed, packed.meanings) == [[], [], [], [], []]


def test_one_id_for_two_visibilities_ends_the_append() -> None:
    packed = packed_of(EVENTS[:1])
    other = {packed.visibilities.tolist()[0]: Visibility("somebody.example", (), None)}
    with pytest.raises(ConflictError) as caught:
        visibility_columns(packed, other)
    assert caught.value.code == "ledger.visibility_collision"


def test_bytes_that_are_no_batch_say_so() -> None:
    for data_ in (b"", b"\x00", msgspec.msgpack.encode([1, 2]), written(packed_of(EVENTS))[:-1]):
        with pytest.raises(msgspec.DecodeError):
            read(data_)


def test_the_columns_are_those_of_the_tables() -> None:
    """A row's fixed columns come before its words, and no table of the index is left out."""
    assert module.COLUMNS.keys() - {"record"} == module._DTYPES.keys()
    for table, dtype in module._DTYPES.items():
        columns = module.COLUMNS[table].split(", ")
        assert columns[:2] == ["ledger_id", "position"]
        assert set(dtype.names or ()) - {"ordinal", "words"} <= set(columns)


def test_the_leaf_is_that_of_the_commitment() -> None:
    one = EVENTS[0]
    entry = entry_of(one.event_id, TIME, one.commitment)
    assert sha256(b"\x00" + entry).digest() in copied(packed_of([one]))["record"]
