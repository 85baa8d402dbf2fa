"""`traceability audit …`: all openings of a log as one encrypted file, and answers recomputed from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from adapters.exports.files import read_file
from adapters.exports.provenance import ExportedEvents
from api.audit import Difference, difference, export_log, read_answer, read_question, reader_named
from api.audit import recompute as answer_from
from api.cli.context import EXIT_FALSE, JSON, LedgerName, group, note, operated, print_json, progress_bar
from api.wiring import INDEXER
from traceability.errors import NotFoundError
from traceability.notary.errors import VerificationError
from traceability.notary.export import AuditExport
from traceability.notary.note import VerifierKey

app = group("audit", "All openings of a log in one encrypted file, and answers recomputed from it.")

PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Its first line.", show_default="ask on the terminal"),
]


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file; .age is the usual ending.")],
    *,
    passphrase_file: PassphraseFile = None,
    log: Annotated[
        str | None, typer.Option("--log", metavar="NAME", help="This log.", show_default="the last one")
    ] = None,
    until: Annotated[
        int | None,
        typer.Option("--until", min=0, metavar="SIZE", help="End at this checkpoint.", show_default="the last one"),
    ] = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Write every part and salt of every event, and the checkpoint that they add up to, as the owner role.

    Whoever has the file and its passphrase can read everything that is in the ledger, and can show that it is all of
    it. The file is in the format of age, so `age --decrypt` opens it too.

    Example: `traceability audit export 2026.age --passphrase-file words.txt`
    """
    passphrase = passphrase_of(passphrase_file, confirm=True)
    with operated(ledger) as engine, progress_bar("events") as progress:
        checkpoint, size = export_log(engine, file, passphrase, log=log, until=until, progress=progress)
    if json:
        print_json(
            {
                "file": str(file),
                "bytes": size,
                "origin": checkpoint.origin,
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
            }
        )
    note(f"Wrote {checkpoint.size} events of {checkpoint.origin} to {file}; it opens everything to who can decrypt it.")


@app.command()
def recompute(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An audit export.")],
    *,
    key: Annotated[str, typer.Option("--key", metavar="VKEY", help="The log's public key, from whom you trust.")],
    question: Annotated[
        str, typer.Option("--question", metavar="JSON", help="A file, or the JSON itself, which begins with {.")
    ],
    answer: Annotated[
        Path | None,
        typer.Option("--answer", metavar="FILE", help="Compare with this answer of the HTTP interface or --json."),
    ] = None,
    as_: Annotated[
        str | None,
        typer.Option("--as", metavar="ORGANISATION", help="As it may see.", show_default="who sees everything"),
    ] = None,
    passphrase_file: PassphraseFile = None,
    json: JSON = False,
) -> None:
    """Check every leaf and the root of an export, and answer a question from it alone, without a database.

    With `--answer` exit 1 and name the first difference, if there is one; else print the answer.

    For example:

    - `traceability audit recompute 2026.age --key "$(cat log.vkey)" --question '{"item": "(00)095211030000070017"}'`
    - `traceability audit recompute 2026.age --key "$(cat log.vkey)" --question trace.json --answer answer.json`
    """
    try:
        verifier = VerifierKey.parse(key)
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key") from error
    asked = read_question(question.encode() if question.lstrip().startswith("{") else _content(question, "--question"))
    given = None if answer is None else read_answer(_content(answer, "--answer"))
    with read_file(file, passphrase_of(passphrase_file, confirm=False)) as plain:
        export = AuditExport(plain)
        reader = reader_named(export.header, as_)
        with progress_bar("events") as progress:
            events = ExportedEvents(export, verifier, INDEXER, progress=progress)
        note(f"Good: {export.header.size} events give the root that {export.header.origin} signed.")
        try:
            data = answer_from(events, asked, reader, given)
        except NotFoundError as error:
            if given is None:
                raise
            # A refusal is compared by what it refuses for.
            data, given = orjson.dumps({"code": error.code}), {"code": given.get("code")}
    if given is None:
        typer.echo(data)
        return
    found = difference(given, read_answer(data))
    if json:
        print_json({"same": found is None, "difference": None if found is None else _shown(found)})
    if found is not None:
        note(f"Different at {found.pointer}: the answer has {found.answer}, the events give {found.recomputed}.")
        raise typer.Exit(EXIT_FALSE)
    note("Same: the answer is what the events give.")


def passphrase_of(file: Path | None, *, confirm: bool) -> str:
    """Return the passphrase from a file, or ask for it on a terminal."""
    if file is not None:
        try:
            return _content(file, "--passphrase-file").decode().partition("\n")[0].rstrip("\r")
        except UnicodeDecodeError as error:
            raise typer.BadParameter(f"{file} is not text", param_hint="--passphrase-file") from error
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on: give --passphrase-file")
    asked: str = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return asked


def _content(path: str | Path, option: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read", param_hint=option) from error


def _shown(found: Difference) -> dict[str, str]:
    return {name: str(getattr(found, name)) for name in ("pointer", "answer", "recomputed")}
