"""`traceability evidence …`: register files by their digest, certify them, and compare a file with a receipt."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO, Final
from uuid import UUID

import typer

from api.bundles import evidence_bundle
from api.cli.context import JSON, As, LedgerName, group, note, print_json
from api.cli.item import save_bundle
from api.cli.opening import opened
from api.cli.output import OutputFile, writing
from api.evidence import certificate as certify
from api.evidence import check_file, describe, find, in_words, register, store, stored_file
from api.wiring import Engine
from traceability.errors import InvalidInputError
from traceability.ledger.evidence import EvidenceRegistered, read_sha256
from traceability.ledger.store import Record
from traceability.notary.bundle import Kind
from traceability.notary.errors import VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.receipt import Opening
from traceability.notary.trust import Trust, TrustedCheckpoint
from traceability.notary.verify import VerifiedReceipt, verify
from traceability.notary.verify_bundle import VerifiedBundle

app = group("evidence")

_LOCAL: Final = "http://127.0.0.1:8000"
_CHUNK: Final = 1 << 20
_OUTPUT: Final = "evidence.output"


@app.command("register")
def register_file(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file, - for standard input, or its SHA-256.")],
    *,
    statement: Annotated[str | None, typer.Option(help="What it is, for the certificate; name no person.")] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep the file, too, encrypted, for the organisation alone.")
    ] = False,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Record that the organisation has a file now. Only its digest and its length are kept, unless told otherwise.

    For example:

    - `traceability evidence register contract.pdf --statement "Contract of 1 March"`
    - `traceability evidence register 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`
    """
    evidence = None if keep else _evidence(file, statement)
    with opened(ledger, as_) as engine:
        organisation = engine.settings.organisation
        if evidence is None:
            with _open(file) as stream:
                record, new = store(engine, organisation, iter(partial(stream.read, _CHUNK), b""), statement)
        else:
            record, new = register(engine, organisation, evidence)
        shown = describe(engine, record, engine.settings.public_url or _LOCAL)
    if json:
        print_json(shown.model_dump(mode="json") | {"new": new})
    else:
        typer.echo(shown.event_id)
    note(f"{'Registered' if new else 'It was registered before,'} at {in_words(shown.recorded_at)}: {shown.sha256}")


@app.command()
def certificate(
    event: Annotated[UUID, typer.Argument(metavar="EVENT", help="The event id that `register` printed.")],
    *,
    output: OutputFile,
    base: Annotated[
        str | None,
        typer.Option(metavar="URL", help="The server that the code leads to.", show_default="TRACEABILITY_PUBLIC_URL"),
    ] = None,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Write the certificate of a registered file: one page with a QR code, and the receipt attached.

    Example: `traceability evidence certificate 019ca877-0c1b-7000-8000-000000000001 -o contract-certificate.pdf`
    """
    with opened(ledger, as_) as engine:
        pdf = certify(engine, _own(engine, event), base or engine.settings.public_url or _LOCAL)
    with writing(output, code=_OUTPUT) as out:
        out.file.write(pdf)
    note(f"{output}: {len(pdf)} bytes")


@app.command()
def bundle(
    event: Annotated[UUID, typer.Argument(metavar="EVENT", help="The event id that `register` printed.")],
    *,
    output: OutputFile,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Write the bundle of a registered file: what is said of it, its receipt, and how to check both.

    Example: `traceability evidence bundle 019ca877-0c1b-7000-8000-000000000001 -o contract.zip`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        made = evidence_bundle(engine, reader, _own(engine, event), engine.settings.public_url or _LOCAL)
        save_bundle(engine, made, output)


@app.command("file")
def kept_file(
    event: Annotated[UUID, typer.Argument(metavar="EVENT", help="The event id that `register` printed.")],
    *,
    output: OutputFile,
    as_: As = None,
    ledger: LedgerName = None,
) -> None:
    """Write a file that was kept with its evidence.

    Example: `traceability evidence file 019ca877-0c1b-7000-8000-000000000001 -o contract.pdf`
    """
    with opened(ledger, as_) as engine:
        plain, stored = stored_file(engine, _own(engine, event), engine.settings.organisation)
        with stored, writing(output, code=_OUTPUT, new=True) as out:
            out.file.writelines(plain)
    note(f"{output}: {plain.size} bytes")


@app.command()
def check(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file in question, - for standard input.")],
    proof: Annotated[
        Path, typer.Argument(metavar="PROOF", help="The receipt, which the certificate has attached, or the bundle.")
    ],
    *,
    key: Annotated[str, typer.Option("--key", metavar="VKEY", help="The log's public key.")],
    json: JSON = False,
) -> None:
    """Check a receipt or bundle, and that it is of this file; exit 1 if not. Needs no database and no network.

    For example:

    - `traceability evidence check contract.pdf receipt.tlog-proof --key "$(cat log.vkey)"`
    - `traceability evidence check contract.pdf contract.zip --key "$(cat log.vkey)"`
    """
    try:
        verifier = VerifierKey.parse(key)
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key") from error
    verified = verify(_read(proof), Trust((verifier,)))
    opening, index, signed = _one_event(verified)
    said = check_file(opening.shown(), _digest(file)[0])
    if json:
        origin = signed.checkpoint.origin
        print_json({"verified": True, "sha256": said.sha256, "index": index, "origin": origin})
    else:
        typer.echo("\n".join([f"proven: this is the file that was registered, {said.sha256}", *verified.lines()]))


def _one_event(verified: VerifiedReceipt | VerifiedBundle) -> tuple[Opening, int, TrustedCheckpoint]:
    if isinstance(verified, VerifiedReceipt):
        return verified.opening, verified.index, verified.signed
    if verified.manifest.kind is not Kind.EVIDENCE:
        raise VerificationError("this bundle is not of evidence", hint="Check it with: traceability log verify")
    (log,) = verified.logs
    return log.openings[0], log.indices[0], log.signed


def _evidence(file: str, statement: str | None) -> EvidenceRegistered:
    if file != "-" and not Path(file).exists():
        try:
            return EvidenceRegistered(sha256=read_sha256(file), statement=statement)
        except InvalidInputError as error:
            raise typer.BadParameter(f"{file} is neither a file nor a SHA-256", param_hint="FILE") from error
    digest, size = _digest(file)
    return EvidenceRegistered(sha256=digest, size=size, statement=statement)


def _digest(file: str) -> tuple[str, int]:
    with _open(file) as stream:
        return _digest_of(stream)


@contextmanager
def _open(file: str) -> Iterator[BinaryIO]:
    try:
        if file == "-":
            yield sys.stdin.buffer
            return
        with Path(file).open("rb") as stream:
            yield stream
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from error


def _digest_of(stream: BinaryIO) -> tuple[str, int]:
    digest, size = sha256(), 0
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint="PROOF") from error


def _own(engine: Engine, event_id: UUID) -> Record:
    return find(engine, event_id, engine.organisations.reader(engine.settings.organisation))
