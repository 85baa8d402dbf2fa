"""`traceability feed …`: what partners send, checked and recorded."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.postgres.ledgers import personal_members
from api.cli.context import (
    EXIT_FALSE,
    JSON,
    As,
    LedgerName,
    counted,
    group,
    note,
    opened,
    print_json,
    progress_bar,
    settings_for,
)
from traceability.errors import InvalidInputError, NotFoundError
from traceability.gs1.epcis import CapturedEvent, Document, Problem, read_document
from traceability.ledger.store import Appended, Ledger, Outcome

app = group("feed", "Feeds of EPCIS documents: check, import.")

_STDIN = Path("-")
_LARGEST = 1 << 30  # bytes; a document is read whole

Files = Annotated[list[Path], typer.Argument(metavar="FILE", help="EPCIS 2.0 JSON or JSON-LD; - is stdin.")]


@dataclass(frozen=True, slots=True)
class _Read:
    """A file and what is in it."""

    file: Path
    document: Document

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.document.problems if problem.severity == "error"]


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What became of an event of a file."""

    file: Path
    event: CapturedEvent
    appended: Appended


@app.command()
def check(files: Files, *, as_: As = None, json: JSON = False) -> None:
    """Say what is wrong with documents, event by event; record nothing, need no database. Exit 1 if anything is.

    For example:

    - `traceability feed check shipment.json`
    - `traceability feed check *.jsonld --json`
    """
    read = _read_all(files, settings_for(as_=as_).organisation, ())
    if json:
        print_json({"valid": all(one.document.valid for one in read), "files": [_file_document(one) for one in read]})
    else:
        _print_problems(read)
    _note_checked(read)
    if any(not one.document.valid for one in read):
        raise typer.Exit(EXIT_FALSE)


@app.command("import")
def import_(
    files: Files,
    *,
    proceed: Annotated[bool, typer.Option("--proceed", help="Record the good events although others are bad.")] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record the events of documents as an organisation. All files are checked before anything is recorded.

    One bad event keeps everything out, unless `--proceed`. Events that the organisation has recorded before are
    duplicates and are not recorded twice, so a broken import is simply run again. An event with a recorded one's ID and
    other content is a conflict and is not recorded. Exit 1 if an event was bad or in conflict.

    For example:

    - `traceability feed import shipment.json --as dairy.example`
    - `traceability feed import *.jsonld --proceed --json`
    """
    with opened(ledger, as_) as engine:
        with engine.pool.connection() as connection:
            personal = personal_members(connection, engine.ledger.ledger_id)
        read = _read_all(files, engine.settings.organisation, personal)
        refused = any(not one.document.valid for one in read)
        recorded = [] if refused and not proceed else _record(engine.ledger, read)
    if json:
        print_json(_import_document(read, recorded))
    else:
        _print_problems(read)
        _print_recorded(recorded)
    _note_checked(read)
    _note_recorded(recorded, kept_out=refused and not proceed)
    if refused or any(one.appended.outcome is Outcome.CONFLICT for one in recorded):
        raise typer.Exit(EXIT_FALSE)


def _read_all(files: Sequence[Path], organisation: str, personal: Sequence[str]) -> list[_Read]:
    read = []
    with progress_bar("Checking files") as advance:
        for done, file in enumerate(files, start=1):
            read.append(_Read(file, read_document(_bytes_of(file), captured_by=organisation, personal=personal)))
            advance(done, len(files))
    return read


def _bytes_of(file: Path) -> bytes:
    try:
        if file == _STDIN:
            data = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(_LARGEST + 1)
    except OSError as error:
        raise NotFoundError(
            f"Cannot read {file}: {error.strerror or error}", code="feed.file", hint="Give the path of a file, or -."
        ) from error
    if len(data) > _LARGEST:
        raise InvalidInputError(f"{file} is longer than {_LARGEST} bytes", code="feed.too_long", hint="Split it.")
    return data


def _record(ledger: Ledger, read: Sequence[_Read]) -> list[_Recorded]:
    captured = [(one.file, event) for one in read for event in one.document.events]
    recorded: list[_Recorded] = []
    with progress_bar("Recording events") as advance:
        for batch in ledger.append_all(event.event for _, event in captured):
            recorded += (_Recorded(*captured[appended.index], appended) for appended in batch)
            advance(len(recorded), len(captured))
    return recorded


def _file_document(one: _Read) -> dict[str, Any]:
    return {"file": str(one.file), "events": len(one.document.events), "problems": one.document.problems}


def _import_document(read: Sequence[_Read], recorded: Sequence[_Recorded]) -> dict[str, Any]:
    return {
        "files": [_file_document(one) for one in read],
        **_counts(recorded),
        "events": [
            {
                "file": str(one.file),
                "path": one.event.path,
                "outcome": one.appended.outcome,
                "position": one.appended.position,
                "event_id": one.appended.event_id,
            }
            for one in recorded
        ],
    }


def _counts(recorded: Iterable[_Recorded]) -> dict[str, int]:
    found = Counter(one.appended.outcome for one in recorded)
    return {
        "recorded": found[Outcome.RECORDED],
        "duplicates": found[Outcome.DUPLICATE],
        "conflicts": found[Outcome.CONFLICT],
    }


def _print_problems(read: Sequence[_Read]) -> None:
    for one in read:
        for problem in one.document.problems:
            typer.echo(f"{one.file}: {problem.path}: {problem.severity} {problem.code}: {problem.message}")


def _print_recorded(recorded: Sequence[_Recorded]) -> None:
    for first, last in _runs(one.appended.position for one in recorded if one.appended.outcome is Outcome.RECORDED):
        typer.echo(f"recorded positions {first} to {last}")
    for one in recorded:
        if one.appended.outcome is Outcome.CONFLICT:
            where = f"{one.file}: {one.event.path}"
            typer.echo(f"{where}: conflict: position {one.appended.position} has this eventID and other content")


def _runs(positions: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Join neighbouring positions: others append beside an import."""
    first = last = None
    for position in positions:
        if first is None or last is None:
            first = last = position
        elif position == last + 1:
            last = position
        else:
            yield first, last
            first = last = position
    if first is not None and last is not None:
        yield first, last


def _note_checked(read: Sequence[_Read]) -> None:
    errors = sum(len(one.errors) for one in read)
    warnings = sum(len(one.document.problems) for one in read) - errors
    events = sum(len(one.document.events) for one in read)
    found = (counted(events, "good event"), counted(errors, "error"), counted(warnings, "warning"))
    note(f"Checked {counted(len(read), 'file')}: {', '.join(found)}.")


def _note_recorded(recorded: Sequence[_Recorded], *, kept_out: bool) -> None:
    if kept_out:
        note("Nothing was recorded. Correct the events above, or record the good ones with --proceed.")
        return
    counts = _counts(recorded)
    words = (counted(counts["duplicates"], "duplicate"), counted(counts["conflicts"], "conflict"))
    note(f"{counts['recorded']} recorded, {', '.join(words)}.")
