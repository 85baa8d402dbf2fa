"""The sums that an index is compared by: any change of rows changes them, and no order does."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.postgres.index_check import ExpectedIndex, IndexExpectation
from adapters.postgres.index_sums import TABLES
from tests.ledgers import index_test_event
from tests.support.logs import stored_event
from traceability.ledger.parts import Parts
from traceability.notary.ports import StoredRow

KEY = bytes(range(32))
FIRST = 11


def row(index: int, tags: list[str], **head: Any) -> StoredRow:
    members = {"type": "test.counted.v1", "captured_by": "dairy.example", "occurred_at": "2026-03-01T08:15:00Z", **head}
    parts = Parts(head=orjson.dumps(members), more=b'{"tags":' + orjson.dumps(tags) + b"}")
    event = stored_event(index, parts)
    hashes = event.leaf_hash, event.commitment, event.salt, event.personal_salt
    return (event.position, event.event_id.bytes, 1, "test.counted.v1", 7, *hashes, parts.head, b"", b"", b"", b"",
            parts.more, b"", b"")  # fmt: skip


def sums(rows: list[StoredRow], *portions: int, key: bytes = KEY, count: int = 20) -> ExpectedIndex:
    expectation = IndexExpectation(FIRST, count, index_test_event, key)
    start = 0
    for portion in (*portions, len(rows)):
        expectation.add(rows[start : start + portion])
        start += portion
    return expectation.given()


rows_of_events = st.lists(
    st.tuples(
        st.lists(st.sampled_from(["item:a", "item:b", "party:c"]), max_size=3),
        st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.booleans()), max_size=2),
    ),
    min_size=1,
    max_size=12,
).map(lambda events: [row(i, tags, marks=marks) for i, (tags, marks) in enumerate(events)])


@given(rows_of_events, st.lists(st.integers(1, 4), max_size=4))
def test_portions_make_no_difference(rows: list[StoredRow], portions: list[int]) -> None:
    assert sums(rows, *portions) == sums(rows)


@given(rows_of_events, st.integers(0, 11), st.sampled_from(["item:z", "party:z"]))
def test_one_more_tag_changes_the_sum_of_its_position_alone(rows: list[StoredRow], index: int, tag: str) -> None:
    index %= len(rows)
    changed = [*rows]
    changed[index] = row(index, [*orjson.loads(rows[index][14])["tags"], tag], **orjson.loads(rows[index][9]))
    before, after = sums(rows), sums(changed)
    different = np.frombuffer(before.sums["posting"], "<u8") != np.frombuffer(after.sums["posting"], "<u8")
    assert np.flatnonzero(different).tolist() == [index]


def test_another_key_gives_other_sums() -> None:
    rows = [row(0, ["item:a"], marks=[("a", "x", True)], edges=[("a", True, None)])]
    one, other = sums(rows), sums(rows, key=bytes(32))
    for table in TABLES:
        assert any(one.sums[table])
        assert one.sums[table] != other.sums[table]
    assert one.misfiled == [FIRST]  # no event has the visibility 7


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"type":"t"}',
        b'{"captured_by":"a","occurred_at":"never"}',
        b'{"captured_by":"a","occurred_at":"9999-12-31T23:59:59Z","marks":[[1,2,3]]}',
        b'{"captured_by":7,"occurred_at":"2026-03-01T08:15:00Z"}',
    ],
)
def test_a_record_that_cannot_be_indexed_harms_no_other(head: bytes) -> None:
    good = [row(i, ["item:a"]) for i in range(9)]
    bad: list[Any] = list(good[4])
    bad[9] = head
    mixed = [*good[:4], tuple(bad), *good[5:]]
    found, expected = sums(mixed), sums([*good[:4], *good[5:]])
    assert found.sums == expected.sums
    assert found.visibilities.keys() == expected.visibilities.keys()
