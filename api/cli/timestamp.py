"""`traceability log timestamp|timestamps`: when checkpoints existed, as an authority outside says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.context import EXIT_FALSE, JSON, As, LedgerName, LogName, counted, note, print_json, print_table
from api.cli.opening import opened
from api.notary import published_log
from api.timestamps import roots_of, stamp_published, timestamp_client
from traceability.errors import InvalidInputError
from traceability.notary.errors import VerificationError
from traceability.notary.ports import StoredTimestamp
from traceability.notary.timestamp import Timestamp, stamped_bytes, verify_stored


def timestamp(*, name: LogName = None, ledger: LedgerName = None, as_: As = None, json: JSON = False) -> None:
    """Have the published checkpoint stamped now by the authority of the settings, and keep the answer.

    Example: `TRACEABILITY_TIMESTAMP_URL=https://tsa.example TRACEABILITY_TIMESTAMP_ROOTS=tsa.pem traceability log
    timestamp`
    """
    with opened(ledger, as_) as engine:
        log = published_log(engine, name)
        stored, stamped = stamp_published(engine, timestamp_client(engine.settings), log)
    if json:
        print_json({"size": stored.size, **timestamp_data(stamped)})
    note(f"Stamped the checkpoint of size {stored.size} at {_time_text(stamped.at)} by {stamped.authority}.")


def timestamps(
    *,
    export: Annotated[
        Path | None,
        typer.Option("--export", metavar="FOLDER", help="Write each as a .tsr file beside the bytes that it is of."),
    ] = None,
    name: LogName = None,
    ledger: LedgerName = None,
    as_: As = None,
    json: JSON = False,
) -> None:
    """List the timestamps of the log's checkpoints, each verified; exit 1 if one does not hold.

    What is exported needs nothing of ours to be checked. Example: `traceability log timestamps --export stamps`, then
    `openssl ts -verify -data stamps/5.checkpoint -in stamps/5.tsr -CAfile tsa.pem`
    """
    with opened(ledger, as_) as engine:
        if engine.settings.timestamp_roots is None:
            raise InvalidInputError(
                "No trusted certificates are set",
                code="settings.timestamp_roots",
                hint="Set TRACEABILITY_TIMESTAMP_ROOTS to the PEM file of the authority's root certificate.",
            )
        roots, log = roots_of(engine.settings.timestamp_roots), published_log(engine, name)
        rows: list[dict[str, Any]] = []
        for stored in log.database.timestamps.all():
            signed = log.database.signed_at_size(stored.size)
            row: dict[str, Any] = {"size": stored.size, "url": stored.authority, "received_at": stored.received_at}
            try:
                verified = verify_stored(stored, signed, log.key, roots)
            except VerificationError as error:
                rows.append({**row, "good": False, "code": error.code, "message": error.message})
                continue
            rows.append({**row, "good": True, **timestamp_data(verified)})
            if export is not None and signed is not None:
                _write(export, stored, stamped_bytes(signed.note.encode(), log.key))
    if json:
        print_json(rows)
    else:
        print_table(("size", "at", "authority", "verdict"), map(_cells, rows))
    bad = [row for row in rows if not row["good"]]
    note(f"{counted(len(rows), 'timestamp')}, {len(bad)} bad.")
    if bad:
        raise typer.Exit(EXIT_FALSE)


def timestamp_data(stamped: Timestamp) -> dict[str, object]:
    """Return what a timestamp says, for `--json`."""
    return {
        "at": stamped.at,
        "accuracy": stamped.accuracy,
        "authority": stamped.authority,
        "policy": stamped.policy,
        "serial": str(stamped.serial),
    }


def _write(folder: Path, stored: StoredTimestamp, stamped: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{stored.size}.checkpoint").write_bytes(stamped)
    # The first of a size has the plain name; another authority's, or a later one, does not take its place.
    names = [f"{stored.size}.tsr", f"{stored.size}.{stored.received_at}.tsr"]
    first = folder / names[0]
    file = first if not first.exists() or first.read_bytes() == stored.response else folder / names[1]
    file.write_bytes(stored.response)


def _cells(row: dict[str, Any]) -> Sequence[object]:
    if row["good"]:
        return row["size"], _time_text(row["at"]), row["authority"], "good"
    return row["size"], "", row["url"], f"{row['message']} ({row['code']})"


def _time_text(at: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).isoformat().replace("+00:00", "Z")
