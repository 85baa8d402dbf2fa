"""`traceability db …`: the database, private or not."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.postgres import embedded
from adapters.postgres.connection import connect, database_urls
from adapters.postgres.migrate import check as compare
from adapters.postgres.migrate import migrate as apply
from adapters.postgres.privileges import excess_privileges
from api.cli.context import EXIT_FALSE, JSON, group, note, print_json, settings_for
from api.wiring import database_settings

app = group("db", "The database: migrate, check, address.")


@app.command()
def migrate(*, json: JSON = False) -> None:
    """Apply the migrations that are pending, as the owner role.

    Safe to run at any time and by several processes at once. Needs `TRACEABILITY_DATABASE_OWNER_URL` unless the
    database is the private one.
    """
    with database_urls(database_settings(settings_for())) as urls:
        applied = [f"{done.number:04} {done.name}" for done in apply(urls.owner, runtime_role=urls.runtime_role)]
    if json:
        print_json({"applied": applied})
    for name in [] if json else applied:
        typer.echo(name)
    note(f"Applied {len(applied)} migrations." if applied else "Nothing was pending.")


@app.command()
def check(*, json: JSON = False) -> None:
    """Say whether migrations are pending and whether the runtime role could change records; exit 1 if so."""
    with database_urls(database_settings(settings_for())) as urls:
        report = compare(urls.runtime)
        with connect(urls.runtime) as connection:
            excess = excess_privileges(connection)
    if json:
        print_json({"applied": report.applied, "pending": report.pending, "excess_privileges": excess})
    else:
        typer.echo(f"{report.applied} migrations applied")
    for name in report.pending:
        note(f"pending: {name} (run: traceability db migrate)")
    for privilege in excess:
        note(f"the runtime role {privilege}: it should only SELECT and INSERT in schema ledger")
    if report.pending or excess:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def url(
    *, owner: Annotated[bool, typer.Option("--owner", help="The owner role's address.")] = False, json: JSON = False
) -> None:
    """Print the database's address; a private server stays up until `traceability db stop`.

    Example: `psql "$(traceability db url --owner)"`
    """
    with database_urls(database_settings(settings_for()), keep=True) as urls:
        address = urls.owner if owner else urls.runtime
    if json:
        print_json({"url": address})
    else:
        typer.echo(address)


@app.command()
def stop(*, json: JSON = False) -> None:
    """Stop the private server, also under commands that use it."""
    stopped = embedded.stop(database_settings(settings_for()).data)
    if json:
        print_json({"stopped": stopped})
    note("Stopped." if stopped else "It was not running.")
