"""Answers of the EPCIS query interface: documents, and the tokens that lead from page to page."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import msgspec

from api.wiring import Engine
from traceability.gs1.epcis.conditions import IsCalled
from traceability.gs1.epcis.query import EventQuery, NoSuchEventError, Page, Place
from traceability.gs1.epcis.query_parameters import read_query
from traceability.gs1.epcis.query_values import QueryParameterError, count_of, declared_names
from traceability.gs1.epcis.writer import write_event, write_query_document
from traceability.ledger.access import Reader

PER_PAGE: Final = 30
MAX_PER_PAGE: Final = 1_000
"""What a larger perPage comes down to, as EPCIS 2.0 allows (§12)."""

MAX_TOKEN: Final = 200

Parameters = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of events as an EPCISQueryDocument, and the parameters that ask for the next one."""

    document: bytes
    next: Parameters | None


def answer_query(engine: Engine, reader: Reader, parameters: Parameters, *, extensions: str | None = None) -> Answer:
    """Answer the parameters of `GET /epcis/events`; `extensions` is the header that declares prefixes.

    Raises `QueryParameterError`, `QueryTooLargeError` and `QueryTooComplexError`.
    """
    asked = ask_page(engine, reader, parameters, extensions=extensions)
    return Answer(_document(engine, asked.page), asked.next)


@dataclass(frozen=True, slots=True)
class AskedPage:
    """A page, as known at a position of the ledger if one was given, and the parameters that ask for the next one."""

    page: Page
    known_at: int | None
    next: Parameters | None


def ask_page(
    engine: Engine,
    reader: Reader,
    parameters: Parameters,
    *,
    known_at: int | None = None,
    extensions: str | None = None,
) -> AskedPage:
    """Find the events of a page up to position `known_at`, or to where the page before it was known.

    Raises `QueryParameterError`, `QueryTooLargeError` and `QueryTooComplexError`.
    """
    paging = {name: value for name, value in parameters if name in ("perPage", "nextPageToken")}
    asked = [(name, value) for name, value in parameters if name not in paging]
    if len(asked) + len(paging) != len(parameters):
        raise QueryParameterError("perPage and nextPageToken are given once.", code="query.repeated")
    size = min(MAX_PER_PAGE, count_of("perPage", paging["perPage"])) if "perPage" in paging else PER_PAGE
    query = read_query(asked, declared_names(extensions))
    after = _place_of(paging["nextPageToken"], asked) if "nextPageToken" in paging else None
    if known_at is not None and after is not None:
        known_at = min(known_at, after.head)
    page = engine.event_queries.page(query, reader=reader, size=size, after=after, known_at=known_at)
    if page.next is None:
        return AskedPage(page, known_at, None)
    kept = [("perPage", paging["perPage"])] if "perPage" in paging else []
    return AskedPage(page, known_at, [*asked, *kept, ("nextPageToken", _token_of(page.next, asked))])


def event_by_id(engine: Engine, reader: Reader, event_id: str) -> bytes:
    """Return the events of an eventID: one, and the declarations that take it back.

    Raises `NoSuchEventError` when the reader may see none of them.
    """
    query = EventQuery(conditions=(IsCalled(frozenset({event_id})),), descending=False)
    page = engine.event_queries.page(query, reader=reader, size=MAX_PER_PAGE)
    if not page.events:
        raise NoSuchEventError("There is no such event", hint="An eventID in an address is percent-encoded.")
    return _document(engine, page)


def _document(engine: Engine, page: Page) -> bytes:
    events = [write_event(event.parts, event.recorded_at, called=event.called) for event in page.events]
    return write_query_document(events, created_at=engine.clock.now_us())


class _Token(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """Where a page begins: nothing in it but what the page before has shown."""

    query: int
    head: int
    occurred_at: int
    position: int
    given: int


def _token_of(place: Place, asked: Parameters) -> str:
    token = _Token(_digest(asked), place.head, place.occurred_at, place.position, place.given)
    return urlsafe_b64encode(msgspec.msgpack.encode(token)).rstrip(b"=").decode()


def _place_of(text: str, asked: Parameters) -> Place:
    try:
        padded = text.encode() + b"=" * (-len(text) % 4)
        token = msgspec.msgpack.decode(urlsafe_b64decode(padded) if len(text) <= MAX_TOKEN else b"", type=_Token)
    except (msgspec.DecodeError, Base64Error, ValueError) as error:
        raise _no_token() from error
    numbers = (token.head, token.position, token.given)
    if token.query != _digest(asked) or not all(0 <= number < _LONG for number in (*numbers, abs(token.occurred_at))):
        raise _no_token()
    return Place(token.head, token.occurred_at, token.position, token.given)


_LONG: Final = 1 << 63


def _no_token() -> QueryParameterError:
    return QueryParameterError(
        "This nextPageToken does not belong to this query.",
        code="query.page_token",
        hint="Follow the Link header as it is, or leave the token out to begin again.",
    )


def _digest(asked: Parameters) -> int:
    text = "\x00".join(f"{name}\x00{value}" for name, value in sorted(asked))
    return int.from_bytes(blake2b(text.encode(), digest_size=6).digest(), "big")
