"""PostgreSQL and the twin in memory answer random questions about random events as the words of the standard do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any

import pytest

from tests.contract.test_event_query import Books, everything
from tests.ledgers import epcis_ledger
from tests.support import random_events as some
from tests.support.epcis_events import document
from tests.support.naive_queries import ALL_LISTS, MEANS, means, meets, place_by
from traceability.gs1.epcis import index_rows, read_document
from traceability.gs1.epcis.query.event_query import QueryTooLargeError
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.query.values import declared_names
from traceability.ledger.access import ITEM, PUBLIC, Grant, Reader
from traceability.ledger.event import utc_text

EVENTS = 80
QUESTIONS = 800
READERS = [
    Reader(some.MAKER),
    Reader(some.MAKER),
    Reader(some.RIVAL),
    Reader("store.example", frozenset({some.PARTIES[0].rpartition("/")[2], some.PARTIES[0]})),
    Reader(PUBLIC),
    *(
        Reader("a.example", grants=(Grant(some.MAKER, "a.example", steps, frozenset(parts.split())),))
        for parts in ("item where", "what", "how", "more where", "why item", "")
        for steps in (None, frozenset({"shipping"}))
    ),
]
PART_OF = {
    **dict.fromkeys([*ALL_LISTS, "transformationID"], "what"),
    **dict.fromkeys(("readPoint", "bizLocation"), "where"),
    **dict.fromkeys(("bizTransactionList", "sourceList", "destinationList"), "why"),
    **dict.fromkeys(("sensorElementList", "ilmd"), "how"),
    **dict.fromkeys(("type", "eventTime", "eventTimeZoneOffset", "action", "bizStep", "disposition"), "head"),
    "persistentDisposition": "head",
}
ORDERS = ["eventTime", "eventTime", "recordTime", "recordTime", "ex:weight", "ex:note"]
OF_DECLARATION = ("declarationTime", "reason")

Parameters = list[tuple[str, list[str]]]


@dataclass
class Sent:
    """An event as it was sent, and what the ledger made of it."""

    event: dict[str, Any]
    position: int
    event_id: str
    recorded_at: datetime
    extents: list[frozenset[str] | None]

    def seen(self, extent: frozenset[str], named: set[str]) -> dict[str, Any]:
        """Return what a reader of this extent sees, having named some things."""
        event = {name: value for name, value in self.event.items() if PART_OF.get(name, "more") in {"head", *extent}}
        if "errorDeclaration" in self.event:
            declaration = self.event["errorDeclaration"]
            shown = [name for name in declaration if name in OF_DECLARATION or "more" in extent]
            event["errorDeclaration"] = {name: declaration[name] for name in shown}
        if ITEM in extent and "what" not in extent:
            opened = {name: _named(self.event[name], named) for name in ALL_LISTS if name in self.event}
            if any(opened[name] for name in opened if name != "parentID") and "parentID" in self.event:
                opened["parentID"] = self.event["parentID"]
            event |= opened
        return {"eventID": f"urn:uuid:{self.event_id}"} | event


def _named(value: Any, named: set[str]) -> Any:
    if isinstance(value, str):
        return value if means(value) in named else None
    return [one for one in value if means(one["epcClass"] if isinstance(one, dict) else one) in named]


@pytest.fixture
def books(database: Any) -> Iterator[Books]:
    with epcis_ledger(database.runtime_url, organisation=some.MAKER) as ledger:
        yield Books(ledger)


def sent(books: Books, random: Random) -> list[Sent]:
    """Record random events of two organisations."""
    events = [some.event(random, number) for number in range(EVENTS)]
    for one in events:
        captor = random.choice([some.MAKER, some.MAKER, some.RIVAL])
        read = read_document(document(one, context=some.CONTEXT), captured_by=captor)
        assert read.valid, read.problems
        books.record(read.events[0].event)
    found = []
    for record in books.ledger.records(range(1, EVENTS + 1)):
        visibility = index_rows(record.event.parts).visibility
        assert record.event.recorded_at is not None
        found.append(
            Sent(
                events[record.position - 1],
                record.position,
                str(record.event.event_id),
                datetime.fromisoformat(utc_text(record.event.recorded_at)),
                [reader.extent(visibility) for reader in READERS],
            )
        )
    return found


def answer(ledger: list[Sent], who: int, parameters: Parameters, order: str, direction: str) -> list[int]:
    """Return the positions of the answer by the words of the standard."""
    named = {means(value) for name, values in parameters if name.startswith("MATCH_") for value in values}
    named = {value for value in named if value in MEANS and value in MEANS[value]}
    having, lacking = [], []
    for one in ledger:
        extent = one.extents[who]
        if extent is None or not meets(event := one.seen(extent, named), one.recorded_at, parameters):
            continue
        at = datetime.fromisoformat(event["eventTime"])
        place: tuple[int, Any] | None = (0, one.recorded_at if order == "recordTime" else at)
        if order not in ("eventTime", "recordTime"):
            place = place_by(event, order)
        if place is None:
            lacking.append(one.position)
        else:
            having.append((place, at if order != "recordTime" else None, one.position))
    having.sort(reverse=direction == "DESC")
    return [*(position for _, _, position in having), *lacking]


def test_both_answer_as_the_standard_says(books: Books) -> None:
    random = Random(1)
    ledger = sent(books, random)
    names = declared_names(f"mine={some.EX}")
    found_by: Counter[str] = Counter()
    missed_by: Counter[str] = Counter()
    for _ in range(QUESTIONS):
        parameters = question(random, ledger)
        who = 0 if random.random() < 0.7 else random.randrange(len(READERS))
        order, direction = random.choice(ORDERS), random.choice(["ASC", "DESC"])
        expected = answer(ledger, who, parameters, order, direction)
        prefix = random.choice([some.EX, "mine:"])
        limits = random.choice([[], [], [("eventCountLimit", str(random.randint(1, 9)))], [("maxEventCount", "20")]])
        query = read_query(
            [
                *((name.replace(some.EX, prefix), "|".join(values)) for name, values in parameters),
                ("orderBy", order.replace("ex:", prefix)),
                ("orderDirection", direction),
                *limits,
            ],
            names,
        )
        if query.limit is not None:
            expected = expected[: query.limit]
        for queries in (books.postgres, books.memory):
            if query.maximum is not None and len(expected) > query.maximum:
                with pytest.raises(QueryTooLargeError):
                    queries.page(query, reader=READERS[who], size=random.randint(1, 30))
                continue
            found = everything(queries, query, READERS[who], random.randint(5, 60))
            assert [one.position for one in found] == expected, (parameters, who, order, direction, queries)
        for name, values in parameters:
            kind = re.sub(r"^(EQ|GT|GE|LT|LE|EXISTS)_|_(CEL|KEL|FAH|XYZ|KGM|GRM)$", "", name.partition(some.EX)[0])
            found_by[kind] += bool(expected) and values != ["false"]
            missed_by[kind] += len(expected) < EVENTS
    # A question that never finds anything, or always everything, shows nothing.
    assert len(found_by) > 60
    assert [kind for kind in found_by if not found_by[kind] or not missed_by[kind]] == []


def question(random: Random, ledger: list[Sent]) -> Parameters:
    """Return the parameters of a question; what only the ledger knows of its events is asked for now and then."""
    drawn = dict(some.parameter(random) for _ in range(random.choice([1, 1, 1, 2])))
    asked_for = random.choice(ledger)
    if random.random() < 0.04:
        drawn["EQ_eventID"] = [f"urn:uuid:{asked_for.event_id}"]
    if random.random() < 0.04:
        drawn[f"{random.choice(['GE', 'LT'])}_recordTime"] = [asked_for.recorded_at.isoformat()]
    return list(drawn.items())
