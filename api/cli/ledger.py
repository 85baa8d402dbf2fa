"""`traceability ledger …`: the ledgers of a database, and erasing what is personal in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from adapters.postgres.erasure import erase as destroy
from adapters.postgres.erasure import erasures_after
from adapters.postgres.erasure import purge as rewrite
from adapters.postgres.ledgers import LedgerSummary, add_ledger, ledgers, set_personal_members
from api.cli.audit import Exports, Keys, PassphraseFile, keys_of, opened_exports, passphrase_of
from api.cli.context import JSON, As, LedgerName, group, note, print_json, print_table, progress_bar, settings_for
from api.cli.opening import opened, operated
from api.erasures import keep_erasures
from api.restore import read_erasures, restore_ledger
from api.wiring import Engine, open_database
from traceability.errors import ConflictError, NotFoundError
from traceability.gs1.epcis.personal import PersonalMembers
from traceability.ledger.erasure import erasure_requests
from traceability.ledger.store import Ledger

app = group("ledger")

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
    event: Annotated[str | None, typer.Argument(metavar="[EVENT]", help="Its position, or its event id.")] = None,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the record; name no person.")] = None,
    authority: Annotated[str | None, typer.Option(help="Who ordered it, for the record.")] = None,
    pending: Annotated[bool, typer.Option("--pending", help="All that was asked for over HTTP, instead.")] = False,
    purge: Annotated[bool, typer.Option(help="Also rewrite the table now: appends wait meanwhile.")] = True,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Destroy the personal part and the received bytes of an event, as the owner role. It cannot be undone.

    Repeats of it that were not recorded go with it, and what findings quote. Everything else stays: its leaf, every
    proof, every trace. That it was done is an event of its own.

    For example:

    - `traceability ledger erase 4711 --reason "request of 1 March" --authority "data protection officer"`
    - `traceability ledger erase --pending` executes requests, with the reasons and authorities that they give
    """
    given = (event, reason, authority)
    if any(one is not None for one in given) if pending else None in given:
        raise typer.BadParameter("give EVENT, --reason and --authority, or nothing but --pending")
    with opened(ledger, as_) as engine:
        if event is not None and reason is not None and authority is not None:
            position = _position(engine.ledger, event)
            done = [(position, destroy(engine.urls.owner, engine.ledger, position, reason=reason, authority=authority))]
        else:
            done = list(_execute(engine))
        keep_erasures(engine)
        if purge and done:
            rewrite(engine.urls.owner, [position for position, _ in done])
    if json:
        erased = [{"position": position, "redacted_by": recorded, "purged": purge} for position, recorded in done]
        print_json(erased if pending else erased[0])
    for position, recorded in done:
        note(f"Erased the event at position {position}; recorded at position {recorded}.")
    if not done:
        note("Nothing is waiting to be erased.")
        return
    if not purge:
        positions = " ".join(str(position) for position, _ in done)
        note(f"Old versions of the rows stay in the data files until: traceability ledger purge {positions}")
    note("Backups and the write-ahead log hold it for as long as they are kept: see docs/guide/erasure.md.")


def _execute(engine: Engine) -> Iterator[tuple[int, int]]:
    """Erase all that was asked for; yield the position of each event and of what records its erasure."""
    waiting = [one for one in erasure_requests(engine.ledger) if not one.erased]
    for one in waiting:
        try:
            recorded = destroy(
                engine.urls.owner, engine.ledger, one.position, reason=one.reason, authority=one.authority
            )
        except ConflictError as error:
            # Of two that execute what is pending, each does a part.
            if error.code != "ledger.already_erased":
                raise
        else:
            yield one.position, recorded


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


@app.command()
def erasures(
    *,
    pending: Annotated[bool, typer.Option("--pending", help="What was asked for and is not done, instead.")] = False,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List what was erased: position, event id, reason and authority, and the position that records it.

    Keep the list, which holds nothing personal, outside of the database: `ledger restore` re-applies it.

    Example: `traceability ledger erasures --json > erased.json`
    """
    with operated(ledger) as engine:
        waiting = [one for one in erasure_requests(engine.ledger) if not one.erased] if pending else []
        found = [] if pending else list(erasures_after(engine.ledger, 0, until=engine.ledger.head()))
    if pending and json:
        print_json(waiting)
    elif pending:
        print_table(
            ("position", "event", "reason", "authority", "asked by"),
            ((one.position, one.event_id, one.reason, one.authority, one.organisation) for one in waiting),
        )
    elif json:
        print_json([erasure.members() for erasure in found])
    else:
        print_table(
            ("position", "event", "reason", "authority", "recorded at"),
            ((e.position, e.event_id, e.reason, e.authority, e.redacted_by) for e in found),
        )


@app.command()
def restore(
    files: Exports,
    *,
    key: Keys,
    erased: Annotated[
        Path | None,
        typer.Option(
            "--erased", metavar="FILE", help="What was erased later: of `ledger erasures --json`, or from erasures/."
        ),
    ] = None,
    passphrase_file: PassphraseFile = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Rebuild an empty ledger from an audit export, as the owner role: all of it or nothing.

    Order, ids, times, salts and leaves are those of before, so receipts and checkpoints stay valid under the key that
    signed them; the log goes on under an origin and a key of its own. What is known to be erased is not written.

    Example: `traceability ledger restore 2026.age --key "$(cat log.vkey)" --erased erased.json --ledger restored`
    """
    verifiers = keys_of(key)
    try:
        known = [] if erased is None else read_erasures(erased.read_bytes())
    except OSError as error:
        raise typer.BadParameter(f"{erased} cannot be read", param_hint="--erased") from error
    passphrase = passphrase_of(passphrase_file, confirm=False)
    with operated(ledger) as engine, opened_exports(files, passphrase) as export, progress_bar("events") as progress:
        restored = restore_ledger(engine, export, verifiers, known, progress)
        keep_erasures(engine)
        name = engine.ledger.name
    if json:
        print_json({"ledger": name, "events": restored.events, "erased": restored.erased})
    origins = ", ".join(header.origin for header in export.headers)
    note(f"Rebuilt {name} from {restored.events} events of {origins}.")
    if restored.erased:
        note(f"Erased in it, and recorded behind them: positions {', '.join(map(str, restored.erased))}.")


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
