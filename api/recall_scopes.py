"""What a recall is about, worked out from the ledger as a reader sees it at a position."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final

import orjson

from api import collector
from api.codes import read_code
from api.provenance import ask, published_trees
from api.trace_holders import holders_of
from api.trace_models import TraceIn
from api.traces import query_of, written_trace
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.gs1.identifiers import Kind
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.provenance import Direction, Trace, walked
from traceability.supply_chain.recall.events import HolderCount, RecallScoped, ScopedTrace
from traceability.supply_chain.recall.scope import Scope, Widening, scope_of, widening
from traceability.supply_chain.things import thing_of

DIGESTED: Final = ("roots", "direction", "as_of", "known_at", "complete", "nodes", "edges", "frontier", "events")
"""The members of a trace that its digest is over: the rest depends on what is published and on who is called what."""
_ROOTS: Final = (Kind.ITEM, Kind.LOT, Kind.PRIVATE)


def roots_of(texts: Sequence[str]) -> tuple[str, ...]:
    """Read what a case is about: things and lots; raises `IdentifierError` and `InvalidInputError` (`recall.root`)."""
    found = [read_code(text) for text in texts]
    if any(one.kind not in _ROOTS for one in found):
        raise InvalidInputError(
            "A recall is of things and lots", code="recall.root", hint="Name the lots of a product that are meant."
        )
    return tuple(dict.fromkeys(thing_of(one.uri) for one in found))


def question_of(scoped: ScopedTrace) -> TraceIn:
    """Return the question for the trace of a scope, as `POST /provenance/traces` takes it."""
    return TraceIn.model_validate(
        {
            "roots": list(scoped.roots),
            "direction": Direction.FORWARD,
            "as_of": None if scoped.as_of is None else utc_text(scoped.as_of),
            "known_at": scoped.known_at,
            "max_depth": scoped.max_depth,
            "max_nodes": scoped.max_nodes,
        }
    )


def asked(scoped: ScopedTrace) -> dict[str, Any]:
    """Return the question as JSON tells it."""
    told = question_of(scoped).model_dump(mode="json", include={"roots", "direction", "as_of", "known_at"})
    return {**told, "max_depth": scoped.max_depth, "max_nodes": scoped.max_nodes}


def scope_at(engine: Engine, reader: Reader, scoped: ScopedTrace) -> Scope:
    """Trace, and tell who has what was found; raises as `trace` does."""
    with collector.paused():
        index, parties = ask(engine, reader, scoped.known_at), engine.parties(reader, scoped.known_at)
        return scope_of(walked(index, query_of(question_of(scoped)), deeds=True), index, parties)


def digest_at(engine: Engine, reader: Reader, scoped: ScopedTrace, found: Trace) -> str:
    """Return the digest of the answer that a trace is."""
    question = question_of(scoped)
    index, parties = ask(engine, reader, scoped.known_at), engine.parties(reader, scoped.known_at)
    holders = holders_of(index, parties, question, found.query)
    with collector.paused():
        return digest_of(written_trace(question, found, published_trees(engine), holders=holders, names={}))


def digest_of(answer: bytes) -> str:
    """Return the SHA-256 of a trace, as lower-case hex, whatever the order of its edges and events.

    It is over JSON of the members `DIGESTED` without spaces, members sorted by name and lists by their JSON.
    """
    told = orjson.loads(answer)
    kept = {
        name: sorted(told[name], key=_canonical) if isinstance(told[name], list) else told[name] for name in DIGESTED
    }
    return sha256(_canonical(kept)).hexdigest()


def scoped_as(case: str, question: ScopedTrace, scope: Scope, digest: str) -> RecallScoped:
    """Return what is recorded of a scope."""
    return RecallScoped(
        case=case,
        trace=question,
        digest=digest,
        complete=scope.walked.found.complete,
        items=len(scope.affected) - scope.lots,
        lots=scope.lots,
        unheld=len(scope.unheld),
        holders=tuple(HolderCount(holder=name, things=len(things)) for name, things in scope.of_party.items()),
    )


def widened(engine: Engine, reader: Reader, scoped: RecallScoped, head: int) -> tuple[Widening, bool]:
    """Tell how a scope differs at the head, and whether its trace is still the one that was recorded."""
    with collector.paused():
        before = walked(ask(engine, reader, scoped.trace.known_at), query_of(question_of(scoped.trace)))
    now = scope_at(engine, reader, scoped.trace.model_copy(update={"known_at": head}))
    same = digest_at(engine, reader, scoped.trace, before.trace()) == scoped.digest
    return widening(before, {one.holder for one in scoped.holders}, now), same


def _canonical(told: object) -> bytes:
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS)
