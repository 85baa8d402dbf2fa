"""`traceability drug …`: whether packages of medicines may be dispensed."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import ValidationError

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.item import AsOf, KnownAt, named
from api.cli.opening import opened
from api.codes import read_code
from api.drug_packages import PackOut, VerifyIn, describe_pack
from api.drug_packages import verify as verify_pack
from api.validation import sentence

app = group("drug")

Lot = Annotated[str | None, typer.Option("--lot", metavar="LOT", help="As it stands on the pack.")]
Expiry = Annotated[str | None, typer.Option("--expiry", metavar="YYMMDD", help="As it stands on the pack.")]


@app.command()
def verify(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What was scanned: (01)…(21)…, with lot and expiry.")],
    *,
    lot: Lot = None,
    expiry: Expiry = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Verify what stands on a pack; exits with 1 when something speaks against dispensing it.

    For example:

    - `traceability drug verify '(01)09521201003016(21)AB7K0003(10)VX4417(17)270300'`
    """
    try:
        asked = VerifyIn(code=code, lot=lot, expiry=expiry)
    except ValidationError as error:
        raise typer.BadParameter(sentence(error.errors()[0])) from error
    with opened(ledger, as_) as engine:
        found = verify_pack(engine, engine.organisations.reader(engine.settings.organisation), asked)
    if json:
        print_json(found.model_dump(mode="json"))
    else:
        typer.echo("verified" if found.verified else "\n".join(found.findings))
    if not found.verified:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def show(
    pack: Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN or (01)…(21)….")],
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    json: JSON = False,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Show whether a pack may be dispensed, and what was said of it and is wrong.

    For example:

    - `traceability drug show '(01)09521201003016(21)AB7K0003'`
    """
    identifier = read_code(pack)
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        found = describe_pack(engine, reader, identifier, as_of=as_of, known_at=known_at)
    if json:
        print_json(found.model_dump(mode="json"))
        return
    note(f"{named(found.id)}: {'may be dispensed' if found.may_be_dispensed else _because(found)}")
    print_table(
        ("position", "alert", "against", "rule"),
        (
            (
                str(one.event.position),
                one.alert.value,
                "" if one.against is None else str(one.against.position),
                one.rule,
            )
            for one in found.alerts
        ),
    )


def _because(found: PackOut) -> str:
    told = (
        (not found.made, "nobody is seen to have made it"),
        (found.inactive is not None, found.inactive.status.value if found.inactive else ""),
        (found.recalled is not None, "recalled"),
        (found.withdrawn is not None, "withdrawn"),
        (found.expired, "expired"),
    )
    return f"not to be dispensed: {', '.join(why for holds, why in told if holds)}"
