"""Master data over HTTP: what places, products and parties are, as organisations state it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import unquote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from api.codes import identifier_in_path
from api.keeping_up import KeepingUp
from api.parameters import only_declared
from api.provenance import microseconds_of
from api.published import Wait, own_receipt, proof_of
from api.security import CaptureDep, EngineDep, ReaderDep
from api.vocabularies import StatedElement, state, withdraw
from api.vocabulary_answers import ElementOut, PutOut, StatementOut, describe_element, list_elements
from api.web.negotiation import JSON
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.epcis.master_data import VocabularyElement, element_from, vocabulary_type
from traceability.gs1.epcis.problems import Findings
from traceability.gs1.epcis.strict_json import dumps, read_value
from traceability.gs1.identifiers import Identifier
from traceability.ledger.access import Reader

router = APIRouter(prefix="/vocabularies", tags=["master data"], dependencies=[Depends(only_declared)])

PATH: Final = "/vocabularies"
_MOST_A_PAGE: Final = 1_000
_MEMBERS: Final = frozenset({"attributes", "children", "valid_from", "valid_until"})
_TYPE: Final = "The last word of its type, such as BusinessLocation, ReadPoint or EPCClass, or the whole URN."


Named = tuple[str, Identifier]
"""The type of a vocabulary, and a thing."""


class ElementIn(BaseModel):
    """What to say of a thing; a bare attribute name is one of the CBV. Without times it is said for good."""

    model_config = ConfigDict(extra="forbid")
    attributes: dict[str, Any] = Field(default={}, examples=[{"name": "Alpine Dairy, gate 1", "city": "Chur"}])
    children: list[str] = Field(default=[], description="What is right below it.")
    valid_from: str | None = Field(default=None, description="A time with an offset, or a day, which begins in UTC.")
    valid_until: str | None = None


def named_in(
    request: Request,
    _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")],
    __: Annotated[str, Path(alias="vocabulary", description=_TYPE)],
) -> Named:
    """Read vocabulary and identifier in a request path, which has to be as it was sent."""
    raw = request.scope["raw_path"].decode("ascii").partition(f"{PATH}/")[2]
    vocabulary, _, rest = raw.partition("/")
    return vocabulary_type(unquote(vocabulary)), identifier_in_path(rest)


AsOf = Annotated[AwareDatetime | None, Query(description="What holds at this time; with an offset. Now without it.")]
KnownAt = Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")]


async def _body(request: Request) -> bytes:
    """Return the bytes that were sent: numbers stay as they are written."""
    return await request.body()


PerPage = Annotated[int, Query(alias="perPage", ge=1, le=_MOST_A_PAGE)]
NextPage = Annotated[int, Query(alias="nextPageToken", ge=0, le=1 << 53, description="From the Link before.")]


@router.get("", summary="List the elements of all vocabularies, or of one", response_model=list[StatementOut])
def list_all(
    *,
    engine: EngineDep,
    reader: ReaderDep,
    vocabulary: Annotated[str | None, Query(alias="type", max_length=512, description=_TYPE)] = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    per_page: PerPage = 100,
    after: NextPage = 0,
) -> Response:
    """Give what you believe of each thing, each type of its own; a type with slashes is asked for here.

    `Link` with `rel="next"` leads to the next page; a page without it is the last, and one before may be short.
    """
    kind = None if vocabulary is None else vocabulary_type(vocabulary)
    return _listed(engine, reader, kind, as_of, known_at, per_page=per_page, after=after)


@router.get("/{vocabulary}", summary="List the elements of a vocabulary", response_model=list[StatementOut])
def list_vocabulary(
    *,
    engine: EngineDep,
    reader: ReaderDep,
    vocabulary: Annotated[str, Path(max_length=512, description=_TYPE)],
    as_of: AsOf = None,
    known_at: KnownAt = None,
    per_page: PerPage = 100,
    after: NextPage = 0,
) -> Response:
    """Give what you believe of each thing: the holder of its key, else you, else the others that you may see.

    `Link` with `rel="next"` leads to the next page; a page without it is the last, and one before may be short.
    """
    return _listed(engine, reader, vocabulary_type(vocabulary), as_of, known_at, per_page=per_page, after=after)


def _listed(
    engine: Engine,
    reader: Reader,
    vocabulary: str | None,
    as_of: AwareDatetime | None,
    known_at: int | None,
    *,
    per_page: int,
    after: int,
) -> Response:
    at = None if as_of is None else microseconds_of(as_of)
    page = list_elements(engine, reader, vocabulary, as_of=at, known_at=known_at, after=after, size=per_page)
    headers = {}
    if page.next is not None:
        asked: list[tuple[str, object]] = [] if vocabulary is None else [("type", vocabulary)]
        asked += [("perPage", per_page), ("nextPageToken", page.next)]
        asked += [] if as_of is None else [("as_of", as_of.isoformat())]
        asked += [] if known_at is None else [("known_at", known_at)]
        headers["Link"] = f'<{PATH}?{urlencode(asked)}>; rel="next"'
    return Response(dumps(page.elements), media_type=JSON, headers=headers)


@router.get("/{vocabulary}/{id:path}", summary="Show what a thing is, and who said so", response_model=ElementOut)
def show_element(
    engine: EngineDep,
    reader: ReaderDep,
    named: Annotated[Named, Depends(named_in)],
    as_of: AsOf = None,
    known_at: KnownAt = None,
) -> Response:
    """Give what you believe of it at a time, and every statement that you may see, each with its receipt."""
    vocabulary, identifier = named
    at = None if as_of is None else microseconds_of(as_of)
    found = describe_element(engine, reader, identifier.subject, vocabulary=vocabulary, as_of=at, known_at=known_at)
    return Response(dumps(found), media_type=JSON)


@router.put(
    "/{vocabulary}/{id:path}",
    summary="Say what a thing is",
    status_code=201,
    response_model=PutOut,
    responses={200: {"model": PutOut, "description": "Your organisation said so before."}},
    openapi_extra={"requestBody": {"required": True, "content": {JSON: {"schema": ElementIn.model_json_schema()}}}},
)
async def put_element(
    *,
    request: Request,
    engine: EngineDep,
    caller: CaptureDep,
    named: Annotated[Named, Depends(named_in)],
    body: Annotated[bytes, Depends(_body)],
    _: KeepingUp,
    wait: Wait = None,
) -> Response:
    """State an element as your organisation; it replaces what that said before of the time from the same beginning."""
    stated = await run_in_threadpool(_put, engine, caller.organisation, named, body)
    said = await _told(engine, request, wait, caller.organisation, stated)
    return Response(said.model_dump_json(), status_code=201 if stated.new else 200, media_type=JSON)


@router.delete("/{vocabulary}/{id:path}", summary="Withdraw what you said of a thing")
async def withdraw_element(
    *,
    request: Request,
    engine: EngineDep,
    caller: CaptureDep,
    named: Annotated[Named, Depends(named_in)],
    _: KeepingUp,
    valid_from: Annotated[
        AwareDatetime | None, Query(description="What began then; else what has no beginning.")
    ] = None,
    wait: Wait = None,
) -> PutOut:
    """Say that your organisation's statement with this beginning holds no more; it stays in the history."""
    vocabulary, identifier = named
    since = None if valid_from is None else microseconds_of(valid_from)
    gone = VocabularyElement(vocabulary, identifier.uri, valid_from=since, withdrawn=True)
    stated = await run_in_threadpool(withdraw, engine, caller.organisation, gone)
    return await _told(engine, request, wait, caller.organisation, stated)


def _put(engine: Engine, organisation: str, named: Named, body: bytes) -> StatedElement:
    element = _element(*named, body)
    return next(state(engine, organisation, [element], stated_at=engine.clock.now_us()))[0]


async def _told(engine: Engine, request: Request, wait: str | None, organisation: str, stated: StatedElement) -> PutOut:
    prove = partial(own_receipt, engine, stated.position, organisation)
    return PutOut(
        id=stated.element.id,
        vocabulary=stated.element.vocabulary,
        recorded=stated.new,
        position=stated.position,
        proof=await proof_of(engine, request, wait, stated.position, prove),
    )


def _element(vocabulary: str, identifier: Identifier, body: bytes) -> VocabularyElement:
    said = read_value(body)
    if not isinstance(said, dict) or said.keys() - _MEMBERS:
        raise _malformed(f"The body is an object of {', '.join(sorted(_MEMBERS))}.")
    attributes, children = said.get("attributes", {}), said.get("children", [])
    if not isinstance(attributes, dict) or not isinstance(children, list):
        raise _malformed("Attributes are an object and children an array.")
    findings = Findings(None, "$")
    element = element_from(
        vocabulary,
        identifier.uri,
        attributes,
        children,
        valid_from=_text(said.get("valid_from")),
        valid_until=_text(said.get("valid_until")),
        findings=findings,
    )
    if element is None:
        raise _malformed(findings.problems[0].message)
    return element


def _text(value: object) -> str | None:
    if value is not None and type(value) is not str:
        raise _malformed("A time is a string.")
    return value


def _malformed(message: str) -> InvalidInputError:
    return InvalidInputError(message, code="vocabulary.malformed", hint="docs/guide/master-data.md shows an element.")
