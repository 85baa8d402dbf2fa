"""The members of EPCIS collections, as far as the events that the reader may see have them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from adapters.postgres.listed import PostgresListed
from adapters.postgres.named_items import ItemPlace, PostgresNamedItems
from adapters.postgres.visibility import Opened
from api.page_tokens import NextPage, next_page, place_of
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.gs1.epcis.query.collections import EVENT_TYPES, Collection, membership
from traceability.gs1.epcis.query.conditions import OneOf
from traceability.gs1.epcis.query.event_query import EventQuery
from traceability.gs1.epcis.query.values import QueryParameterError
from traceability.ledger.access import MASTER_DATA, OWN_STEPS, Reader

_Natural = Annotated[int, msgspec.Meta(ge=0, lt=1 << 62)]
_LOOKS: Final = 20
"""Pages of a question that are looked at before a member counts as absent."""


class NoSuchMemberError(NotFoundError):
    """No event that the reader may see has this value."""

    code = "query.no_such_member"


@dataclass(frozen=True, slots=True)
class Members:
    """Some members of a collection, and what asks for more."""

    values: list[str]
    next: NextPage | None


class _Item(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    position: _Natural
    item: _Natural


def members(engine: Engine, reader: Reader, collection: Collection, *, size: int, token: str | None) -> Members:
    """Return a page of members: things in the order in which they were first recorded, everything else sorted.

    Raises `QueryParameterError` for a token of another list, `UnavailableError` (`epcis.lists_behind`).
    """
    if collection is Collection.EPCS:
        return _items(engine, reader, size, token)
    after = "" if token is None else place_of(engine, collection, token, str)
    if "\x00" in after or not after.isprintable():
        raise QueryParameterError("This nextPageToken is none.", code="query.page_token")
    values = _values(engine, reader, collection, after, size + 1)
    if len(values) <= size:
        return Members(values, None)
    return Members(values[:size], next_page(engine, collection, values[size - 1]))


def check_member(engine: Engine, reader: Reader, collection: Collection, value: str) -> None:
    """Raise `NoSuchMemberError` when no event that the reader may see has the value."""
    try:
        condition = membership(collection, value)
    except QueryParameterError as error:
        raise _no_member() from error
    if isinstance(condition, OneOf):
        if any(_has(engine, reader, collection, one) for one in condition.values):
            return
        raise _no_member()
    query, place = EventQuery(conditions=(condition,)), None
    for _ in range(_LOOKS):
        page = engine.event_queries.page(query, reader=reader, size=1, after=place)
        if page.events:
            return
        if page.next is None:
            break
        place = page.next
    raise _no_member()


def _values(engine: Engine, reader: Reader, collection: Collection, after: str, limit: int) -> list[str]:
    if collection is Collection.EVENT_TYPES:
        return [name for name in EVENT_TYPES if name > after][:limit]
    if collection is Collection.BIZ_STEPS:
        return sorted(step for step in _steps(engine, reader) if step > after)[:limit]
    part = None if collection is Collection.DISPOSITIONS else "where"
    return _listed(engine).values(collection, _seen(engine, reader, part), after=after, limit=limit)


def _has(engine: Engine, reader: Reader, collection: Collection, value: str) -> bool:
    if collection is Collection.DISPOSITIONS:
        return _listed(engine).has(collection, _seen(engine, reader, None), value)
    return collection is Collection.EVENT_TYPES or value in _steps(engine, reader)


def _items(engine: Engine, reader: Reader, size: int, token: str | None) -> Members:
    start = None
    if token is not None:
        read = place_of(engine, Collection.EPCS, token, _Item)
        start = ItemPlace(read.position, read.item)
    page = PostgresNamedItems(engine.ledger).page(_seen(engine, reader, "what"), start=start, limit=size)
    goes_on = None if page.next is None else next_page(engine, Collection.EPCS, _Item(*page.next))
    return Members(page.subjects, goes_on)


def _steps(engine: Engine, reader: Reader) -> set[str]:
    steps = {one.visibility.biz_step for one in _opened(engine, reader)}
    return {step for step in steps if step is not None and step not in OWN_STEPS}


def _seen(engine: Engine, reader: Reader, part: str | None) -> list[int]:
    """Return the visibilities whose events the reader sees, and in them a part."""
    return [one.id for one in _opened(engine, reader) if part is None or part in one.extent]


def _opened(engine: Engine, reader: Reader) -> list[Opened]:
    # What states master data is under a step of that name, and no event of EPCIS.
    return [one for one in engine.visibility.opened(reader) if one.visibility.biz_step != MASTER_DATA]


def _listed(engine: Engine) -> PostgresListed:
    return PostgresListed(engine.pool, engine.ledger.ledger_id)


def _no_member() -> NoSuchMemberError:
    return NoSuchMemberError("No event that you may see has this value", hint="A value in an address is encoded.")
