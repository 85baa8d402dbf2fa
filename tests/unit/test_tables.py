"""Tables of columns hold what lists of rows hold."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from traceability.supply_chain.tables import Lookup, Table, distinct, ints, joined, ranges
from traceability.supply_chain.windows import BEGIN, END

KEYS = st.one_of(st.integers(-2, 3), st.sampled_from([BEGIN, END]))
SOME = st.lists(KEYS, max_size=8)


@given(st.lists(st.tuples(KEYS.filter(lambda start: start < END - 5), st.integers(0, 4)), max_size=6))
def test_ranges_run_one_after_the_other(runs: list[tuple[int, int]]) -> None:
    starts, counts = ints(start for start, _ in runs), ints(count for _, count in runs)
    assert ranges(starts, counts).tolist() == [start + n for start, count in runs for n in range(count)]


@given(SOME)
def test_distinct_numbers_are_in_order_and_each_once(numbers: list[int]) -> None:
    assert distinct(ints(numbers)).tolist() == sorted(set(numbers))


@given(SOME, SOME)
def test_joined_tells_every_place_of_every_wanted_key(wanted: list[int], keys: list[int]) -> None:
    keys = sorted(keys)
    which, places = joined(ints(wanted), ints(keys))
    expected = [(n, place) for n, key in enumerate(wanted) for place, other in enumerate(keys) if other == key]
    assert list(zip(which.tolist(), places.tolist(), strict=True)) == expected


@given(st.lists(SOME, max_size=5), SOME)
def test_a_lookup_finds_rows_in_the_order_in_which_they_were_added(added: list[list[int]], wanted: list[int]) -> None:
    lookup, rows, count = Lookup(), defaultdict[int, list[int]](list), 0
    for keys in added:
        lookup.add(ints(keys), count)
        for row, key in enumerate(keys, count):
            rows[key].append(row)
        count += len(keys)
    which, found = lookup.find(ints(wanted))
    assert list(zip(which.tolist(), found.tolist(), strict=True)) == [
        (n, r) for n, k in enumerate(wanted) for r in rows[k]
    ]


# Each batch is put and settled, or extends the table as columns.
BATCHES = st.lists(st.tuples(st.booleans(), st.lists(st.tuples(SOME, KEYS, KEYS), max_size=4)), max_size=4)


@given(BATCHES, SOME)
def test_a_table_holds_what_was_put_and_what_extended_it(
    batches: list[tuple[bool, list[tuple[list[int], int, int]]]], wanted: list[int]
) -> None:
    table = Table(("first", "second", "third"), ("first", "third"))
    rows: list[tuple[int, int, int]] = []
    for is_put, said in batches:
        new = [(first, second, third) for firsts, second, third in said for first in firsts]
        if is_put:
            for firsts, second, third in said:
                table.put(firsts, second, third)
            assert len(table) == len(rows)  # not before they are settled
            table.settle()
        else:
            table.extend(*(ints(row[n] for row in new) for n in range(3)))
        rows += new
        assert len(table) == len(rows)
    assert table.columns == ["first", "second", "third"]
    for n, column in enumerate(table.columns):
        assert table[column].dtype == np.int64
        assert table[column].tolist() == [row[n] for row in rows]
    for n, column in ((0, "first"), (2, "third")):
        which, found = table.find(column, ints(wanted))
        expected = [(w, r) for w, key in enumerate(wanted) for r, row in enumerate(rows) if row[n] == key]
        assert list(zip(which.tolist(), found.tolist(), strict=True)) == expected
