"""What is said in recall cases, checked by the fold that reads it and recorded as events, each request once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple
from uuid import UUID

from adapters.postgres.event_requests import EventRequest
from api.codes import read_code
from api.once import Drafted, append_drafted, new_name, recorded_before, unchanged
from api.provenance import ask, microseconds_of
from api.recall_cases import case_in, case_seen, said_in_case
from api.recall_models import AcknowledgeIn, CancelIn, CloseIn, DoneOut, NotifyIn, OpenIn, ReconcileIn, ScopeIn
from api.recall_scopes import digest_at, roots_of, scope_at, scoped_as
from api.recalls import last_scope, reachable_by
from api.receipts import receipt_address
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import LedgerEvent
from traceability.ledger.register.statements import FOR_ALL, organisation_tag
from traceability.supply_chain.recall.case import MEANINGS, ClaimReason, RecallCase, claim_reason
from traceability.supply_chain.recall.events import (
    Payload,
    RecallAcknowledged,
    RecallCancelled,
    RecallClosed,
    RecallOpened,
    RecallReconciled,
    Said,
    ScopedTrace,
    Told,
    notices,
    said_in,
)
from traceability.supply_chain.recall.reconciling import Came, Fate, added_up
from traceability.supply_chain.recall.scope import may_recall
from traceability.supply_chain.things import thing_of

_MISSING_NAMED: Final = 1_000


class _Draft(NamedTuple):
    """Something to be said, and to which organisation."""

    payload: Payload
    to: str | None = None


_Drafts = Callable[[RecallCase, int], Sequence[_Draft]]
"""What is to be said in a case as it is seen at a position."""


def open_recall(engine: Engine, organisation: str, body: OpenIn, *, request: EventRequest | None = None) -> DoneOut:
    """Open a case, as whoever may speak of each root, a registrar, or the operator.

    Raises `IdentifierError`, `InvalidInputError` (`recall.root`), `NotFoundError` for a root of which nothing is seen,
    `ForbiddenError` (`recall.no_authority`), and `ConflictError` as every write does.
    """
    if (before := recorded_before(engine, request)) is not None:
        return _done(engine, organisation, before)
    roots = roots_of(body.roots)
    reader = engine.organisations.reader(organisation)
    case = new_name(engine)

    def draft(_head: int) -> Drafted:
        now = engine.clock.now_us()
        known_at = _check_right(engine, organisation, reader, roots, now)
        said = {"name": body.name, "reason": body.reason, "classification": body.classification}
        opened = RecallOpened(case=case, roots=roots, **said)
        tags = [*(f"item:{root}" for root in roots), *FOR_ALL, organisation_tag(organisation)]
        return [opened.event(captured_by=organisation, occurred_at=now)], unchanged(tags, known_at)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def scope_recall(
    engine: Engine, organisation: str, case: str, body: ScopeIn, *, request: EventRequest | None = None
) -> DoneOut:
    """Record what is affected now; may be done again, for what entered the scope since. Raises as `trace` does."""
    reader = engine.organisations.reader(organisation)
    as_of = None if body.as_of is None else microseconds_of(body.as_of)

    def drafts(found: RecallCase, head: int) -> list[_Draft]:
        question = ScopedTrace(
            roots=found.about.roots, as_of=as_of, known_at=head, max_depth=body.max_depth, max_nodes=body.max_nodes
        )
        scope = scope_at(engine, reader, question)
        return [_Draft(scoped_as(case, question, scope, digest_at(engine, reader, question, scope.trace)))]

    return _say(engine, organisation, case, drafts, request=request)


def notify_holders(
    engine: Engine, organisation: str, case: str, body: NotifyIn, *, request: EventRequest | None = None
) -> DoneOut:
    """Tell organisations what they have of the last scope, as far as they were not told of it.

    Raises `InvalidInputError` (`recall.not_a_holder`, `recall.not_reproduced`) and `ConflictError`
    (`recall.nobody_to_notify`).
    """
    reader = engine.organisations.reader(organisation)

    def drafts(found: RecallCase, _head: int) -> list[_Draft]:
        if found.scope is None:
            raise _refused(ClaimReason.NOT_SCOPED)
        reachable = reachable_by(engine) - {organisation}
        held = last_scope(engine, reader, found.scope).of_party
        having = {name: things for name, things in held.items() if name in reachable}
        wanted = list(having) if body.organisations is None else list(dict.fromkeys(body.organisations))
        if not having.keys() >= set(wanted):
            raise InvalidInputError(
                "Not all of these are organisations here that have something in the last scope",
                code="recall.not_a_holder",
                hint="The holders of the scope tell who is reachable; scope again for what was recorded since.",
            )
        told = []
        for name in wanted:
            before = found.notified(name)
            news = tuple(thing for thing in having[name] if thing not in before)
            told += [_Draft(part, name) for part in notices(found.about, new_name(engine), name, news)]
        if not told:
            raise ConflictError(
                "There is nobody to notify of anything new",
                code="recall.nobody_to_notify",
                hint="Holders outside of this ledger are listed in the scope: tell them yourself.",
            )
        return told

    return _say(engine, organisation, case, drafts, request=request)


def acknowledge(
    engine: Engine, organisation: str, case: str, body: AcknowledgeIn, *, request: EventRequest | None = None
) -> DoneOut:
    """Answer a notice as the organisation that was notified."""
    told = tuple(
        Told(thing=thing_of(read_code(one.thing).uri), outcome=one.outcome, quantity=one.quantity, uom=one.uom)
        for one in body.told
    )

    def drafts(found: RecallCase, _head: int) -> list[_Draft]:
        return [_Draft(RecallAcknowledged(case=case, notice=body.notice, told=told, note=body.note), found.opened_by)]

    return _say(engine, organisation, case, drafts, request=request, ours=False)


def reconcile(
    engine: Engine, organisation: str, case: str, body: ReconcileIn, *, request: EventRequest | None = None
) -> DoneOut:
    """Add up what became of the things in the last scope.

    Raises `InvalidInputError` (`recall.not_in_scope`, `recall.not_reproduced`).
    """
    reader = engine.organisations.reader(organisation)
    said: dict[str, list[Came]] = {}
    for one in body.things:
        said.setdefault(thing_of(read_code(one.thing).uri), []).append(Came(one.fate, one.quantity, one.uom))

    def drafts(found: RecallCase, _head: int) -> list[_Draft]:
        if found.scope is None:
            raise _refused(ClaimReason.NOT_SCOPED)
        scope = last_scope(engine, reader, found.scope)
        if not said.keys() <= {one.thing for one in scope.affected}:
            raise InvalidInputError("Not all of these things are in the last scope", code="recall.not_in_scope")
        radius = scope.trace.blast_radius
        total = added_up(scope.affected, () if radius is None else radius.lots, found.notices, said)
        return [
            _Draft(
                RecallReconciled(
                    case=case,
                    scope=found.scopes[-1].position,
                    recovered=total.fates[Fate.RECOVERED],
                    destroyed=total.fates[Fate.DESTROYED],
                    not_found=total.fates[Fate.NOT_FOUND],
                    unheld=total.unheld,
                    missing_count=len(total.missing),
                    missing=total.missing[:_MISSING_NAMED],
                    lots=total.lots,
                    note=body.note,
                )
            )
        ]

    return _say(engine, organisation, case, drafts, request=request)


def close(
    engine: Engine, organisation: str, case: str, body: CloseIn, *, request: EventRequest | None = None
) -> DoneOut:
    """End a case, and tell everybody who was notified."""

    def drafts(found: RecallCase, _head: int) -> list[_Draft]:
        closed = RecallClosed(case=case, reconciled=found.reconciled is not None, reason=body.reason)
        told = [_Draft(closed.model_copy(update={"organisation": name}), name) for name in _notified(found)]
        return [_Draft(closed), *told]

    return _say(engine, organisation, case, drafts, request=request)


def cancel(
    engine: Engine, organisation: str, case: str, body: CancelIn, *, request: EventRequest | None = None
) -> DoneOut:
    """Take a case back, and tell everybody who was notified."""

    def drafts(found: RecallCase, _head: int) -> list[_Draft]:
        cancelled = RecallCancelled(case=case, reason=body.reason)
        told = [_Draft(cancelled.model_copy(update={"organisation": name}), name) for name in _notified(found)]
        return [_Draft(cancelled), *told]

    return _say(engine, organisation, case, drafts, request=request)


def _notified(found: RecallCase) -> list[str]:
    return list(dict.fromkeys(one.organisation for one in found.notices))


def _check_right(engine: Engine, organisation: str, reader: Reader, roots: Sequence[str], now: int) -> int:
    """Return the position that the right to open a case was seen at."""
    index = ask(engine, reader)
    unknown = set(roots) - index.known(roots)
    if unknown:
        raise NotFoundError("Nothing is known of one of the roots", hint="Check it, and as whom you ask.")
    named = organisation == engine.settings.operator
    if not named and not engine.register.for_all(index.known_at).is_registrar(organisation, now):
        parties = engine.parties(reader, index.known_at)
        if not all(may_recall(organisation, root, index, parties, now) for root in roots):
            raise ForbiddenError(
                "Who recalls a thing made it, has or owns it, or is a registrar",
                code="recall.no_authority",
                hint="Let whoever may speak of every root open the case, with the role that the register asks for.",
            )
    return index.known_at


def _say(
    engine: Engine, organisation: str, case: str, drafts: _Drafts, *, request: EventRequest | None, ours: bool = True
) -> DoneOut:
    """Record what `drafts` says in a case, unless the fold would take it for a mere claim.

    Only who opened it may say what is `ours`. Raises `NotFoundError` (`recall.unknown`), `ForbiddenError`
    (`recall.not_its_opener`), `ConflictError`: `recall.` and the reason of the claim, `capture.request_key`, and
    `ledger.append_conflict`.
    """
    reader = engine.organisations.reader(organisation)

    def draft(head: int) -> Drafted:
        known = said_in_case(engine, reader, case, known_at=head)
        return _events(engine, organisation, known, drafts, head, ours=ours), unchanged([f"case:{case}"], head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def _events(
    engine: Engine, organisation: str, known: Sequence[Said], drafts: _Drafts, head: int, *, ours: bool
) -> list[LedgerEvent]:
    """Return the events of what is to be said, if the case as it is `known` at the `head` lets it count."""
    found = case_in(known)
    if ours and found.opened_by != organisation:
        raise _refused(ClaimReason.NOT_ITS_OPENER)
    if found.ended is not None:
        raise _refused(ClaimReason.OVER)
    # Behind what it follows, whatever the clock of whoever said that.
    now = max(engine.clock.now_us(), 1 + max(one.occurred_at for one in known))
    said = drafts(found, head)
    events = [draft.payload.event(captured_by=organisation, occurred_at=now, to=draft.to) for draft in said]
    reason = claim_reason(known, _as_said(events[0], head + 1))
    if reason is not None:
        raise _refused(reason)
    return events


def _done(engine: Engine, organisation: str, position: int) -> DoneOut:
    (record,) = engine.ledger.records([position])
    last = _as_said(record.event, position)
    found = case_seen(engine, engine.organisations.reader(organisation), last.payload.case, known_at=position)
    recorded = sum(one.occurred_at == last.occurred_at and one.said_by == organisation for one in found.said)
    assert record.event.event_id is not None
    return DoneOut(
        case=found.case,
        stage=found.stage,
        recorded=recorded,
        position=position,
        event_id=record.event.event_id,
        receipt=receipt_address(record.event.event_id),
    )


def _as_said(event: LedgerEvent, position: int) -> Said:
    said = said_in(event.parts, position, event.event_id or UUID(int=0), event.recorded_at or 0)
    assert said is not None
    return said


def _refused(reason: ClaimReason) -> ConflictError | ForbiddenError:
    kind = ForbiddenError if reason is ClaimReason.NOT_ITS_OPENER else ConflictError
    return kind(MEANINGS[reason].sentence, code=f"recall.{reason}", hint=MEANINGS[reason].remedy)
