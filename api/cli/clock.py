"""`traceability clock …`: what has to be answered by when, and what answered it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from api import clocks
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, body_of, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, moment
from api.cli.opening import opened
from api.clock_models import AnswerIn, ClockDone, ClockLine, StartIn, StopIn
from api.provenance import microseconds_of
from traceability.supply_chain.clocks.clock import ClockState
from traceability.supply_chain.clocks.term import Term, Unit

app = group("clock")

_UNITS = (Unit.HOURS, Unit.CALENDAR_DAYS, Unit.BUSINESS_DAYS, Unit.YEARS)
Name = Annotated[str, typer.Argument(metavar="CLOCK", help="The name of the clock.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A word about it.")]


@app.command()
def rules(*, json: JSON = False) -> None:
    """List the clocks that laws set going, with their sources.

    For example:

    - `traceability clock rules`
    """
    known = clocks.list_rules()
    if json:
        print_json(known.model_dump(mode="json"))
        return
    print_table(
        ("rule", "term", "calendar", "zone", "source"),
        ((one.rule, str(one.term), one.calendar or "", one.zone or "", one.source) for one in known.rules),
    )


@app.command()
def start(
    rule: Annotated[str | None, typer.Argument(metavar="[RULE]", help="As `clock rules` lists them.")] = None,
    *,
    hours: Annotated[int | None, typer.Option(min=1, help="A term of your own, in elapsed hours.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="In calendar days.")] = None,
    business_days: Annotated[int | None, typer.Option(min=1, help="In days on which people work.")] = None,
    years: Annotated[int | None, typer.Option(min=1, help="In years.")] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What has to be answered.")] = None,
    retention: Annotated[bool, typer.Option("--retention", help="Something is kept until then.")] = False,
    at: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="When it began; now.")] = None,
    responsible: Annotated[str | None, typer.Option(metavar="ORGANISATION", help="Who has to answer; you.")] = None,
    calendar: Annotated[str | None, typer.Option(metavar="COUNTRY", help="Whose working days count, as US.")] = None,
    closed: Annotated[
        list[str] | None, typer.Option(metavar="DATE", help="A day on which nobody works; may be repeated.")
    ] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Where days end, as America/New_York.")] = None,
    thing: Annotated[list[str] | None, typer.Option(metavar="ID", help="What it is about; may be repeated.")] = None,
    case: Annotated[str | None, typer.Option(metavar="CASE", help="A case that it belongs to.")] = None,
    request: Annotated[UUID | None, typer.Option(metavar="EVENT", help="Our id of the event that asked.")] = None,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Start a clock, by a rule or by a term of your own; print its name.

    For example:

    - `traceability clock start us.dscsa.tracing --thing '(01)09521234000013(21)1001'`
    - `traceability clock start --business-days 3 --title 'Answer the retailer' --calendar DE --zone Europe/Berlin`
    """
    terms = zip((hours, days, business_days, years), _UNITS, strict=True)
    given = [body_of(Term, amount=amount, unit=unit) for amount, unit in terms if amount is not None]
    if len(given) + (rule is not None) != 1:
        raise typer.BadParameter("give a rule, or one of --hours, --days, --business-days and --years")
    members = {
        "rule": rule,
        "term": next(iter(given), None),
        "title": title,
        "retention": retention,
        "started_at": at,
        "responsible": responsible,
        "calendar": calendar,
        "closed": closed or [],
        "zone": zone,
        "things": thing or [],
        "case": case,
        "request": request,
        "note": text,
    }
    body = body_of(StartIn, **members)
    with opened(ledger, as_) as engine:
        done = clocks.start(engine, engine.settings.organisation, body)
    _print_done(done, json=json)


@app.command()
def answer(
    clock: Name,
    event: Annotated[UUID, typer.Argument(metavar="EVENT", help="Our id of the event that is the answer.")],
    *,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Answer a clock by an event that was recorded; exits with 1 when it is late.

    For example:

    - `traceability clock answer 019ca877-0c1b-7000-8000-000000000001 019ca878-0c1b-7000-8000-000000000002`
    """
    with opened(ledger, as_) as engine:
        done = clocks.answer(engine, engine.settings.organisation, clock, body_of(AnswerIn, event_id=event, note=text))
    _print_done(done, json=json)
    if done.state is ClockState.ANSWERED_LATE:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def stop(
    clock: Name,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why nobody has to answer any more.")],
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Stop a clock that your organisation started.

    For example:

    - `traceability clock stop 019ca877-0c1b-7000-8000-000000000001 --reason 'the request was withdrawn'`
    """
    with opened(ledger, as_) as engine:
        done = clocks.stop(engine, engine.settings.organisation, clock, body_of(StopIn, reason=reason))
    _print_done(done, json=json)


@app.command("list")
def list_clocks(
    *,
    state: Annotated[ClockState | None, typer.Option(help="In this state.")] = None,
    rule: Annotated[str | None, typer.Option(metavar="RULE")] = None,
    thing: Annotated[str | None, typer.Option(metavar="ID", help="About this thing.")] = None,
    case: Annotated[str | None, typer.Option(metavar="CASE", help="Of this case.")] = None,
    due_before: Annotated[datetime | None, typer.Option(parser=moment, metavar="TIME", help="Due before.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=clocks.MOST_LISTED, help="At most so many.")] = 100,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the clocks that you started or have to answer, those that run by their due time.

    For example:

    - `traceability clock list --state overdue`
    """
    before = None if due_before is None else microseconds_of(due_before)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found, following = clocks.list_clocks(
            engine, reader, state=state, rule=rule, thing=thing, case=case, due_before=before, limit=limit
        )
    if following is not None:
        note(f"There are more than {limit}.")
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        print_table(("clock", "state", "due", "responsible", "what"), map(_row, found.clocks))


@app.command()
def show(
    clock: Name,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show a clock: what was said of it, and what answered it; exits with 1 when it is overdue or was answered late.

    For example:

    - `traceability clock show 019ca877-0c1b-7000-8000-000000000001 --json`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = clocks.describe_clock(engine, reader, clock, as_of=at, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        note(f"{found.title}: {found.state.value.replace('_', ' ')}, due {found.due_there}")
        print_table(
            ("position", "when", "by", "what", "claim"),
            ((one.position, one.said_at, one.said_by, one.type, one.claim or "") for one in found.said),
        )
    if found.state in (ClockState.OVERDUE, ClockState.ANSWERED_LATE):
        raise typer.Exit(EXIT_FALSE)


def _print_done(done: ClockDone, *, json: bool) -> None:
    if json:
        print_json(done.model_dump(mode="json"))
        return
    typer.echo(done.clock)
    note(f"{done.state.value.replace('_', ' ')}, due {done.due}. Its receipt: traceability log prove {done.position}")


def _row(line: ClockLine) -> tuple[str, ...]:
    return line.clock, line.state.value, line.due_there, line.responsible, line.title
