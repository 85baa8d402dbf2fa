"""`traceability organisation …`: who takes part, and what each opens to others."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.context import JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.opening import opened, operated
from api.steps import business_step
from api.wiring import Engine
from traceability.errors import NotFoundError
from traceability.ledger.access import GRANTABLE_PARTS, PUBLIC, Grant
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import Organisation

app = group("organisation")

_PARTS_HELP = f"Open these parts, of {', '.join(sorted(GRANTABLE_PARTS))}; commas between them."
Parts = Annotated[str | None, typer.Option("--parts", metavar="PART,…", help=_PARTS_HELP)]
Steps = Annotated[
    list[str] | None, typer.Option("--step", metavar="BIZSTEP", help="Only events of this CBV step; may be repeated.")
]


@app.command()
def add(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="For good: a-z, 0-9, dots and hyphens, such as dairy.example."),
    ],
    *,
    display_name: Annotated[str | None, typer.Option("--display-name", metavar="TEXT", help="For people.")] = None,
    gln: Annotated[list[str] | None, typer.Option("--gln", help="13 digits, URN or Digital Link; repeatable.")] = None,
    domain: Annotated[str | None, typer.Option("--domain", help="Such as dairy.example.")] = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Add an organisation. It will see the events that name one of its GLNs as a party.

    Example: `traceability organisation add dairy.example --display-name "Alpine Dairy" --gln 9521234000006`
    """
    with operated(ledger) as engine:
        added = engine.organisations.add(name, display_name=display_name, glns=gln or (), domain=domain)
    if json:
        print_json(_document(added))
    note(f"Added {name}. A key for it: traceability key create --as {name} --scope query")


@app.command("list")
def list_organisations(*, ledger: LedgerName = None, json: JSON = False) -> None:
    """List the organisations of the ledger."""
    with operated(ledger) as engine:
        found = engine.organisations.all()
    if json:
        print_json([_document(organisation) for organisation in found])
    else:
        rows = ((o.name, o.display_name, " ".join(o.glns), o.domain or "") for o in found)
        print_table(("name", "display name", "GLNs", "domain"), rows)


@app.command()
def profile(
    *,
    parts: Parts = None,
    step: Steps = None,
    close: Annotated[bool, typer.Option("--close", help="Open nothing to the public.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show or set what an organisation opens to everybody, its public profile.

    `item` opens only the item that somebody asks for, never its siblings. The head (time, step, who) comes with any
    part.

    For example:

    - `traceability organisation profile --as dairy.example` shows it
    - `traceability organisation profile --as dairy.example --parts item,where,how` sets it
    - `traceability organisation profile --as dairy.example --parts item --step shipping --step receiving`
    """
    with opened(ledger, as_) as engine:
        _open_or_close(engine, PUBLIC, parts, step, close=close)
        grants = [grant for grant in _grants(engine) if grant.grantee == PUBLIC]
    _show(grants, json=json)


@app.command()
def grant(
    grantee: Annotated[
        str | None, typer.Argument(metavar="GRANTEE", help="To whom; without it, all grants are listed.")
    ] = None,
    *,
    parts: Parts = None,
    step: Steps = None,
    end: Annotated[bool, typer.Option("--end", help="End what was granted.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show, make or end what an organisation opens to another.

    For example:

    - `traceability organisation grant --as dairy.example` lists what it grants
    - `traceability organisation grant auditor.example --as dairy.example --parts what,where,why,how`
    - `traceability organisation grant auditor.example --as dairy.example --end`
    """
    with opened(ledger, as_) as engine:
        if grantee is not None:
            _open_or_close(engine, grantee, parts, step, close=end)
        elif parts is not None or end:
            raise typer.BadParameter("say to whom", param_hint="GRANTEE")
        grants = [grant for grant in _grants(engine) if grantee in (None, grant.grantee)]
    _show(grants, json=json)


def _open_or_close(engine: Engine, grantee: str, parts: str | None, steps: list[str] | None, *, close: bool) -> None:
    grantor = engine.settings.organisation
    if close and parts is not None:
        raise typer.BadParameter("choose between opening parts and closing", param_hint="--parts")
    if steps and parts is None:
        raise typer.BadParameter("a step needs --parts", param_hint="--step")
    if parts is not None:
        opened_steps = frozenset(map(business_step, steps)) if steps else None
        wanted = frozenset(part.strip() for part in parts.split(",") if part.strip())
        engine.organisations.set_grant(Grant(grantor, grantee, opened_steps, wanted))
    elif close and not engine.organisations.end_grant(grantor, grantee):
        raise NotFoundError(f"{grantor} grants nothing to {grantee}", code="access.no_such_grant")


def _grants(engine: Engine) -> list[Grant]:
    return engine.organisations.grants_by(engine.settings.organisation)


def _show(grants: list[Grant], *, json: bool) -> None:
    if json:
        print_json(
            [
                {"grantee": g.grantee, "parts": sorted(g.parts), "steps": None if g.steps is None else sorted(g.steps)}
                for g in grants
            ]
        )
        return
    if not grants:
        note("Nothing is open.")
    rows = (
        (g.grantee, ",".join(sorted(g.parts)), "every" if g.steps is None else ",".join(sorted(g.steps)))
        for g in grants
    )
    print_table(("grantee", "parts", "steps"), rows)


def _document(organisation: Organisation) -> dict[str, object]:
    return {
        "name": organisation.name,
        "display_name": organisation.display_name,
        "glns": organisation.glns,
        "domain": organisation.domain,
        "created_at": utc_text(organisation.created_at),
    }
