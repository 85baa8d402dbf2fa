"""Clocks: started, answered, stopped, and as HTTP, the command line and pages show them."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from heapq import nsmallest
from typing import Final, NamedTuple
from uuid import UUID

from eventsourcing.dcb.api import DCBAppendCondition, DCBQuery, DCBQueryItem

from adapters.postgres.decisions import records_under
from adapters.postgres.event_requests import EventRequest
from adapters.time_zones import time_zone
from adapters.working_days import working_days
from api.clock_models import (
    AnswerIn,
    ClockDone,
    ClockLine,
    ClockList,
    ClockOut,
    ClockSaidOut,
    EvidenceOut,
    RuleList,
    RuleOut,
    StartIn,
    StopIn,
)
from api.codes import read_code
from api.once import Drafted, append_drafted, append_once, new_name, recorded_before, unchanged
from api.provenance import microseconds_of
from api.receipts import receipt_address
from api.told import said_to
from api.wiring import Engine
from traceability.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from traceability.ledger.access import Reader
from traceability.ledger.event import EPOCH, utc_text
from traceability.ledger.store import Record
from traceability.supply_chain.clocks.clock import MEANINGS, ClaimReason, Clock, ClockState, clock_of
from traceability.supply_chain.clocks.events import (
    CLOCKS,
    ClockAnswered,
    ClockPayload,
    ClockStarted,
    ClockStopped,
    Said,
    said_of,
)
from traceability.supply_chain.clocks.rules import RULES
from traceability.supply_chain.clocks.term import due
from traceability.supply_chain.things import thing_of

PATH: Final = "/clocks"
MOST_LISTED: Final = 1_000
_AHEAD_US: Final = 60_000_000  # clocks differ a little


class Place(NamedTuple):
    """Where a clock is in the list: those that run by due time, then those that ended or elapsed, the last first."""

    ended: bool
    time: int
    clock: str


def list_rules() -> RuleList:
    """Tell the clocks that laws set going."""
    return RuleList(rules=[RuleOut(rule=name, **rule._asdict()) for name, rule in RULES.items()])


def start(engine: Engine, organisation: str, body: StartIn, *, request: EventRequest | None = None) -> ClockDone:
    """Start a clock.

    Raises `IdentifierError`, `NotFoundError` (`clock.rule`), and `InvalidInputError`: `clock.zone`, `clock.calendar`,
    `clock.time`.
    """
    if (before := recorded_before(engine, request)) is not None:
        return _done(engine, organisation, before)
    now = engine.clock.now_us()
    began = now if body.started_at is None else microseconds_of(body.started_at)
    if not 0 <= began <= now + _AHEAD_US:
        raise InvalidInputError("A clock begins between 1970 and now", code="clock.time")
    to = None if body.responsible in (None, organisation) else body.responsible
    event = _started(engine, organisation, body, began).event(captured_by=organisation, occurred_at=began, to=to)
    return _done(engine, organisation, append_once(engine, [event], DCBAppendCondition(_NOTHING, after=0), request))


_NOTHING: Final = DCBQuery(items=[DCBQueryItem(tags=["clock:"])])
"""A new name depends on nothing that is there."""


def answer(
    engine: Engine, organisation: str, clock: str, body: AnswerIn, *, request: EventRequest | None = None
) -> ClockDone:
    """Answer a clock by an event that the organisation sees.

    Raises `NotFoundError` (`clock.unknown`, `clock.no_such_event`), `ForbiddenError` (`clock.not_responsible`) and
    `ConflictError` (`clock.over`, `clock.nothing_to_answer`).
    """
    reader = engine.organisations.reader(organisation)
    record = _record_seen(engine, reader, body.event_id)
    if record is None:
        raise NotFoundError(
            "There is no such event", code="clock.no_such_event", hint="Or none that you may see. Give our event_id."
        )
    answered = ClockAnswered(clock=clock, position=record.position, event_id=body.event_id, note=body.note)
    return _say(engine, organisation, answered, request)


def stop(
    engine: Engine, organisation: str, clock: str, body: StopIn, *, request: EventRequest | None = None
) -> ClockDone:
    """Stop a clock that the organisation started; raises as `answer` does (`clock.not_its_starter`)."""
    return _say(engine, organisation, ClockStopped(clock=clock, reason=body.reason), request)


def list_clocks(
    engine: Engine,
    reader: Reader,
    *,
    state: ClockState | None = None,
    rule: str | None = None,
    thing: str | None = None,
    case: str | None = None,
    due_before: int | None = None,
    after: Place | None = None,
    limit: int = MOST_LISTED,
) -> tuple[ClockList, Place | None]:
    """Return the clocks that a reader sees behind a place, and the place behind which the next page begins.

    Those that run come first, by their due time (µs UTC). All are read for each page: their states come from what was
    said last. Raises `IdentifierError`.
    """
    head, now = engine.ledger.head(), engine.clock.now_us()
    about = None if thing is None else thing_of(read_code(thing).uri)
    found = [
        clock
        for clock in _clocks_seen(engine, reader, head)
        if state in (None, clock.state(now))
        and rule in (None, clock.started.rule)
        and (about is None or about in clock.started.things)
        and case in (None, clock.started.case)
        and (due_before is None or clock.started.due < due_before)
        and (after is None or _place(clock, now) > after)
    ]
    shown = nsmallest(limit, found, key=partial(_place, at=now))
    following = _place(shown[-1], now) if len(found) > len(shown) else None
    return ClockList(known_at=head, clocks=[_line(clock, now) for clock in shown]), following


def describe_clock(
    engine: Engine, reader: Reader, clock: str, *, as_of: int | None = None, known_at: int | None = None
) -> ClockOut:
    """Tell a clock as a reader sees it at a time (µs UTC) and position; raises `NotFoundError` (`clock.unknown`)."""
    head = engine.ledger.head()
    head = head if known_at is None else min(known_at, head)
    at = engine.clock.now_us() if as_of is None else as_of
    found = _clock_seen(engine, reader, clock, head, as_of)
    answered = found.ended.payload if found.ended is not None else None
    evidence = None
    if isinstance(answered, ClockAnswered):
        record = _record_seen(engine, reader, answered.event_id)
        evidence = None if record is None else _evidence(record)
    said = [(found.began, None), *([(found.ended, None)] if found.ended else [])]
    return ClockOut(
        **_line(found, at).model_dump(),
        as_of=utc_text(at),
        known_at=head,
        case=found.started.case,
        request=found.started.request,
        answered_by=evidence,
        said=[_said_out(*one) for one in (*said, *((claim.said, claim.reason) for claim in found.claims))],
    )


def _started(engine: Engine, organisation: str, body: StartIn, began: int) -> ClockStarted:
    rule = None if body.rule is None else RULES.get(body.rule)
    if body.rule is not None and rule is None:
        raise NotFoundError("There is no such rule", code="clock.rule", hint=f"Choose from: {', '.join(RULES)}.")
    term = rule.term if rule is not None else body.term
    assert term is not None
    calendar = body.calendar or (None if rule is None else rule.calendar)
    zone = body.zone or (None if rule is None else rule.zone) or "UTC"
    closed = frozenset(body.closed)
    works = working_days(calendar, closed) if calendar else lambda day: day.weekday() < _SATURDAY and day not in closed
    title = body.title or (None if rule is None else rule.title)
    assert title is not None
    return ClockStarted(
        clock=new_name(engine),
        title=title,
        responsible=body.responsible or organisation,
        due=due(began, term, time_zone(zone), works),
        rule=body.rule,
        version=None if rule is None else rule.version,
        term=term,
        calendar=calendar,
        zone=zone,
        closed=tuple(sorted(closed)),
        things=tuple(sorted({thing_of(read_code(thing).uri) for thing in body.things})),
        case=body.case,
        request=body.request,
        note=body.note,
        retention=body.retention if rule is None else rule.retention,
    )


_SATURDAY: Final = 5


def _say(engine: Engine, organisation: str, payload: ClockPayload, request: EventRequest | None) -> ClockDone:
    """Record what is said of a clock, unless the fold would take it for a mere claim."""
    reader = engine.organisations.reader(organisation)

    def draft(head: int) -> Drafted:
        found = _clock_seen(engine, reader, payload.clock, head)
        # Behind what it follows, whatever the clock of whoever said that.
        last = found.began if found.ended is None else found.ended
        now = max(engine.clock.now_us(), last.occurred_at + 1)
        sides = {found.began.said_by, found.started.responsible} - {organisation}
        event = payload.event(captured_by=organisation, occurred_at=now, to=next(iter(sides), None))
        said = said_of(event.parts, head + 1, UUID(int=0), now)
        assert said is not None
        after = clock_of([found.began, *([found.ended] if found.ended else []), said])
        reason = next((claim.reason for claim in after.claims if claim.said is said), None) if after else None
        if reason is not None:
            raise _refused(reason)
        return [event], unchanged([f"clock:{payload.clock}"], head)

    return _done(engine, organisation, append_drafted(engine, draft, request))


def _refused(reason: ClaimReason) -> ConflictError | ForbiddenError:
    kind = ConflictError if reason in (ClaimReason.OVER, ClaimReason.NOTHING_TO_ANSWER) else ForbiddenError
    return kind(MEANINGS[reason].sentence, code=f"clock.{reason}", hint=MEANINGS[reason].remedy)


def _done(engine: Engine, organisation: str, position: int) -> ClockDone:
    reader = engine.organisations.reader(organisation)
    (record,) = engine.ledger.records([position])
    said = _seen(engine, reader, record)
    assert said is not None
    found = _clock_seen(engine, reader, said.payload.clock, position)
    return ClockDone(
        clock=said.payload.clock,
        state=found.state(engine.clock.now_us()),
        due=utc_text(found.started.due),
        position=position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
    )


def _clocks_seen(engine: Engine, reader: Reader, known_at: int) -> list[Clock]:
    said: dict[str, list[Said]] = {}
    for record in records_under(engine.ledger, [CLOCKS], engine.visibility.allowed(reader), known_at):
        if (one := _seen(engine, reader, record)) is not None:
            said.setdefault(one.payload.clock, []).append(one)
    return [clock for those in said.values() if (clock := clock_of(those)) is not None]


def _clock_seen(engine: Engine, reader: Reader, clock: str, known_at: int, as_of: int | None = None) -> Clock:
    records = records_under(engine.ledger, [f"clock:{clock}"], engine.visibility.allowed(reader), known_at)
    seen = (_seen(engine, reader, record) for record in records)
    said = [one for one in seen if one is not None and one.payload.clock == clock]
    found = clock_of(one for one in said if as_of is None or one.occurred_at <= as_of)
    if found is None:
        raise NotFoundError("There is no such clock", code="clock.unknown", hint="Or none that you may see.")
    return found


def _seen(engine: Engine, reader: Reader, record: Record) -> Said | None:
    return said_to(engine, reader, record, said_of)


def _record_seen(engine: Engine, reader: Reader, wanted: UUID) -> Record | None:
    record = engine.ledger.record_of(wanted)
    if record is None or reader.extent(engine.rules.indexer(record.event.parts).visibility) is None:
        return None
    return record


def _evidence(record: Record) -> EvidenceOut:
    event = record.event
    assert event.event_id is not None
    assert event.recorded_at is not None
    return EvidenceOut(
        position=record.position,
        event_id=event.event_id,
        recorded_at=utc_text(event.recorded_at),
        receipt=receipt_address(event.event_id),
    )


def _place(found: Clock, at: int) -> Place:
    due, name = found.started.due, found.started.clock
    if found.ended is not None:
        return Place(ended=True, time=-found.ended.occurred_at, clock=name)
    elapsed = found.state(at) is ClockState.ELAPSED
    return Place(elapsed, -due if elapsed else due, name)


def _line(found: Clock, at: int) -> ClockLine:
    started = found.started
    return ClockLine(
        clock=started.clock,
        title=started.title,
        rule=started.rule,
        state=found.state(at),
        started_by=found.began.said_by,
        responsible=started.responsible,
        started_at=utc_text(found.began.occurred_at),
        due=utc_text(started.due),
        due_there=_due_there(started).isoformat(),
        zone=started.zone,
        retention=started.retention,
        ended_at=None if found.ended is None else utc_text(found.ended.occurred_at),
        things=list(started.things),
    )


def _due_there(started: ClockStarted) -> datetime:
    at = EPOCH + timedelta(microseconds=started.due)
    try:
        return at.astimezone(time_zone(started.zone))
    except (InvalidInputError, OverflowError):  # recorded where newer zones are known, or at an end of the calendar
        return at


def _said_out(said: Said, claim: ClaimReason | None = None) -> ClockSaidOut:
    return ClockSaidOut(
        type=said.payload.type_name.split(".")[1].removeprefix("clock_"),
        said=said.payload.model_dump(mode="json", exclude_none=True, exclude={"clock"}),
        said_by=said.said_by,
        said_at=utc_text(said.occurred_at),
        recorded_at=utc_text(said.recorded_at),
        position=said.position,
        event_id=said.event_id,
        receipt=receipt_address(said.event_id),
        claim=claim,
    )
