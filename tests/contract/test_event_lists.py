"""The lists of EPCIS hold what a look at every record finds, whoever reads and whichever hashes collide."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from adapters.postgres import named_items
from adapters.postgres.listed import PostgresListed
from adapters.postgres.named_items import ItemPage, ItemPlace, PostgresNamedItems
from adapters.postgres.visibility import PostgresVisibility
from tests.contract.test_event_query import READERS, Books, books, shared
from tests.support import epcis_queries as some
from tests.support.epcis_events import typed
from traceability.gs1.epcis import index_rows, view_of
from traceability.gs1.identifiers import parse_identifier
from traceability.ledger.access import Reader, redact

__all__ = ["books", "shared"]  # fixtures

KINDS = ("bizLocations", "dispositions", "readPoints")


def naive(books: Books, reader: Reader) -> tuple[list[str], dict[str, list[str]]]:
    """Look at every record: items in the order of their first event, and the sorted values of each other list."""
    items: dict[str, None] = {}
    values: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for record in books.ledger.records(range(1, books.ledger.head() + 1)):
        extent = reader.extent(index_rows(record.event.parts).visibility)
        if extent is None:
            continue
        view = view_of(redact(record.event.parts, extent, ()))
        items |= dict.fromkeys(parse_identifier(i.id).subject for i in view.items if i.list != "transformationID")
        found = {"bizLocations": view.biz_location, "dispositions": view.disposition, "readPoints": view.read_point}
        for kind, value in found.items():
            values[kind] |= {value} - {None} if value is not None else set()
    return list(items), {kind: sorted(found) for kind, found in values.items()}


def seen(books: Books, reader: Reader, part: str | None) -> list[int]:
    opened = PostgresVisibility(books.ledger.pool, books.ledger.ledger_id).opened(reader)
    return [one.id for one in opened if part is None or part in one.extent]


def all_items(books: Books, reader: Reader, limit: int) -> list[str]:
    queries, found, start = PostgresNamedItems(books.ledger), list[str](), None
    while True:
        page = queries.page(seen(books, reader, "what"), start=start, limit=limit)
        assert len(page.subjects) <= limit
        found += page.subjects
        if page.next is None:
            return found
        assert page.next > (start or ItemPlace(0, 0))
        start = page.next


# The ledger grows from one example to the next, so a failing one cannot be made smaller.
@settings(max_examples=25, deadline=None, phases=[Phase.generate])
@given(
    st.lists(st.tuples(some.members(), st.sampled_from([some.MAKER, some.RIVAL])), min_size=1, max_size=4),
    st.sampled_from(READERS),
    st.integers(1, 5),
)
def test_a_list_holds_what_its_reader_sees(
    shared: Books,
    events: list[tuple[dict[str, Any], str]],
    reader: Reader,
    limit: int,
) -> None:
    shared.record(*(some.captured(members, captor) for members, captor in events))
    items, values = naive(shared, reader)
    assert all_items(shared, reader, limit) == items
    listed = PostgresListed(shared.ledger.pool, shared.ledger.ledger_id)
    for kind, expected in values.items():
        visible = seen(shared, reader, None if kind == "dispositions" else "where")
        found, after = [], ""
        while page := listed.values(kind, visible, after=after, limit=limit):
            found += page
            after = page[-1]
        assert found == expected
        assert all(listed.has(kind, visible, value) for value in expected)
        assert not listed.has(kind, visible, "urn:never:named")


def test_a_list_begins_with_the_first_event_that_its_reader_sees(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    """What others recorded before is not walked, and who sees nothing has an empty list at once."""
    monkeypatch.setattr(named_items, "WINDOWS", (4,))
    monkeypatch.setattr(named_items, "_CHUNKS", (1, 2))
    books.record(*(some.captured(typed("ObjectEvent", epcList=[f"urn:x:{n}"])) for n in range(12)))
    own = [f"urn:y:{n}" for n in range(9)]
    books.record(
        *(some.captured(typed("ObjectEvent", epcList=sorted({one, own[0]}, reverse=True)), some.RIVAL) for one in own)
    )
    page = PostgresNamedItems(books.ledger).page(seen(books, Reader(some.RIVAL), "what"), limit=3)
    assert (page.subjects, page.next) == (own[:3], ItemPlace(16, 0))
    assert all_items(books, Reader(some.RIVAL), 3) == own
    assert all_items(books, Reader(some.MAKER), 5) == [f"urn:x:{n}" for n in range(12)]
    assert PostgresNamedItems(books.ledger).page(seen(books, Reader("none.example"), "what"), limit=3) == ItemPage(
        [], None
    )
