"""`traceability lot`: the stage of a lot, how much of it is where, and whether it may be released."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, named
from api.cli.opening import opened
from api.codes import read_code
from api.lot_models import LotOut
from api.lots import describe_lot, required_kinds

Requires = Annotated[
    str | None,
    typer.Option(
        "--requires", metavar="KINDS", help="Certificates that a release needs, with commas; exits with 1 without them."
    ),
]


def lot(
    identifier: Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN or (01)…(10)….")],
    *,
    requires: Requires = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show the stage of a lot, how much of it is where, and what is wrong with what was said of it.

    With `--requires` it exits with 1 when the lot may not be released. For example:

    - `traceability lot '(01)09521234000013(10)A7'`
    - `traceability lot '(01)09521234000013(10)A7' --requires phytosanitary,health --json`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_lot(
            engine, reader, read_code(identifier), as_of=as_of, known_at=known_at, required=required_kinds(requires)
        )
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        _print(found)
    if requires is not None and not found.release.may_be_released:
        raise typer.Exit(EXIT_FALSE)


def _print(found: LotOut) -> None:
    note(f"{named(found.id)}: {found.stage.replace('_', ' ')}")
    for told in _notes(found):
        note(told)
    print_table(
        ("amount", "unit", "holder", "place", "in", "under way to"),
        (
            (
                f"{row.quantity:f}",
                row.uom or "pieces",
                row.holder,
                "" if row.place is None else named(row.place),
                "" if row.container is None else named(row.container),
                (row.to or "whoever receives it") if row.under_way else "",
            )
            for row in found.amounts
        ),
    )


def _notes(found: LotOut) -> Iterator[str]:
    if found.dates.expiry is not None:
        yield f"expires {found.dates.expiry.isoformat()}{' (over)' if found.expired else ''}"
    if found.members is not None:
        ended = "" if found.members.ended is None else f", {sum(found.members.ended.values())} of them ended"
        yield f"{found.members.items} members with serials{ended}"
    if not found.quantities_complete:
        yield "an event moves some of it without saying how much"
    for one in found.release.obstacles:
        yield f"not to be released: {one.lack.replace('_', ' ')}{'' if one.kind is None else f' ({one.kind})'}"
    for finding in found.findings:
        position = "" if finding.event is None else f", position {finding.event.position}"
        yield f"{finding.severity}: {finding.rule} ({finding.note}{position})"
