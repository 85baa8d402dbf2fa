"""Recall cases as HTTP, the command line and pages show them (models: `api.recall_models`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from adapters.postgres.recalls import PostgresRecalls
from api import collector
from api.recall_cases import case_seen, recall_name, said_in_case, seen_as_said
from api.recall_models import (
    AffectedList,
    AffectedOut,
    EnteredOut,
    HolderOut,
    NewHolderOut,
    NoticeOut,
    PlanOut,
    RecallLine,
    RecallOut,
    SaidOut,
    ScopeOut,
    WideningOut,
)
from api.recall_scopes import asked, digest_at, roots_of, scope_at, widened
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import utc_text
from traceability.supply_chain.recall.case import ClaimReason, Notice, RecallCase, case_of
from traceability.supply_chain.recall.events import RecallScoped, Said, ScopedTrace, Told
from traceability.supply_chain.recall.scope import Scope
from traceability.supply_chain.things import kind_of

PATH: Final = "/recalls"
MOST_ON_A_PAGE: Final = 100
_DEPTH, _NODES = 100, 10_000


def describe_recall(
    engine: Engine, reader: Reader, case: str, *, as_of: int | None = None, known_at: int | None = None
) -> RecallOut:
    """Tell a case as a reader sees it; what entered the scope since is told of the present only.

    Raises `NotFoundError` (`recall.unknown`).
    """
    head = _position(engine, known_at)
    found = case_seen(engine, reader, case, as_of=as_of, known_at=head)
    present = as_of is None and known_at is None
    return RecallOut(
        **_line(found).model_dump(),
        reason=found.about.reason,
        whole=found.opened_by == reader.organisation,
        as_of=utc_text(engine.clock.now_us() if as_of is None else as_of),
        known_at=head,
        scopes=[_scope_out(engine, found, one) for one in found.scopes],
        widened=_widening_out(engine, reader, found, head) if present else None,
        notices=[_notice_out(one) for one in found.notices],
        reconciled=None if found.reconciled is None else said_out(found.reconciled),
        ended=None if found.ended is None else said_out(found.ended),
        said=[*(said_out(one) for one in found.said), *(said_out(one.said, one.reason) for one in found.claims)],
    )


def list_recalls(
    engine: Engine, reader: Reader, *, before: int | None = None, limit: int = MOST_ON_A_PAGE
) -> tuple[list[RecallLine], int | None]:
    """Return cases, those that began last first, and the position before which the next page begins.

    A page may be shorter than asked for and have a next: an organisation may be notified more than once in one case.
    """
    visible = engine.visibility.allowed(reader)
    start = engine.ledger.head() + 1 if before is None else before
    records = PostgresRecalls(engine.ledger).beginnings(visible, before=start, limit=limit + 1)
    lines = []
    for record in records[:limit]:
        said = seen_as_said(engine, reader, record)
        found = None if said is None else case_of(said_in_case(engine, reader, said.payload.case))
        if found is not None and found.began_at == record.position:
            lines.append(_line(found))
    return lines, records[limit - 1].position if len(records) > limit else None


def plan(
    engine: Engine, reader: Reader, roots: Iterable[str], *, max_depth: int = _DEPTH, max_nodes: int = _NODES
) -> PlanOut:
    """Tell what a case about these roots would be about now; records nothing. Raises as `trace` and `roots_of` do."""
    question = ScopedTrace(
        roots=roots_of(list(roots)), known_at=engine.ledger.head(), max_depth=max_depth, max_nodes=max_nodes
    )
    # The collector would look through all that was read, only to find that none of it can go.
    with collector.paused():
        scope = scope_at(engine, reader, question)
        told = PlanOut(
            roots=list(question.roots),
            known_at=question.known_at,
            complete=scope.walked.found.complete,
            items=len(scope.affected) - scope.lots,
            lots=scope.lots,
            unheld=len(scope.unheld),
            holders=_holders_out(engine, None, {name: len(things) for name, things in scope.of_party.items()}),
        )
        del scope
    return told


def describe_affected(engine: Engine, reader: Reader, case: str) -> AffectedList:
    """Tell the things of a case: those in its last scope, or those of the notices that the reader sees.

    Raises `NotFoundError` (`recall.unknown`), `InvalidInputError` (`recall.not_reproduced`).
    """
    head = engine.ledger.head()
    found = case_seen(engine, reader, case, known_at=head)
    rows = _Rows(found)
    if found.scope is None:
        told = [row for one in found.notices for thing in one.things for row in rows.of(thing, one.organisation)]
        return AffectedList(case=case, known_at=head, affected=told)
    affected = []
    for one in last_scope(engine, reader, found.scope).affected:
        parties: list[str | None] = [*one.parties] or [None]
        affected += [row for who in parties for row in rows.of(one.thing, who, awaited=who not in one.holders)]
    return AffectedList(case=case, known_at=found.scope.trace.known_at, affected=affected)


def last_scope(engine: Engine, reader: Reader, scoped: RecallScoped) -> Scope:
    """Return the scope that was recorded; raises `InvalidInputError` (`recall.not_reproduced`) if it is another now."""
    found = scope_at(engine, reader, scoped.trace)
    if digest_at(engine, reader, scoped.trace, found.trace) != scoped.digest:
        raise InvalidInputError(
            "The trace of the last scope is not the one that was recorded: you see more or less of the past than then",
            code="recall.not_reproduced",
            hint="Scope the case again.",
        )
    return found


def said_out(said: Said, claim: ClaimReason | None = None) -> SaidOut:
    """Return something said as an answer has it."""
    return SaidOut(
        type=said.payload.type_name.split(".")[1].removeprefix("recall_"),
        said=said.payload.model_dump(mode="json", exclude_none=True, exclude={"case"}),
        said_by=said.said_by,
        said_at=utc_text(said.occurred_at),
        position=said.position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
        claim=claim,
    )


def _line(found: RecallCase) -> RecallLine:
    return RecallLine(**recall_name(found).model_dump(), stage=found.stage)


def _position(engine: Engine, known_at: int | None) -> int:
    head = engine.ledger.head()
    return head if known_at is None else min(known_at, head)


def _scope_out(engine: Engine, found: RecallCase, said: Said) -> ScopeOut:
    scoped = said.payload
    assert isinstance(scoped, RecallScoped)
    return ScopeOut(
        question=asked(scoped.trace),
        digest=scoped.digest,
        complete=scoped.complete,
        items=scoped.items,
        lots=scoped.lots,
        unheld=scoped.unheld,
        holders=_holders_out(engine, found, {one.holder: one.things for one in scoped.holders}),
        position=said.position,
        event_id=said.event_id,
    )


def _holders_out(engine: Engine, found: RecallCase | None, counts: Mapping[str, int]) -> list[HolderOut]:
    reachable = reachable_by(engine)
    return [
        HolderOut(
            holder=name,
            things=things,
            reachable=name in reachable,
            told_of=0 if found is None else len(found.notified(name)),
        )
        for name, things in counts.items()
    ]


def reachable_by(engine: Engine) -> set[str]:
    """Return the organisations of the ledger, which can be notified; a party that is only known by its URI cannot."""
    return {one.name for one in engine.organisations.all()}


def _widening_out(engine: Engine, reader: Reader, found: RecallCase, head: int) -> WideningOut | None:
    if found.scope is None:
        return None
    try:
        changed, reproduced = widened(engine, reader, found.scope, head)
    except NotFoundError:  # who was granted the case need not see the goods
        return None
    return WideningOut(
        known_at=head,
        reproduced=reproduced,
        entered=[
            EnteredOut(thing=one.affected.thing, holders=list(one.affected.parties), positions=list(one.positions))
            for one in changed.entered
        ],
        left=list(changed.left),
        holders=[NewHolderOut(holder=name, things=list(things)) for name, things in changed.parties.items()],
        positions=list(changed.positions),
    )


def _notice_out(notice: Notice) -> NoticeOut:
    return NoticeOut(
        notice=notice.notice,
        organisation=notice.organisation,
        sent_at=utc_text(notice.sent[0].occurred_at),
        things=list(notice.things),
        acknowledged_at=utc_text(notice.answers[0].occurred_at) if notice.answers else None,
        outcomes=dict(Counter(one.outcome for lines in notice.told.values() for one in lines)),
        positions=[one.position for one in (*notice.sent, *notice.answers)],
    )


class _Rows:
    """The rows of an affected list, with what was told and answered in a case."""

    def __init__(self, found: RecallCase) -> None:
        self._notified = {(one.organisation, thing) for one in found.notices for thing in one.things}
        self._told = {(one.organisation, thing): told for one in found.notices for thing, told in one.told.items()}

    def of(self, thing: str, holder: str | None, *, awaited: bool = False) -> list[AffectedOut]:
        """Return a row for each line that the holder told of a thing, one if it told none."""
        told: Sequence[Told] = () if holder is None else self._told.get((holder, thing), ())
        return [
            AffectedOut(
                thing=thing,
                kind=kind_of(thing),
                holder=holder,
                awaited=awaited and holder is not None,
                notified=(holder, thing) in self._notified,
                outcome=None if one is None else one.outcome,
                quantity=None if one is None else one.quantity,
                uom=None if one is None else one.uom,
            )
            for one in (told or (None,))
        ]
