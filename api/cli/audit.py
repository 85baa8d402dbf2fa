"""`traceability audit …`: all openings of a ledger's logs as one encrypted file, and answers recomputed from it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated

import orjson
import typer

from adapters.exports.files import read_file
from adapters.exports.provenance import ExportedEvents
from api.audit import Difference, difference, export_log, read_answer, read_question, reader_named
from api.audit import recompute as answer_from
from api.cli.context import EXIT_FALSE, JSON, LedgerName, group, note, print_json, progress_bar
from api.cli.opening import operated
from api.wiring import INDEXER
from traceability.errors import NotFoundError
from traceability.notary.errors import VerificationError
from traceability.notary.export import AuditExport, Joined
from traceability.notary.note import VerifierKey

app = group("audit")

Exports = Annotated[
    list[Path], typer.Argument(metavar="FILE…", help="Audit exports: of one log or several, in their order.")
]
Keys = Annotated[
    list[str],
    typer.Option("--key", metavar="VKEY", help="A log's public key, from whom you trust; once for each log."),
]

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
        str | None,
        typer.Option("--log", metavar="NAME", help="This log only.", show_default="all, one after the other"),
    ] = None,
    until: Annotated[
        int | None,
        typer.Option("--until", min=0, metavar="SIZE", help="End at this one of the last log's checkpoints."),
    ] = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Write every part and salt of every event, and the checkpoints that they add up to, as the owner role.

    Whoever has the file and its passphrase can read everything that is in the ledger, and can show that it is all of
    it. The file is in the format of age, so `age --decrypt` opens it too.

    Example: `traceability audit export 2026.age --passphrase-file words.txt`
    """
    passphrase = passphrase_of(passphrase_file, confirm=True)
    with operated(ledger) as engine, progress_bar("events") as progress:
        checkpoints, size = export_log(engine, file, passphrase, log=log, until=until, progress=progress)
    if json:
        logs = [{"origin": one.origin, "size": one.size, "root": one.root.hex()} for one in checkpoints]
        print_json({"file": str(file), "bytes": size, "logs": logs})
    for one in checkpoints:
        note(f"Wrote {one.size} events of {one.origin} to {file}.")
    note("It opens everything to who can decrypt it.")


@app.command()
def recompute(
    files: Exports,
    *,
    key: Keys,
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
    """Check every leaf and each root of an export, and answer a question from it alone, without a database.

    Of a ledger that has closed a log all logs are needed: exported as one, or file after file.

    With `--answer` exit 1 and name the first difference, if there is one; else print the answer.

    For example:

    - `traceability audit recompute 2026.age --key "$(cat log.vkey)" --question '{"item": "(00)095211030000070017"}'`
    - `traceability audit recompute 2026.age --key "$(cat log.vkey)" --question trace.json --answer answer.json`
    """
    verifiers = keys_of(key)
    asked = read_question(question.encode() if question.lstrip().startswith("{") else _content(question, "--question"))
    given = None if answer is None else read_answer(_content(answer, "--answer"))
    with opened_exports(files, passphrase_of(passphrase_file, confirm=False)) as export:
        with progress_bar("events") as progress:
            events = ExportedEvents(export, verifiers, INDEXER, progress=progress)
        for header in events.headers:
            note(f"Good: {header.size} events give the root that {header.origin} signed.")
        reader = reader_named(events.headers[-1], as_)
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


@contextmanager
def opened_exports(files: Sequence[Path], passphrase: str) -> Iterator[AuditExport]:
    """Give what these files hold, one behind the other."""
    with ExitStack() as stack:
        yield AuditExport(Joined([stack.enter_context(read_file(file, passphrase)) for file in files]))


def keys_of(texts: Sequence[str]) -> list[VerifierKey]:
    """Return the keys of the option `--key`."""
    try:
        return [VerifierKey.parse(text) for text in texts]
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key") from error


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
