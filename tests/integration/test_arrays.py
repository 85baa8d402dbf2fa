"""Arrays that we put on the wire ourselves are what PostgreSQL reads."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.postgres.arrays import bigints
from adapters.postgres.connection import open_pool
from tests.conftest import Database

LEAST, MOST = -(1 << 63), (1 << 63) - 1


@pytest.fixture(scope="module")
def connection(shared_database: Database) -> Iterator[psycopg.Connection]:
    with open_pool(shared_database.runtime_url, max_size=1) as pool, pool.connection() as connection:
        yield connection


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(LEAST, MOST), max_size=50))
@example([])
@example([0])
@example([LEAST, -1, 0, 1, MOST])
@example(list(range(-5_000, 5_000)))
def test_a_column_comes_back_as_it_was_given(connection: psycopg.Connection, numbers: list[int]) -> None:
    row = connection.execute(
        "SELECT %(given)s, pg_typeof(%(given)s)::text, cardinality(%(given)s), %(given)s = %(known)s::bigint[]",
        {"given": bigints(numbers), "known": numbers},
        binary=True,
    ).fetchone()
    assert row == (numbers, "bigint[]", len(numbers), True)


@pytest.mark.parametrize("numbers", [[], [7], [MOST, LEAST]])
def test_a_column_is_searched_and_unnested(connection: psycopg.Connection, numbers: list[int]) -> None:
    given = {"given": bigints(numbers)}
    rows = connection.execute("SELECT n, o FROM unnest(%(given)s) WITH ORDINALITY u(n, o) ORDER BY o", given).fetchall()
    assert rows == list(zip(numbers, range(1, len(numbers) + 1), strict=True))
    among = connection.execute("SELECT 7 = ANY(%(given)s)", given).fetchone()
    assert among == (7 in numbers,)


def test_every_other_one_of_a_column_is_a_column(connection: psycopg.Connection) -> None:
    # Its numbers do not stand side by side in memory.
    row = connection.execute("SELECT %s", (bigints(range(10))[::-2],)).fetchone()
    assert row == ([9, 7, 5, 3, 1],)
