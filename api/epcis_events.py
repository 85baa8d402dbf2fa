"""Answers of the EPCIS query interface: questions from addresses and named queries, documents, page after page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Final

import msgspec

from api.epcis_forms import Form
from api.epcis_headers import Wish
from api.page_tokens import NextPage, next_page, place_of
from api.wiring import Engine
from traceability.gs1.epcis.prefixes import declarations
from traceability.gs1.epcis.query.conditions import Condition, IsCalled
from traceability.gs1.epcis.query.event_query import EventQuery, NoSuchEventError, Page, Place
from traceability.gs1.epcis.query.parameters import read_query
from traceability.gs1.epcis.query.values import QueryParameterError, count_of, declared_names
from traceability.ledger.access import Reader

PER_PAGE: Final = 30
MAX_PER_PAGE: Final = 1_000
"""What a larger perPage comes down to, as EPCIS 2.0 allows (§12)."""

SIMPLE: Final = "SimpleEventQuery"
Parameters = Sequence[tuple[str, str]]
_PAGING: Final = ("perPage", "nextPageToken")
# What a token holds goes to the database, whose numbers have 64 bits.
_Natural = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Time = Annotated[int, msgspec.Meta(gt=-(1 << 62), lt=1 << 62)]


@dataclass(frozen=True, slots=True)
class Question:
    """A query as it was asked: `text` is what a token of its answer belongs to."""

    query: EventQuery
    text: str
    name: str = SIMPLE
    size: int = PER_PAGE
    token: str | None = None


@dataclass(frozen=True, slots=True)
class AskedPage:
    """A page, as known at a position of the ledger if one was given, and what asks for the next one."""

    page: Page
    known_at: int | None
    next: NextPage | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Events as an EPCISQueryDocument in a form, which tells of itself, and what asks for the next page."""

    document: bytes
    form: Form
    next: NextPage | None


def question(
    path: str, parameters: Parameters, *, within: Condition | None = None, extensions: str | None = None
) -> Question:
    """Read the parameters of an address; `within` is what the address itself asks for.

    `extensions` is the header that declares prefixes. Raises `QueryParameterError`.
    """
    asked, size, token = split_paging(parameters)
    query = read_query(asked, declared_names(extensions))
    if within is not None:
        query = replace(query, conditions=(*query.conditions, within))
    text = "\x00".join((path, *_meant(asked, extensions), *(f"{name}\x00{value}" for name, value in sorted(asked))))
    return Question(query, text, size=size, token=token)


def _meant(asked: Parameters, extensions: str | None) -> list[str]:
    """Return the declarations of prefixes that the names of fields in the parameters have."""
    texts = [f"_{text}" for pair in asked for text in pair]
    declared = set(declarations(extensions))
    return sorted(f"{prefix}={iri}" for prefix, iri in declared if any(f"_{prefix}:" in text for text in texts))


def split_paging(parameters: Parameters) -> tuple[list[tuple[str, str]], int, str | None]:
    """Return the parameters but those of paging, how many are wanted, and the token; raises `QueryParameterError`."""
    paging = {name: value for name, value in parameters if name in _PAGING}
    asked = [(name, value) for name, value in parameters if name not in paging]
    if len(asked) + len(paging) != len(parameters):
        raise QueryParameterError("perPage and nextPageToken are given once.", code="query.repeated")
    size = min(MAX_PER_PAGE, count_of("perPage", paging["perPage"])) if "perPage" in paging else PER_PAGE
    return asked, size, paging.get("nextPageToken")


def only_paging(parameters: Parameters) -> tuple[int, str | None]:
    """Return how many are wanted and the token of a request that takes no other parameters.

    Raises `QueryParameterError`.
    """
    asked, size, token = split_paging(parameters)
    if asked:
        raise QueryParameterError(
            "This takes no parameters but perPage and nextPageToken.", code="query.unknown_parameter"
        )
    return size, token


def answer(engine: Engine, reader: Reader, asked: Question, wish: Wish) -> Answer:
    """Answer a question with a page of it; raises as `ask_page` does."""
    found = ask_page(engine, reader, asked)
    return _answer(engine, found.page, Form(engine, reader, wish), asked.name, found.next)


def ask_page(engine: Engine, reader: Reader, asked: Question, *, known_at: int | None = None) -> AskedPage:
    """Find the events of a page up to position `known_at`, or to where the page before it was known.

    Raises `QueryParameterError` for a token of another question, `QueryTooLargeError` and `QueryTooComplexError`.
    """
    after = None if asked.token is None else _place(place_of(engine, asked.text, asked.token, _EventPlace))
    if known_at is not None and after is not None:
        known_at = min(known_at, after.head)
    page = engine.event_queries.page(asked.query, reader=reader, size=asked.size, after=after, known_at=known_at)
    following = None if page.next is None else next_page(engine, asked.text, _written(page.next))
    return AskedPage(page, known_at, following)


def event_by_id(engine: Engine, reader: Reader, event_id: str, wish: Wish) -> Answer:
    """Answer with the events of an eventID: one, and the declarations that take it back.

    Raises `NoSuchEventError` when the reader may see none of them.
    """
    query = EventQuery(conditions=(IsCalled(frozenset({event_id})),), descending=False)
    page = engine.event_queries.page(query, reader=reader, size=MAX_PER_PAGE)
    if not page.events:
        raise NoSuchEventError("There is no such event", hint="An eventID in an address is percent-encoded.")
    return _answer(engine, page, Form(engine, reader, wish), SIMPLE)


def _answer(engine: Engine, page: Page, form: Form, name: str, following: NextPage | None = None) -> Answer:
    document = form.document(page.events, created_at=engine.clock.now_us(), query_name=name)
    return Answer(document, form, following)


class _EventPlace(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    head: _Natural
    occurred_at: _Time
    position: _Natural
    given: _Natural


def _written(place: Place) -> _EventPlace:
    return _EventPlace(place.head, place.occurred_at, place.position, place.given)


def _place(read: _EventPlace) -> Place:
    return Place(read.head, read.occurred_at, read.position, read.given)
