"""Named queries: defined in JSON, kept under a name, asked again and again (EPCIS 2.0 §12.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from adapters.postgres.named_queries import NamedQuery, PostgresNamedQueries
from api.epcis_events import Parameters, Question, only_paging
from api.page_tokens import NextPage, next_page, place_of
from api.wiring import Engine
from traceability.errors import ForbiddenError, InvalidInputError
from traceability.gs1.epcis.query.parameters import read_json_query
from traceability.gs1.epcis.query.values import QueryParameterError, declared_prefixes
from traceability.gs1.epcis.strict_json import JSON, JsonTextError, dumps, loads, read_value
from traceability.ledger.access import PUBLIC

PATH: Final = "/epcis/queries"
# One segment of an address that no client and no proxy takes for anything else.
_NAME: Final = re.compile(r"(?=.*[^.])[A-Za-z0-9._~-]{1,128}").fullmatch


class QueryDefinitionError(InvalidInputError):
    """The body defines no named query, which EPCIS 2.0 calls QueryValidationException (HTTP 400)."""

    code = "query.definition"


@dataclass(frozen=True, slots=True)
class Page:
    """Named queries in order of their names, and what asks for more."""

    queries: list[NamedQuery]
    next: NextPage | None


def define(engine: Engine, organisation: str, body: bytes, *, extensions: str | None = None) -> NamedQuery:
    """Keep the query that `{"name": …, "query": {…}}` defines, with the prefixes of the header `extensions`.

    Raises `QueryDefinitionError`, `QueryParameterError` with the path of the member at fault, `ForbiddenError` for
    `public`, which has no queries of its own, and `ConflictError` (`query.name_exists`).
    """
    if organisation == PUBLIC:
        raise ForbiddenError(
            "A named query belongs to an organisation, so this needs a key with the scope query", code="access.scope"
        )
    try:
        value = read_value(body)
    except JsonTextError as error:
        raise QueryDefinitionError("The body is not JSON as it is read here", code=error.code) from error
    if not isinstance(value, dict) or value.keys() != {"name", "query"} or not isinstance(value["name"], str):
        raise QueryDefinitionError(
            "A named query has a name and a query",
            hint='Such as: {"name": "shipped", "query": {"EQ_bizStep": ["shipping"]}}',
        )
    if _NAME(value["name"]) is None:
        raise QueryDefinitionError(
            "The name of a query has 1 to 128 letters, digits and -._~", hint="It is a segment of addresses."
        )
    definition = _explained(value["query"], extensions)
    read_json_query(definition)
    query = NamedQuery(value["name"], dumps(definition).decode())
    _queries(engine).add(organisation, query, now=engine.clock.now_us())
    return query


def _explained(query: JSON, extensions: str | None) -> JSON:
    """Return a query whose @context explains the prefixes of a header that are in it: it is asked without."""
    if not isinstance(query, dict):
        return query
    text = dumps(query).decode()
    used = {prefix: iri for prefix, iri in declared_prefixes(extensions).items() if f"{prefix}:" in text}
    if not used:
        return query
    own = query.get("@context", [])
    # The query's own context comes after, so that it says the last word.
    return {**query, "@context": [used, *(own if isinstance(own, list) else [own])]}


def named(engine: Engine, organisation: str, name: str) -> NamedQuery:
    """Return a query of an organisation; raises `NoSuchQueryError`."""
    if _NAME(name) is None:
        name = ""  # what cannot be a name is not asked for: PostgreSQL has no NUL
    return _queries(engine).get(organisation, name)


def drop(engine: Engine, organisation: str, name: str) -> None:
    """Forget a query; raises `NoSuchQueryError`."""
    _queries(engine).drop(organisation, named(engine, organisation, name).name)


def listed(engine: Engine, organisation: str, *, size: int, token: str | None) -> Page:
    """Return a page of an organisation's queries; raises `QueryParameterError` for a token of another list."""
    after = "" if token is None else place_of(engine, PATH, token, str)
    if after and _NAME(after) is None:
        raise QueryParameterError("This nextPageToken is none.", code="query.page_token")
    found = _queries(engine).list(organisation, after=after, limit=size + 1)
    if len(found) <= size:
        return Page(found, None)
    return Page(found[:size], next_page(engine, PATH, found[size - 1].name))


def asked_again(query: NamedQuery, parameters: Parameters) -> Question:
    """Return the question of a named query; its address takes the parameters of paging and no others.

    Raises `QueryParameterError`.
    """
    size, token = only_paging(parameters)
    text = f"{PATH}/{query.name}\x00{query.definition}"
    return Question(read_json_query(loads(query.definition.encode())), text, name=query.name, size=size, token=token)


def described(query: NamedQuery) -> dict[str, Any]:
    """Return a query as JSON tells it; its numbers are `Number`, which `strict_json.dumps` writes as they came."""
    return {"name": query.name, "query": loads(query.definition.encode())}


def _queries(engine: Engine) -> PostgresNamedQueries:
    return PostgresNamedQueries(engine.pool, engine.ledger.ledger_id)
