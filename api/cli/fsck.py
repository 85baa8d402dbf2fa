"""`traceability log fsck`: check the ledger, its index, the files of its logs, and what others kept of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from api import fsck as checks
from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, counted, note, print_json, progress_bar
from api.cli.opening import opened
from api.fsck_chain import check_logs
from api.notary import published_logs
from traceability.notary.chain import abandoned_size
from traceability.notary.report import Report

_DIGITS = 19  # of a position, which the database keeps in 63 bits


class Scope(StrEnum):
    """What there is to check."""

    RECORDS = checks.RECORDS
    INDEX = checks.INDEX
    FILES = checks.FILES


def fsck(
    *,
    name: Annotated[
        str | None,
        typer.Option("--log", metavar="NAME", help="Only this log of the ledger.", show_default="all of its chain"),
    ] = None,
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
        typer.Option(
            "--copy",
            metavar="FOLDER",
            exists=True,
            file_okay=False,
            help="Compare a second copy of a log's files; may be repeated.",
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            "--checkpoint",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A checkpoint that somebody kept must be in its log; may be repeated.",
        ),
    ] = None,
    ledger: LedgerName = None,
    as_: As = None,
    json: JSON = False,
) -> None:
    """Check every record, index row, tile and signed checkpoint; exit 1 and name the first entry that is bad.

    All logs of the ledger are checked, closed ones too, and that they follow each other without a gap. Lawful erasure
    is told from tampering by the event that names it. A check that is interrupted goes on where it was; one that was
    good is kept in the data folder, and `--since` builds on it.

    For example:

    - `traceability log fsck` checks everything
    - `traceability log fsck --log main-2026h1` checks one log of the chain
    - `traceability log fsck --since last` checks what is new since the last check
    - `traceability log fsck --scope files --copy /mnt/mirror/logs/main --checkpoint kept.txt`
    """
    asked = checks.Asked(
        scopes=frozenset(one.value for one in scope) if scope else frozenset(checks.SCOPES),
        since=_since(since),
        copies=copy or (),
        checkpoints=checkpoint or (),
        restart=restart,
    )
    with opened(ledger, as_) as engine, _bars() as show:
        found = check_logs(engine, asked, show, name=name)
        identities = {log.name: log.database.identity for log in published_logs(engine)}
    if json:
        print_json(
            {
                "clean": found.clean,
                "chain": None if found.chain is None else _findings(found.chain),
                "logs": [{"name": name, **_data(checked)} for name, checked in found.logs.items()],
            }
        )
    if found.chain is not None:
        _tell_findings(found.chain, "")
    for log, checked in found.logs.items():
        named = f"{log}: " if len(found.logs) > 1 else ""
        _tell(checked, named)
        size, records = abandoned_size(identities[log]), checked.scopes.get("database")
        if size is not None and records is not None and checked.clean:
            note(
                f"{named}Abandoned: others have seen {size} leaves, and the restored ledger has the first"
                f" {records.leaves}. The rest are beyond it."
            )
    if not found.clean:
        raise typer.Exit(EXIT_FALSE)
    if len(found.logs) > 1:
        note(f"Good: {len(found.logs)} logs, one after the other without a gap.")


def _tell(checked: checks.Checked, log: str) -> None:
    if checked.resumed:
        note(f"{log}An interrupted check had come to position {checked.since}: this one went on from there.")
    if checked.problem is not None:
        note(f"{log}The next check cannot build on this one: {checked.problem}")
    for report in (*checked.scopes.values(), *checked.outside.values()):
        _tell_findings(report, log)
    if checked.clean:
        note(f"{log}Good: {', '.join(_good(checked))}.")


def _tell_findings(report: Report, log: str) -> None:
    for finding in report.findings:
        leaf = "" if finding.leaf is None else f"leaf {finding.leaf}: "
        note(f"{log}{leaf}{finding.message} ({finding.code})")
    if report.found > len(report.findings):
        note(f"{log}… and {report.found - len(report.findings)} more.")


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


def _data(checked: checks.Checked) -> dict[str, object]:
    return {
        "clean": checked.clean,
        "since": checked.since,
        "resumed": checked.resumed,
        **{name: _counts(report) for name, report in checked.scopes.items()},
        "outside": [{"name": name, **_counts(report)} for name, report in checked.outside.items()],
    }


def _counts(report: Report) -> dict[str, object]:
    names = ("leaves", "checkpoints", "files", "erased")
    return {name: getattr(report, name) for name in names} | _findings(report)


def _findings(report: Report) -> dict[str, object]:
    return {"found": report.found, "findings": report.findings}
