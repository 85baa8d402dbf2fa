"""Where things are and have been, where they came from and what became of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from operator import attrgetter
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import AwareDatetime

from api import collector
from api.bundles import item_bundle, trace_bundle
from api.codes import identifier_in_path
from api.evaluations import (
    AcknowledgeIn,
    EvaluationIn,
    EvaluationOut,
    acknowledge,
    describe_evaluation,
)
from api.irregularities import IrregularitiesOut, IrregularitiesQuestion, list_irregularities
from api.once import Recorded
from api.provenance import describe_item
from api.provenance_models import MAX_HISTORY, USUAL_HISTORY, ItemOut
from api.routers.writing import Writing
from api.routers.zipped import ZIP, ZIP_CONTENT, zipped
from api.schemas import schema_of
from api.security import EngineDep, QueryDep, ReaderDep
from api.trace_exports import MEDIA_TYPES, TraceFormat
from api.trace_models import TraceIn, TraceLine, TraceOut
from api.traces import NDJSON, AskedTrace
from api.web.negotiation import JSON, preferred
from api.web.sign_in import VARY, FileReaderDep
from traceability.gs1.identifiers import Identifier
from traceability.supply_chain.provenance import Direction

router = APIRouter(prefix="/provenance", tags=["provenance"])

_ITEMS: Final = "/provenance/items/"
_TRACES: Final = "/provenance/traces/"
IRREGULARITIES: Final = "/provenance/irregularities"
_GRAPHS: Final[dict[str, Any]] = {media_type: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()}
_TRACE: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The trace; as NDJSON each line is one of these objects, written as the walk finds it.",
        "content": {NDJSON: {"schema": schema_of(TraceLine)}, **_GRAPHS, **ZIP_CONTENT},
    },
    304: {"description": "The answer is the one that `If-None-Match` names."},
}
_FORMATS: Final[dict[TraceFormat, str]] = {
    TraceFormat.JSON: JSON,
    TraceFormat.NDJSON: NDJSON,
    TraceFormat.ZIP: ZIP,
    **{TraceFormat(form): media_type for form, media_type in MEDIA_TYPES.items()},
}
_IfNoneMatch = Annotated[str | None, Header(description="The `ETag` of an answer that you have.")]


def _read_path(path: str) -> Callable[..., Identifier]:
    def identifier_in(
        request: Request, _: Annotated[str, Path(alias="id", description="A Digital Link, its path, or another URI.")]
    ) -> Identifier:
        """Read the identifier in a request path, which has to be as it was sent."""
        return identifier_in_path(request.scope["raw_path"].decode("ascii").partition(path)[2])

    return identifier_in


@router.get(
    "/items/{id:path}",
    summary="Where a thing is, and what happened to it",
    response_model=ItemOut,
    responses={200: {"content": ZIP_CONTENT}},
)
def item(
    *,
    engine: EngineDep,
    response: Response,
    reader: FileReaderDep,
    identifier: Annotated[Identifier, Depends(_read_path(_ITEMS))],
    as_of: Annotated[AwareDatetime | None, Query(description="Up to this event time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
    limit: Annotated[
        int, Query(ge=1, le=MAX_HISTORY, description="Of the history the last so many events.")
    ] = USUAL_HISTORY,
    accept: Annotated[str | None, Header()] = None,
) -> ItemOut | Response:
    """Return the state, history and containment of a thing, made of the events that you may see.

    `id` is a GS1 Digital Link or its path (`01/09521234000013/21/1001`), an EPC URN or another URI, percent-encoded.

    With `Accept: application/zip` the answer is a bundle that verifies offline: this JSON, the events behind it and one
    proof for all of them, as known at the last published position (docs/guide/bundles.md). A `known_at` that is not
    published yet is answered with 503 and `Retry-After`.
    """
    if preferred(accept, (JSON, ZIP)) == ZIP:
        bundle = item_bundle(engine, reader, identifier, as_of=as_of, known_at=known_at, limit=limit)
        return zipped(bundle, headers={"Vary": VARY})
    response.headers["Vary"] = VARY
    return describe_item(engine, reader, identifier, as_of=as_of, known_at=known_at, limit=limit)


@router.post("/evaluations", summary="What is irregular about things")
def evaluations(engine: EngineDep, reader: ReaderDep, asked: EvaluationIn) -> EvaluationOut:
    """Judge the events about things that you may see: what cannot be true, and what somebody had no right to say.

    Events are recorded whatever they say; docs/guide/evaluation.md lists the rules. An `error` contradicts what else
    was recorded. A `warning` is what is common when something was not. The events that you may not see explain some.
    """
    return describe_evaluation(engine, reader, asked)


@router.post("/evaluations/acknowledgements", summary="Say that an irregularity is known", status_code=201)
async def acknowledge_irregularity(writing: Writing, asked: AcknowledgeIn) -> Recorded:
    """Record that your organisation knows of an irregularity, and what came of looking into it.

    It stays in evaluations for as long as the events say so. It ends when what was missing is recorded, or what was
    wrong is declared an error.
    """
    return await writing.carry_out("acknowledge", attrgetter("receipt"), acknowledge, asked)


@router.get("/irregularities", summary="What was found irregular about your things")
def irregularities(
    engine: EngineDep, caller: QueryDep, response: Response, question: Annotated[IrregularitiesQuestion, Query()]
) -> IrregularitiesOut:
    """Give what the evaluator found about the things of which your organisation recorded something.

    What stands, unless `standing=false` asks for what has ended; what the newest events break comes first. Events are
    judged soon after they are recorded: `judged_to` says how far that came. `Link` with `rel="next"` leads to the next
    page; the last page has none.
    """
    page = list_irregularities(engine, engine.organisations.reader(caller.organisation), question)
    if page.following is not None:
        response.headers["Link"] = f'<{question.following(page.following, IRREGULARITIES)}>; rel="next"'
    return page.answer


@router.post(
    "/traces",
    summary="Where things came from, and what became of them",
    response_model=TraceOut,
    responses=_TRACE,
)
def traces(
    engine: EngineDep,
    reader: ReaderDep,
    question: TraceIn,
    accept: Annotated[str | None, Header()] = None,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """Walk back to origins, forward to consequences, or both, over the events that you may see.

    Transformations and containment are followed in time: a container that is used again does not tie its loads
    together, and things side by side in one do not affect each other.

    With `Accept: application/x-ndjson` the answer comes while the walk goes on, as lines of one object each: `node`,
    `event`, `edge`, `frontier`, and in the last line `end`. A node may come again, nearer or reached more strongly:
    the later line about an `id` replaces the earlier one. Without `end` the answer was cut off.

    With `Accept: application/zip` it is a bundle that verifies offline: this JSON, the events behind it and one proof
    for all of them, as known at the last published position (docs/guide/bundles.md).

    With `application/graphml+xml`, `text/vnd.mermaid` or `application/ld+json` it is the graph alone, for other tools.

    The `ETag` of an answer changes with the ledger, the question and what you may see. The same question with
    `If-None-Match` is answered with 304, without a body, while it would have the same answer.
    """
    wanted = preferred(accept, [*_FORMATS.values()]) or JSON
    with collector.paused():
        return _traced(
            AskedTrace.of(engine, reader, question), wanted, if_none_match, {"Vary": "Accept, Authorization"}
        )


@router.get(
    "/traces/{id:path}",
    summary="Where a thing came from and what became of it, as a file",
    response_model=TraceOut,
    responses=_TRACE,
)
def trace_of(
    *,
    engine: EngineDep,
    reader: FileReaderDep,
    identifier: Annotated[Identifier, Depends(_read_path(_TRACES))],
    direction: Direction = Direction.BOTH,
    as_of: Annotated[AwareDatetime | None, Query(description="Up to this event time; with an offset.")] = None,
    known_at: Annotated[int | None, Query(ge=0, description="As known at this position of the ledger.")] = None,
    form: Annotated[
        TraceFormat | None, Query(alias="format", description="A file, whatever `Accept` says.", examples=["graphml"])
    ] = None,
    accept: Annotated[str | None, Header()] = None,
    if_none_match: _IfNoneMatch = None,
) -> Response:
    """Answer as `POST /provenance/traces` does, where the question is short enough for an address.

    A page leads here: a browser asks as whoever signed in to the pages.
    """
    question = TraceIn(roots=[identifier.uri], direction=direction, as_of=as_of, known_at=known_at)
    headers = {"Vary": VARY}
    if form is None:
        wanted = preferred(accept, [*_FORMATS.values()]) or JSON
    else:
        wanted, headers["Content-Disposition"] = _FORMATS[form], f'attachment; filename="{form.file}"'
    with collector.paused():
        return _traced(AskedTrace.of(engine, reader, question), wanted, if_none_match, headers)


def _traced(asked: AskedTrace, wanted: str, if_none_match: str | None, more: Mapping[str, str]) -> Response:
    """Answer a question for a trace in a media type."""
    if wanted == ZIP:
        return zipped(trace_bundle(asked.engine, asked.reader, asked.question), headers=more)
    etag = asked.etag(wanted)
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", **more}
    if etag in [tag.strip() for tag in (if_none_match or "").split(",")]:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if wanted == NDJSON:
        return StreamingResponse(asked.lines(), media_type=NDJSON, headers=headers)
    if wanted == JSON:
        return Response(asked.json(), media_type=JSON, headers=headers)
    return Response(asked.graph(wanted), media_type=wanted, headers=headers)
