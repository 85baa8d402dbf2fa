"""`traceability log …`: the ledger's Merkle log, its checkpoints, receipts and checks."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from adapters.signing.receipts import public_pem
from api import collector
from api.cli.context import JSON, As, LedgerName, LogName, group, note, print_json
from api.cli.fsck import fsck
from api.cli.log_chain import close, encrypt, list_logs
from api.cli.monitor import monitor
from api.cli.opening import opened
from api.cli.other_proofs import CoseFile, CoseKeyFile, RootsFile, TimestampFile, other_proofs, print_cose
from api.cli.output import STDOUT, writing
from api.cli.timestamp import timestamp, timestamps
from api.cose import cose_key as public_cose_key
from api.cose import cose_receipt
from api.notary import integrate_all, published_log, receipt
from api.policy import verifiers_policy
from api.timestamps import stamped_receipt
from traceability.errors import NotFoundError
from traceability.ledger.store import Ledger
from traceability.notary.errors import NotPublishedError, VerificationError
from traceability.notary.note import VerifierKey
from traceability.notary.policy import Policy
from traceability.notary.trust import Trust, TrustedCheckpoint
from traceability.notary.verify import VerifiedReceipt
from traceability.notary.verify import verify as check
from traceability.notary.verify_bundle import VerifiedBundle

_DIGITS = 19  # of a position, which the database keeps in 63 bits

app = group("log")
app.command()(fsck)
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
def policy(*, name: LogName = None, ledger: LedgerName = None, as_: As = None, json: JSON = False) -> None:
    """Print the policy with which anyone verifies the log's receipts: its key, its witnesses, their quorum.

    Example: `traceability log policy > dairy.policy`
    """
    with opened(ledger, as_) as engine:
        log = published_log(engine, name)
        data = verifiers_policy(engine.settings, log.name, log.key).encode()
    if json:
        print_json({"name": log.name, "policy": data.decode("utf-8", "replace")})
    else:
        typer.echo(data, nl=False)


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
    if stamp == STDOUT:
        raise typer.BadParameter("the receipt is on standard output: give a file", param_hint="--timestamp")
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
            with writing(stamp, code="log.output") as out:
                out.file.write(stored.response)
    if json:
        print_json({"event_id": event_id, "index": proof.index, "receipt": proof.text()})
    else:
        typer.echo(proof.text(), nl=False)


@app.command()
def verify(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The receipt or bundle, - for standard input.")],
    *,
    key: Annotated[
        list[str] | None, typer.Option("--key", metavar="VKEY", help="A log's public key; may be repeated.")
    ] = None,
    witness: Annotated[
        list[str] | None, typer.Option("--witness", metavar="VKEY", help="A witness to tell of; may be repeated.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="Logs, witnesses and quorum (C2SP tlog-policy).")
    ] = None,
    stamp: TimestampFile = None,
    roots: RootsFile = None,
    cose: CoseFile = None,
    cose_key: CoseKeyFile = None,
    json: JSON = False,
) -> None:
    """Check a receipt or a bundle with the log's public key, or a policy, alone; exit 1 if it does not hold.

    With a policy, its quorum of witnesses must have signed the checkpoint. With `--timestamp` and `--roots` it is also
    told when, at the latest, an authority saw the checkpoint of a receipt; with `--cose` and `--cose-key` a COSE
    receipt of the same event is checked too. Needs no database and no network; without these four
    `python -m traceability.notary.verify` is the same without this program's dependencies.

    For example:

    - `traceability log verify pack.tlog-proof --key "$(traceability log key)"`
    - `traceability log verify pack.tlog-proof --policy dairy.policy`
    """
    if not key and policy is None:
        raise typer.BadParameter("give the log's key, or a policy that names it", param_hint="--key, --policy")
    try:
        trust = Trust(
            tuple(map(VerifierKey.parse, key or ())),
            tuple(map(VerifierKey.parse, witness or ())),
            Policy.parse(policy.read_bytes()) if policy else None,
        )
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--key, --witness, --policy") from error
    except OSError as error:
        raise typer.BadParameter(f"{policy} cannot be read: {error.strerror}", param_hint="--policy") from error
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{file} cannot be read: {error.strerror}", param_hint="FILE") from error
    with collector.paused():
        verified = check(data, trust)
    others = list(other_proofs(data, verified, trust, timestamp=stamp, roots=roots, cose=cose, cose_key=cose_key))
    if json:
        told = _bundle_data(verified) if isinstance(verified, VerifiedBundle) else _receipt_data(verified)
        print_json(told | {other.name: other.members for other in others})
    else:
        typer.echo("\n".join([*verified.lines(), *(other.line for other in others)]))


app.command("list")(list_logs)
app.command()(close)
app.command("encrypt-key")(encrypt)


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


def _receipt_data(verified: VerifiedReceipt) -> dict[str, object]:
    opening, shown = verified.opening, verified.opening.shown()
    return {
        "verified": True,
        "origin": verified.checkpoint.origin,
        "size": verified.checkpoint.size,
        "index": verified.index,
        "event_id": opening.event_id,
        "recorded_at": opening.recorded_at,
        "head": shown.head.decode(),
        "items": [content.decode() for content in shown.what],
        "withheld": opening.closed(),
        "quorum": verified.signed.quorum,
        "cosignatures": _cosignatures(verified.signed),
    }


def _bundle_data(verified: VerifiedBundle) -> dict[str, object]:
    return {
        "verified": True,
        "kind": verified.manifest.kind,
        "reader": verified.manifest.reader,
        "known_at": verified.manifest.known_at,
        "logs": [
            {
                "origin": log.signed.checkpoint.origin,
                "size": log.signed.checkpoint.size,
                "positions": log.positions,
                "cosignatures": _cosignatures(log.signed),
            }
            for log in verified.logs
        ],
        "withheld": verified.withheld(),
        "not_checked": verified.unchecked,
    }


def _cosignatures(signed: TrustedCheckpoint) -> list[dict[str, object]]:
    return [{"witness": name, "time": seconds} for name, seconds in signed.cosignatures]
