"""`traceability log …`: the ledger's Merkle log, its checkpoints, receipts and checks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from adapters.signing.receipts import public_pem
from api.cli.context import (
    EXIT_FALSE,
    JSON,
    As,
    LedgerName,
    LogName,
    counted,
    group,
    note,
    opened,
    print_json,
)
from api.cli.monitor import monitor
from api.cli.other_proofs import CoseFile, CoseKeyFile, RootsFile, TimestampFile, other_proofs, print_cose
from api.cli.timestamp import timestamp, timestamps
from api.cose import cose_key as public_cose_key
from api.cose import cose_receipt
from api.notary import integrate_all, published_log, receipt
from api.timestamps import stamped_receipt
from traceability.errors import NotFoundError
from traceability.ledger.store import Ledger
from traceability.notary.errors import NotPublishedError, VerificationError
from traceability.notary.fsck import Report, check_database, check_files
from traceability.notary.note import VerifierKey
from traceability.notary.verify import verify_receipt

_DIGITS = 19  # of a position, which the database keeps in 63 bits

app = group("log", "The Merkle log: integrate, prove, verify, check.")
app.command()(timestamps)
app.command()(timestamp)
app.command()(monitor)


@app.command()
def integrate(*, ledger: LedgerName = None, as_: As = None, json: JSON = False) -> None:
    """Publish a checkpoint over everything that is recorded; a running server does so by itself."""
    with opened(ledger, as_) as engine:
        checkpoint = integrate_all(engine)
    if json:
        print_json({"origin": checkpoint.origin, "size": checkpoint.size, "root": checkpoint.root.hex()})
    note(f"Published a checkpoint of size {checkpoint.size} of {checkpoint.origin}.")


@app.command()
def checkpoint(*, name: LogName = None, ledger: LedgerName = None, as_: As = None, json: JSON = False) -> None:
    """Print the published checkpoint, as it is signed."""
    with opened(ledger, as_) as engine:
        log = published_log(engine, name)
        served = log.served()
    if served is None:
        raise NotPublishedError("nothing of this log is published yet", hint="Run: traceability log integrate")
    head, text = served
    if json:
        print_json({"origin": head.origin, "size": head.size, "root": head.root.hex(), "note": text})
    else:
        typer.echo(text, nl=False)


@app.command()
def key(
    *,
    cose: Annotated[bool, typer.Option("--cose", help="The key of its COSE receipts, in PEM.")] = False,
    name: LogName = None,
    ledger: LedgerName = None,
    as_: As = None,
    json: JSON = False,
) -> None:
    """Print the log's public key, with which anyone verifies its receipts."""
    with opened(ledger, as_) as engine:
        identity = published_log(engine, name).database.identity
        pem = public_pem(public_cose_key(engine, identity.name)) if cose else None
    if json:
        names = {"name": identity.name, "origin": identity.origin}
        print_json({**names, "vkey": identity.vkey} if pem is None else {**names, "cose_key": pem})
    elif pem is not None:
        typer.echo(pem, nl=False)
    else:
        typer.echo(identity.vkey)


@app.command()
def prove(
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Its event id, or its position.")],
    *,
    item: Annotated[
        list[str] | None, typer.Option("--item", metavar="ID", help="Open only this item; may be repeated.")
    ] = None,
    stamp: Annotated[
        Path | None,
        typer.Option(
            "--timestamp", metavar="FILE", help="Prove it under the first stamped checkpoint; write the timestamp here."
        ),
    ] = None,
    cose: Annotated[
        bool, typer.Option("--cose", help="Print a COSE receipt (RFC 9942) instead: binary, and opens nothing.")
    ] = False,
    ledger: LedgerName = None,
    as_: As = None,
    json: JSON = False,
) -> None:
    """Print the receipt of an event, with the parts open that the organisation may see.

    Example: `traceability log prove 019ca877-0c1b-7000-8000-000000000001 > pack.tlog-proof`
    """
    if cose and (stamp is not None or item):
        raise typer.BadParameter("--cose goes with neither --item nor --timestamp", param_hint="--cose")
    with opened(ledger, as_) as engine:
        event_id = _event_id(engine.ledger, event)
        reader = engine.organisations.reader(engine.settings.organisation)
        if cose:
            print_cose(event_id, cose_receipt(engine, event_id, reader), json=json)
            return
        if stamp is None:
            proof = receipt(engine, event_id, reader, item or ())
        else:
            proof, stored = stamped_receipt(engine, event_id, reader, item or ())
            stamp.write_bytes(stored.response)
    if json:
        print_json({"event_id": event_id, "index": proof.index, "receipt": proof.text()})
    else:
        typer.echo(proof.text(), nl=False)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="RECEIPT", help="File of the receipt, - for standard input.")],
    *,
    key: Annotated[str, typer.Option("--key", metavar="VKEY", help="The log's public key.")],
    stamp: TimestampFile = None,
    roots: RootsFile = None,
    cose: CoseFile = None,
    cose_key: CoseKeyFile = None,
    json: JSON = False,
) -> None:
    """Check a receipt with the log's public key alone; exit 1 if it does not hold.

    With `--timestamp` and `--roots` also when, at the latest, an authority saw its checkpoint; with `--cose` and
    `--cose-key` a COSE receipt of the same event too. Needs no database and no network; without these four
    `python -m traceability.notary.verify` is the same without this program's dependencies.

    Example: `traceability log verify pack.tlog-proof --key "$(traceability log key)"`
    """
    try:
        verifier = VerifierKey.parse(key)
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key") from error
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="RECEIPT") from error
    verified = verify_receipt(data, verifier)
    opening = verified.opening
    others = list(other_proofs(data, verified, verifier, timestamp=stamp, roots=roots, cose=cose, cose_key=cose_key))
    if json:
        shown = opening.shown()
        print_json(
            {
                "verified": True,
                "origin": verified.checkpoint.origin,
                "size": verified.checkpoint.size,
                "index": verified.index,
                "event_id": opening.event_id,
                "recorded_at": opening.recorded_at,
                "head": shown.head.decode(),
                "items": [content.decode() for content in shown.what],
                "withheld": opening.closed(),
            }
            | {other.name: other.members for other in others}
        )
    else:
        typer.echo("\n".join([*verified.lines(), *(other.line for other in others)]))


@app.command()
def fsck(*, name: LogName = None, ledger: LedgerName = None, as_: As = None, json: JSON = False) -> None:
    """Rebuild every leaf, tile and signed root and compare; exit 1 and name what is bad.

    Reads the whole log. Lawful erasure is told from tampering by the event that names it.
    """
    with opened(ledger, as_) as engine:
        log = published_log(engine, name)
        note("Reading the records …")
        database = check_database(log.database)
        note("Reading the files …")
        files = check_files(log.database, log.tiles)
    if json:
        print_json({"clean": database.clean and files.clean, "database": _data(database), "files": _data(files)})
    for finding in (*database.findings, *files.findings):
        leaf = "" if finding.leaf is None else f"leaf {finding.leaf}: "
        note(f"{leaf}{finding.message} ({finding.code})")
    if not (database.clean and files.clean):
        raise typer.Exit(EXIT_FALSE)
    if log.database.identity.abandoned_note is not None:
        note(
            f"Abandoned: {files.leaves} leaves are published, and the restored ledger has the first {database.leaves}."
            " The others are beyond it."
        )
    note(
        f"Good: {database.leaves} leaves, {counted(database.checkpoints, 'checkpoint')},"
        f" {counted(files.files, 'tile')}, {counted(database.erased, 'lawful erasure')}."
    )


def _event_id(ledger: Ledger, text: str) -> UUID:
    if not (text.isascii() and text.isdecimal() and len(text) < _DIGITS):
        try:
            return UUID(text)
        except ValueError:
            raise typer.BadParameter("neither an event id nor a position", param_hint="EVENT") from None
    for record in ledger.records([int(text)]):
        assert record.event.event_id is not None
        return record.event.event_id
    raise NotFoundError("There is no such event", code="ledger.unknown_event")


def _data(report: Report) -> dict[str, object]:
    return {name: getattr(report, name) for name in ("leaves", "checkpoints", "files", "erased", "findings")}
