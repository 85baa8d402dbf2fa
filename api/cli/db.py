"""`traceability db …`: the database, private or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from adapters.postgres import embedded
from adapters.postgres.connection import connect, database_urls
from adapters.postgres.event_requests import remove_event_requests
from adapters.postgres.migrate import check as compare
from adapters.postgres.migrate import migrate as apply
from adapters.postgres.partitions import maintain as make_partitions
from adapters.postgres.privileges import excess_privileges
from adapters.postgres.reindex import reindex as rebuild
from adapters.postgres.retention import remove_finished_jobs, remove_settled_findings
from adapters.system import SystemClock
from api.backup import Restored, back_up, settle, verify
from api.backup import restore as bring_back
from api.cli.context import EXIT_FALSE, JSON, LedgerName, counted, group, note, print_json, progress_bar, settings_for
from api.settings import Settings
from api.wiring import INDEXER, database_settings, spool_of

app = group("db")

_DAY_US: Final = 24 * 3600 * 1_000_000


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
    note(f"Applied {counted(len(applied), 'migration')}." if applied else "Nothing was pending.")


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
        typer.echo(f"{counted(report.applied, 'migration')} applied")
    for name in report.pending:
        note(f"pending: {name} (run: traceability db migrate)")
    for privilege in excess:
        note(f"the runtime role {privilege}: it should only SELECT and INSERT in schema ledger")
    if report.pending or excess:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def maintain(*, json: JSON = False) -> None:
    """Make partitions ahead of the events to come and remove what is long finished, as the owner role. Run it daily.

    A capture goes `TRACEABILITY_CAPTURE_KEEP_DAYS` after its end, with what a crash may have left of it in the spool; a
    finding so long after it was replayed or dismissed, with its event's bytes; the key of a repeated request so long
    after it came. Open findings stay, and so do records.
    It may be run again at any time, also after it was interrupted.

    For example:

    - `traceability db maintain`
    - `TRACEABILITY_CAPTURE_KEEP_DAYS=30 traceability db maintain --json`
    """
    settings = settings_for()
    captures = findings = 0
    with database_urls(database_settings(settings)) as urls, connect(urls.owner) as connection:
        left = make_partitions(connection)
        before = SystemClock().now_us() - settings.capture_keep_days * _DAY_US
        for removed in remove_settled_findings(connection, before):
            findings += removed
        for ledger, jobs in remove_finished_jobs(connection, before):
            captures += len(jobs)
            spool = spool_of(settings, ledger)
            for job_id in jobs:
                spool.remove(job_id)
        for _ in remove_event_requests(connection, before):
            pass
    if json:
        print_json({"positions_left": left, "captures_removed": captures, "findings_removed": findings})
    note(f"There is room for {left} more events.")
    note(
        f"Removed {counted(captures, 'capture')} and {counted(findings, 'settled finding')}"
        f" of more than {counted(settings.capture_keep_days, 'day')} ago."
    )


@app.command()
def reindex(
    *,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare only, change nothing; exit 1 if it differs.")
    ] = False,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Rebuild the index from the records and mend what differs, as the owner role; appends wait at the end.

    Servers that run keep some of what they have read: start them again when something was mended.

    For example:

    - `traceability db reindex --verify` checks that the index is exactly what the records say
    - `traceability db reindex` mends it
    """
    settings = settings_for(ledger=ledger)
    with database_urls(database_settings(settings)) as urls, progress_bar("Reading records") as advance:
        differences = rebuild(urls.owner, settings.ledger, INDEXER, repair=not verify, progress=advance)
    found = [difference for difference in differences if difference.surplus or difference.missing]
    if json:
        print_json({"clean": not found, "repaired": bool(found) and not verify, "tables": differences})
    for difference in found:
        note(f"{difference.table}: {counted(difference.missing, 'row')} missing, {difference.surplus} too many")
    note("The index is what the records say." if not found else "It differs." if verify else "Mended.")
    if found and not verify:
        note("Start the servers of this ledger again: they keep some of what they have read.")
    if found and verify:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def backup(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that is not there yet, or empty.")],
    *,
    check: Annotated[
        bool, typer.Option("--check/--no-check", help="Restore it beside FOLDER once, check everything, remove that.")
    ] = True,
    json: JSON = False,
) -> None:
    """Copy the database server's files, the logs and the lists of erasures, while everything goes on.

    Of a server of your own it holds everything: other databases and all roles, too. The role of
    `TRACEABILITY_DATABASE_OWNER_URL` then needs REPLICATION. The signing keys and the key of secrets are not in it:
    keep copies of them elsewhere. Exit 1 if the check finds something.

    For example:

    - `traceability db backup /backups/2026-03-01`
    - `traceability db backup /backups/2026-03-01 --no-check`, where the disk has no room for another copy
    """
    settings = settings_for()
    with progress_bar("Copying the database") as advance:
        made = back_up(settings, folder, advance)
    checked = _tell(verify(settings, folder)) if check else []
    if json:
        print_json({"backup": msgspec.to_builtins(made), "checked": checked if check else None})
    for ledger in made.ledgers:
        note(f"{ledger.name}: {counted(ledger.position, 'event')}, of which {ledger.published} are published")
    if any(ledger.findings or ledger.ahead for ledger in checked):
        raise typer.Exit(EXIT_FALSE)
    note(f"The backup in {folder} is whole{' and was restored once' if check else ''}.")
    note(f"It holds no key. Keep copies of them elsewhere: {_keys(settings)}.")


def _keys(settings: Settings) -> str:
    """Return where the keys are that logs are signed with, and secrets encrypted."""
    given = (
        ("TRACEABILITY_LOG_SIGNING_KEY", settings.log_signing_key),
        ("TRACEABILITY_LOG_KEY", settings.log_key),
        ("TRACEABILITY_SECRETS_KEY", settings.secrets_key),
    )
    return ", ".join([str(settings.data / "keys"), *(name for name, value in given if value is not None)])


@app.command()
def restore(
    folder: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="The folder of a backup.")] = None,
    *,
    server: Annotated[
        Path | None,
        typer.Option(
            "--server", metavar="FOLDER", help="Of a server of your own: its data folder, empty or not there yet."
        ),
    ] = None,
    in_place: Annotated[
        bool,
        typer.Option("--in-place", help="The database is back already, from a snapshot say: erase and check only."),
    ] = False,
    json: JSON = False,
) -> None:
    """Bring a backup back into a data folder without a database, erase again what was erased since, check all of it.

    The backup of a server of your own becomes a data folder of it: move it, give it to the server's account, start the
    server from it. With `--in-place` nothing is copied: the database of the settings, which you restored by other
    means, is gone over before it serves again, as the owner role.

    Logs that are in the data folder stay as they are: they tell what was published after the backup. If they are ahead
    of the restored database, nothing may be signed under their keys any more: the server refuses, and this says what to
    do. Bring the signing keys back yourself. Exit 1 if the check finds something.

    For example:

    - `TRACEABILITY_DATA=/srv/traceability traceability db restore /backups/2026-03-01`
    - `traceability db restore /backups/2026-03-01 --server /srv/postgres/18`
    - `traceability db restore --in-place`
    """
    settings = settings_for()
    if in_place:
        if folder is not None or server is not None:
            raise typer.BadParameter("--in-place restores no files: give neither FOLDER nor --server")
        restored = _tell(settle(settings))
    elif folder is None:
        raise typer.BadParameter("give the FOLDER of a backup, or --in-place")
    else:
        restored = _tell(bring_back(settings, folder, server))
    if server is not None:
        note(f"Start your server from {server}, once its account owns that folder.")
    if json:
        print_json({"ledgers": restored})
    if any(ledger.findings for ledger in restored):
        raise typer.Exit(EXIT_FALSE)


def _tell(restored: Iterator[Restored]) -> list[Restored]:
    done = []
    for ledger in restored:
        done.append(ledger)
        note(f"{ledger.name}: {counted(ledger.position, 'event')}, {len(ledger.erased)} erased again")
        if ledger.erased:
            positions = " ".join(map(str, ledger.erased))
            note(f"  Old versions of the rows stay in the data files until: traceability ledger purge {positions}")
        for finding in ledger.findings:
            leaf = "" if finding.leaf is None else f"leaf {finding.leaf}: "
            note(f"  {leaf}{finding.message} ({finding.code})")
        if ledger.ahead is not None:
            note(f"  {ledger.ahead}")
            note("  To go on, give this log up and open another: traceability log close --abandon --help")
    return done


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
