"""`traceability log fsck`: check the ledger, its index, the log's files, and what others kept of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api import fsck as checks
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, LogName, counted, note, opened, print_json, progress_bar
from api.notary import published_log
from traceability.notary.report import Report

_DIGITS = 19  # of a position, which the database keeps in 63 bits


class Scope(StrEnum):
    """What there is to check."""

    RECORDS = checks.RECORDS
    INDEX = checks.INDEX
    FILES = checks.FILES


def fsck(
    *,
    name: LogName = None,
    scope: Annotated[
        list[Scope] | None,
        typer.Option("--scope", help="Only this; may be repeated. `index` reads the records too.", show_default="all"),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="POSITION|last",
            help="Trust what an earlier good check confirmed, up to a position or all of it.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin at the first entry, not where an interrupted check had come to.")
    ] = False,
    copy: Annotated[
        list[Path] | None,
        typer.Option("--copy", metavar="FOLDER", help="Compare a second copy of the log's files; may be repeated."),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint", metavar="FILE", help="A checkpoint that somebody kept must be in the log; may be repeated."
        ),
    ] = None,
    ledger: LedgerName = None,
    as_: As = None,
    json: JSON = False,
) -> None:
    """Check every record, index row, tile and signed checkpoint; exit 1 and name the first entry that is bad.

    Lawful erasure is told from tampering by the event that names it. A check that is interrupted goes on where it was;
    one that was good is kept in the data folder, and `--since` builds on it.

    For example:

    - `traceability log fsck` checks everything
    - `traceability log fsck --since last` checks what is new since the last check
    - `traceability log fsck --scope files --copy /mnt/mirror/logs/main --checkpoint kept.txt`
    """
    for path in (*(copy or ()), *(checkpoint or ())):
        if not path.exists():
            raise typer.BadParameter(f"{path} does not exist", param_hint="--copy / --checkpoint")
    asked = checks.Asked(
        scopes=frozenset(one.value for one in scope) if scope else frozenset(checks.SCOPES),
        since=_since(since),
        copies=copy or (),
        checkpoints=checkpoint or (),
        restart=restart,
    )
    with opened(ledger, as_) as engine, _bars() as show:
        log = published_log(engine, name)
        checked = checks.LogCheck(engine, log, asked, show).run()
    if json:
        print_json(
            {
                "clean": checked.clean,
                "since": checked.since,
                "resumed": checked.resumed,
                **{name: _data(report) for name, report in checked.scopes.items()},
                "outside": [{"name": name, **_data(report)} for name, report in checked.outside.items()],
            }
        )
    _tell(checked)
    if not checked.clean:
        raise typer.Exit(EXIT_FALSE)
    records, files = checked.scopes.get("database"), checked.scopes.get(checks.FILES)
    if log.database.identity.abandoned_note is not None and records is not None and files is not None:
        note(
            f"Abandoned: {files.leaves} leaves are published, and the restored ledger has the first {records.leaves}."
            " The others are beyond it."
        )


def _tell(checked: checks.Checked) -> None:
    if checked.resumed:
        note(f"An interrupted check had come to position {checked.since}: this one went on from there.")
    if checked.problem is not None:
        note(f"The next check cannot build on this one: {checked.problem}")
    for report in (*checked.scopes.values(), *checked.outside.values()):
        for finding in report.findings:
            leaf = "" if finding.leaf is None else f"leaf {finding.leaf}: "
            note(f"{leaf}{finding.message} ({finding.code})")
        if report.found > len(report.findings):
            note(f"… and {report.found - len(report.findings)} more.")
    if checked.clean:
        note(f"Good: {', '.join(_good(checked))}.")


def _good(checked: checks.Checked) -> Iterator[str]:
    begin = "" if checked.since == 1 else f" from position {checked.since} on"
    if (records := checked.scopes.get("database")) is not None:
        yield f"{records.leaves} leaves{begin}"
        yield counted(records.checkpoints, "checkpoint")
        yield counted(records.erased, "lawful erasure")
    if checks.INDEX in checked.scopes:
        yield "their index"
    if (files := checked.scopes.get(checks.FILES)) is not None:
        yield counted(files.files, "tile")
    yield from checked.outside


def _since(text: str | None) -> str | int | None:
    if text is None or text == checks.LAST:
        return text
    if text.isascii() and text.isdecimal() and len(text) < _DIGITS:
        return int(text)
    raise typer.BadParameter("neither a position nor `last`", param_hint="--since")


@contextmanager
def _bars() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Give a function that opens a bar for what is done next, in place of the one before."""
    with ExitStack() as stack:

        def show(what: str) -> Callable[[int, int], None]:
            stack.close()
            return stack.enter_context(progress_bar(what))

        yield show


def _data(report: Report) -> dict[str, object]:
    names = ("leaves", "checkpoints", "files", "erased", "found", "findings")
    return {name: getattr(report, name) for name in names}
