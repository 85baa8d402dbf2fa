"""`traceability shipment …`: what was advised, what came, and the exception cases of what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from api import shipment_writes, shipments
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, body_of, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt
from api.cli.opening import opened
from api.provenance import microseconds_of
from api.shipment_models import AdviseIn, AnswerIn, CloseIn, CompleteIn, RowOut, ShipmentDone
from api.validation import sentence
from traceability.supply_chain.shipment.events import Resolution
from traceability.supply_chain.shipment.shipment import Stage

app = group("shipment")

Name = Annotated[str, typer.Argument(metavar="SHIPMENT", help="The name of the shipment.")]
Case = Annotated[str, typer.Argument(metavar="CASE", help="The name of the exception case.")]
Note = Annotated[str | None, typer.Option("--note", metavar="TEXT", help="A word about it.")]


@app.command()
def advise(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The body of POST /shipments.", exists=True)],
    *,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record a despatch advice; print the name of the shipment.

    For example:

    - `traceability shipment advise advice.json`
    """
    try:
        body = AdviseIn.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise typer.BadParameter(sentence(error.errors()[0])) from error
    with opened(ledger, as_) as engine:
        done = shipment_writes.advise(engine, engine.settings.organisation, body)
    _print_done(done, json=json)


@app.command("list")
def list_shipments(
    *,
    advice: Annotated[str | None, typer.Option(metavar="URI", help="Of this despatch advice.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=shipments.MOST_LISTED, help="At most so many.")] = 50,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the shipments that you advised or are to receive, the last advised first.

    For example:

    - `traceability shipment list --advice urn:epcglobal:cbv:bt:9521234000006:DA1`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        lines, following = shipments.list_shipments(engine, reader, advice=advice, limit=limit)
    if following is not None:
        note(f"There are more than {limit}.")
    if json:
        print_json([line.model_dump(mode="json") for line in lines])
        return
    print_table(
        ("shipment", "stage", "advice", "shipper", "consignee", "exceptions"),
        ((one.shipment, one.stage, one.advice, one.shipper, one.consignee, str(one.exceptions)) for one in lines),
    )


@app.command()
def show(
    shipment: Name,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show a shipment: expected against actual; exits with 1 while something differs and no closed case says so.

    For example:

    - `traceability shipment show 019ca877-0c1b-7000-8000-000000000001`
    """
    at = None if as_of is None else microseconds_of(as_of)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = shipments.describe_shipment(engine, reader, shipment, as_of=at, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        note(f"{found.advice}: {found.stage.value.replace('_', ' ')}, from {found.shipper} to {found.consignee}")
        columns = ("thing", "unit", "advised", "shipped", "received", "damaged", "over", "short", "outstanding")
        print_table(columns, map(_row, found.rows))
        for case in found.cases:
            answer = {None: "not answered", True: "accepted", False: "rejected"}[case.accepted]
            note(f"Exception {case.case}: {answer}, {'open' if case.closed_at is None else 'closed'}")
    if found.stage is Stage.DISCREPANT or found.unnamed:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def complete(
    shipment: Name,
    *,
    resolution: Annotated[Resolution | None, typer.Option(help="What is asked for, where it differs.")] = None,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Say that all that will come has come; exits with 1 when that opened an exception case.

    For example:

    - `traceability shipment complete 019ca877-0c1b-7000-8000-000000000001 --resolution 'Send product'`
    """
    body = body_of(CompleteIn, resolution=resolution, note=text)
    with opened(ledger, as_) as engine:
        done = shipment_writes.complete(engine, engine.settings.organisation, shipment, body)
    _print_done(done, json=json)
    if done.case is not None:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def answer(
    shipment: Name,
    case: Case,
    *,
    accepted: Annotated[bool, typer.Option("--accept/--reject", help="Whether what is reported is so.")],
    alternative: Annotated[Resolution | None, typer.Option(help="Another resolution that you offer.")] = None,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Accept or reject an exception case, as the shipper.

    For example:

    - `traceability shipment answer SHIPMENT CASE --accept --alternative 'Credit account'`
    """
    body = body_of(AnswerIn, accepted=accepted, alternative=alternative, note=text)
    with opened(ledger, as_) as engine:
        done = shipment_writes.answer(engine, engine.settings.organisation, shipment, case, body)
    _print_done(done, json=json)


@app.command()
def close(
    shipment: Name,
    case: Case,
    *,
    text: Note = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Close an exception case, as the consignee.

    For example:

    - `traceability shipment close SHIPMENT CASE --note 'the missing ones came'`
    """
    body = body_of(CloseIn, note=text)
    with opened(ledger, as_) as engine:
        done = shipment_writes.close(engine, engine.settings.organisation, shipment, case, body)
    _print_done(done, json=json)


def _print_done(done: ShipmentDone, *, json: bool) -> None:
    if json:
        print_json(done.model_dump(mode="json"))
        return
    typer.echo(done.shipment)
    about = "" if done.case is None else f", exception {done.case}"
    note(f"{done.stage.value.replace('_', ' ')}{about}. Its receipt: traceability log prove {done.position}")


def _row(row: RowOut) -> tuple[str, ...]:
    amounts = (row.advised, row.shipped, row.received, row.damaged, row.over, row.short, row.outstanding)
    return row.thing, row.uom or "", *("" if amount is None else str(amount) for amount in amounts)
