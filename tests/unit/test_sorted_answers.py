"""Sorted answers that are kept: as many as there is room for, with what they are answers to."""

from __future__ import annotations

from array import array

from adapters.postgres.sorted_answers import Asked, SortedAnswers
from traceability.gs1.epcis.query.parameters import read_query
from traceability.ledger.access import Reader


def test_the_room_of_a_long_query_counts() -> None:
    answers = SortedAnswers()
    order, name = ("orderBy", "https://maker.example/rank"), "https://maker.example/" + "x" * 900
    found: list[int] = []

    def find() -> array[int]:
        found.append(1)
        return array("q", [1])

    def asked_anew(query: list[tuple[str, str]], head: int) -> bool:
        before = len(found)
        # Read for each request.
        assert answers.positions(Asked(Reader("dairy.example"), read_query(query), head), find) == array("q", [1])
        return len(found) > before

    short = [order]
    long = [order, *((f"EQ_{name}{number}", "x" * 1_000) for number in range(200))]
    assert all(asked_anew(long, head) for head in range(100))
    assert not asked_anew(long, 99)
    assert asked_anew(long, 50), "a hundred of them are forty megabytes"
    assert asked_anew(short, 1)
    assert not any(asked_anew(query, head) for query, head in ((short, 1), (long, 99), (long, 98)))
