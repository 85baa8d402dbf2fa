"""`traceability ledger …`: the ledgers of a database, and erasing what is personal in them."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import typer

from adapters.postgres.erasure import erase as destroy
from adapters.postgres.erasure import purge as rewrite
from adapters.postgres.ledgers import LedgerSummary, add_ledger, ledgers, set_personal_members
from api.cli.context import JSON, As, LedgerName, group, note, opened, print_json, print_table, settings_for
from api.erasures import keep_erasures
from api.wiring import open_database
from traceability.errors import NotFoundError
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.ledger.store import Ledger

app = group("ledger", "Ledgers: add, list, personal members, erase, purge.")

Personal = Annotated[
    list[str] | None,
    typer.Option("--personal", metavar="MEMBER", help="IRI or JSON pointer of a personal member; may be repeated."),
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="a-z, 0-9, dots and hyphens.")],
    *,
    personal: Personal = None,
    json: JSON = False,
) -> None:
    """Make an empty ledger, as the owner role.

    Example: `traceability ledger add drugs --personal https://clinic.example/ns#patient`
    """
    PersonalMembers(personal or ())
    with open_database(settings_for()) as urls:
        _show([add_ledger(urls.owner, name, personal or ())], json=json)


@app.command("list")
def list_ledgers(*, json: JSON = False) -> None:
    """List the ledgers with their sizes."""
    with open_database(settings_for()) as urls:
        _show(ledgers(urls.runtime), json=json)


@app.command()
def personal(
    member: Annotated[
        list[str], typer.Argument(metavar="MEMBER", help="IRIs or JSON pointers; they replace the list.")
    ],
    *,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Say which members of the events to come are personal, as the owner role; recorded events stay as they are.

    Example: `traceability ledger personal https://dairy.example/ns#packer --ledger main`
    """
    PersonalMembers(member)  # refuses what could match nothing
    settings = settings_for(ledger=ledger)
    with open_database(settings) as urls:
        _show([set_personal_members(urls.owner, settings.ledger, member)], json=json)


@app.command()
def erase(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its position, or its event id.")],
    *,
    reason: Annotated[str, typer.Option(help="Why, for the record; name no person.")],
    authority: Annotated[str, typer.Option(help="Who ordered it, for the record.")],
    purge: Annotated[bool, typer.Option(help="Also rewrite the table now: appends wait meanwhile.")] = True,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Destroy the personal part and the received bytes of an event, as the owner role. It cannot be undone.

    Repeats of it that were not recorded go with it, and what findings quote. Everything else stays: its leaf, every
    proof, every trace. That it was done is an event of its own.

    Example: `traceability ledger erase 4711 --reason "request of 1 March" --authority "data protection officer"`
    """
    with opened(ledger, as_) as engine:
        position = _position(engine.ledger, event)
        recorded = destroy(engine.urls.owner, engine.ledger, position, reason=reason, authority=authority)
        keep_erasures(engine)
        if purge:
            rewrite(engine.urls.owner, [position])
    if json:
        print_json({"position": position, "redacted_by": recorded, "purged": purge})
    note(f"Erased the event at position {position}; recorded at position {recorded}.")
    if not purge:
        note(f"Old versions of the row stay in the data files until: traceability ledger purge {position}")
    note("Backups and the write-ahead log hold it for as long as they are kept: see docs/guide/erasure.md.")


@app.command()
def purge(
    positions: Annotated[
        list[int] | None, typer.Argument(metavar="[POSITION]…", help="Positions of erased events.")
    ] = None,
    *,
    json: JSON = False,
) -> None:
    """Rewrite the tables that hold erased events, so that no old version of them is left, as the owner role.

    What `ledger erase --no-purge` put off, or what a purge that failed has to do again. Appends wait meanwhile. The
    tables of findings are rewritten too; without a position they alone are, as after `finding dismiss --forget`.
    """
    with open_database(settings_for()) as urls:
        rewrite(urls.owner, positions or ())
    if json:
        print_json({"purged": positions or []})
    note("Purged; backups and the write-ahead log are another matter: see docs/guide/erasure.md.")


def _position(ledger: Ledger, event: str) -> int:
    if event.isascii() and event.isdigit():
        return int(event)
    try:
        record = ledger.record_of(UUID(event))
    except ValueError:
        raise typer.BadParameter("neither a position nor an event id", param_hint="EVENT") from None
    if record is None:
        raise NotFoundError(f"There is no event {event}", code="ledger.unknown_event")
    return record.position


def _show(found: list[LedgerSummary], *, json: bool) -> None:
    if json:
        print_json(found)
    else:
        print_table(("ledger", "events", "personal"), ((s.name, s.position, " ".join(s.personal)) for s in found))
