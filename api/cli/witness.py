"""`traceability witness …`: a witness of other people's logs, and of ours."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from api.cli.context import EXIT_FALSE, JSON, group, note, print_json, print_table, settings_for
from api.logging import configure_logging
from api.witness import (
    KnownLogs,
    add_log,
    create_witness,
    create_witness_app,
    list_file,
    witness_key,
    witness_store,
)
from traceability.errors import NotFoundError
from traceability.notary.checkpoint import Checkpoint
from traceability.notary.errors import VerificationError
from traceability.notary.evidence import Contradiction, Evidence
from traceability.notary.log_list import DEFAULT_QPD, ListedLog
from traceability.notary.note import VerifierKey, split_note
from traceability.notary.witness import origin_hash

app = group("witness")

_PORT = 8100
Lists = Annotated[
    list[Path] | None,
    typer.Option("--logs", metavar="FILE", help="A list of logs (logs/v0) or a policy; may be repeated."),
]


@app.command()
def key(
    *,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Make the key, for a witness of this name.")
    ] = None,
    json: JSON = False,
) -> None:
    """Print the witness's public key; with `--name` it is made at first use.

    Example: `traceability witness key --name witness.example/w1`
    """
    try:
        verifier = witness_key(settings_for(), name).verifier
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="--name") from error
    if json:
        print_json({"name": verifier.name, "vkey": verifier.text})
    else:
        typer.echo(verifier.text)


@app.command()
def add(
    vkey: Annotated[str, typer.Argument(metavar="VKEY", help="The log's public key.")],
    *,
    origin: Annotated[
        str | None, typer.Option("--origin", metavar="ORIGIN", help="The log's origin.", show_default="the key's name")
    ] = None,
    contact: Annotated[str, typer.Option("--contact", metavar="TEXT", help="How to reach its operator.")] = "-",
    json: JSON = False,
) -> None:
    """Witness a log from now on; a server that runs takes it up by itself.

    Example: `traceability witness add "$(traceability log key)"`
    """
    try:
        verifier = VerifierKey.parse(vkey)
        log = ListedLog(verifier, origin or verifier.name, DEFAULT_QPD, contact)
        log.check()
    except VerificationError as error:
        raise typer.BadParameter(error.message, param_hint="VKEY") from error
    added = add_log(settings_for(), log)
    if json:
        print_json({"origin": log.origin, "vkey": log.key.text, "added": added})
    note(f"{log.origin} is {'witnessed from now on' if added else 'in the list already'}.")


@app.command("list")
def list_(*, logs: Lists = None, json: JSON = False) -> None:
    """List the logs with the size that was cosigned last, and when."""
    settings = settings_for()
    store, own = witness_store(settings), witness_key(settings).verifier
    rows = []
    for log in KnownLogs(list_file(settings), logs or ()).listed():
        size, cosigned_at = _latest(store.served(origin_hash(log.origin)), own)
        rows.append({"origin": log.origin, "vkey": log.key.text, "size": size, "cosigned_at": cosigned_at})
    if json:
        print_json(rows)
    else:
        print_table(
            ["origin", "size", "cosigned at"], [(row["origin"], row["size"], row["cosigned_at"]) for row in rows]
        )


@app.command()
def serve(
    *,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen here.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="PORT", help="0 takes a free one.")] = _PORT,
    logs: Lists = None,
    json: JSON = False,
) -> None:
    """Cosign checkpoints over HTTP (C2SP tlog-witness) until Ctrl-C or SIGTERM.

    What it cosigned is on disk before it answers. With `--json` the address is printed as `{"url": …, "vkey": …}`.

    For example:

    - `traceability witness serve`
    - `traceability witness serve --port 8200 --logs log-list.1`
    """
    from api.cli.serve import address_of, listen, run  # noqa: PLC0415 - other commands need no web server

    settings = settings_for()
    configure_logging()
    witness, vkey = create_witness(settings, logs or ()), witness_key(settings).verifier.text
    with closing(listen(host, port)) as listener:
        url = address_of(listener)
        if json:
            print_json({"url": url, "vkey": vkey})
        note(f"Witnessing on {url} as {vkey} (stop with Ctrl-C)")
        run(create_witness_app(witness), listener)


@app.command()
def evidence(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Print this piece whole, as JSON.")] = None,
    *,
    json: JSON = False,
) -> None:
    """List the signed checkpoints that contradict each other; exit 1 when one proves that a log shows two histories.

    `two_roots` and `two_histories` are proofs, `unproven` is a checkpoint whose consistency proof did not hold.

    Example: `traceability witness evidence --json`
    """
    found = witness_store(settings_for()).evidence()
    if name is not None:
        for one in found:
            if one.name == name:
                typer.echo(one.encode(), nl=False)
                return
        raise NotFoundError("There is no such evidence", code="witness.no_evidence")
    rows = [_summary(one) for one in found]
    if json:
        print_json(rows)
    else:
        print_table(list(rows[0]) if rows else [], [list(row.values()) for row in rows])
    if any(one.contradiction is not Contradiction.UNPROVEN for one in found):
        raise typer.Exit(EXIT_FALSE)


def _summary(one: Evidence) -> dict[str, object]:
    known, submitted = one.checkpoints
    return {
        "name": one.name,
        "contradiction": one.contradiction,
        "origin": known.origin,
        "known_size": known.size,
        "submitted_size": submitted.size,
        "seen_at": one.seen_at,
    }


def _latest(data: bytes | None, own: VerifierKey) -> tuple[int | None, int | None]:
    if data is None:
        return None, None
    text, signatures = split_note(data)
    times = [own.timestamp(one) for one in signatures if (one.name, one.key_id) == (own.name, own.key_id)]
    return Checkpoint.parse(text).size, times[0] if times else None
