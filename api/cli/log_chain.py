"""`traceability log list|close|encrypt-key`: the chain of a ledger's logs, and their keys."""

from __future__ import annotations

from typing import Annotated

import typer

from adapters.signing import encrypt_key
from adapters.system import SystemEntropy
from api.cli.context import JSON, LedgerName, LogName, note, print_json, print_table, settings_for
from api.cli.opening import operated
from api.log_keys import key_path
from api.notary import PublishedLog, close_log, published_logs
from traceability.errors import InvalidInputError
from traceability.notary.chain import abandoned_size


def list_logs(*, ledger: LedgerName = None, json: JSON = False) -> None:
    """List the ledger's logs in the order of their positions, with how they stand.

    open: grows. closing: ends, and is being published to its end. closed: ended. abandoned: given up after a restore.
    """
    with operated(ledger) as engine:
        told = [_told(log) for log in published_logs(engine)]
    if json:
        print_json(told)
        return
    columns = ("name", "origin", "state", "first_position", "last_position", "size")
    print_table(
        [column.replace("_", " ") for column in columns],
        (["" if log[column] is None else log[column] for column in columns] for log in told),
    )


def close(
    *,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the next log in URLs: a-z, 0-9, dots, hyphens.")],
    origin: Annotated[str, typer.Option(metavar="ORIGIN", help="Its origin for ever: a host and path of yours.")],
    reason: Annotated[str, typer.Option(help="Why, for the record; name no person.")] = "",
    abandon: Annotated[
        bool, typer.Option("--abandon", help="Give up a log that the server refuses to sign (log.rolled_back).")
    ] = False,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Close the ledger's log after its last event and open the next, with a key of its own; nobody has to wait.

    A running server publishes the closed log to its end and goes on with the next: it needs both keys. A key that is
    in the environment under the origin is taken, else one is made. The runtime role may do this.

    Examples:
    - `traceability log close --name main-2027h1 --origin dairy.example/2027h1 --reason "half-year"`
    - `traceability log close --abandon --name main-b --origin dairy.example/b --reason "restored the backup of 1 May"`
    """
    with operated(ledger) as engine:
        closed, opened = close_log(engine, name=name, origin=origin, reason=reason, abandon=abandon)
        if json:
            print_json({"closed": _told(closed), "opened": _told(opened)})
    old, new = closed.database.identity, opened.database.identity
    verb = "Abandoned" if abandon else "Closed"
    if old.final_size:
        note(f"{verb} {old.name} at position {old.last_position}, which is the last of its {old.final_size} leaves.")
    else:
        note(f"{verb} {old.name}, of which the database knows no leaf.")
    note(f"Opened {new.name}, which begins with position {new.first_position}: {new.vkey}")


def encrypt(*, name: LogName = None, ledger: LedgerName = None, json: JSON = False) -> None:
    """Put a log's key file under the passphrase of TRACEABILITY_LOG_KEY_PASSPHRASE.

    Without --log it is that of the ledger's first log. Example: `traceability log encrypt-key --log main-2027h1`
    """
    settings = settings_for(ledger=ledger)
    if settings.log_key_passphrase is None:
        raise InvalidInputError(
            "There is no passphrase",
            code="settings.log_key_passphrase",
            hint="Set TRACEABILITY_LOG_KEY_PASSPHRASE, for this command and for the server.",
        )
    path = key_path(settings, name or settings.ledger)
    key = encrypt_key(path, settings.log_key_passphrase.get_secret_value(), SystemEntropy())
    if json:
        print_json({"file": path.as_posix(), "vkey": key.verifier.text})
    note(f"{path} is encrypted: the key of {key.name}.")


def _told(log: PublishedLog) -> dict[str, object]:
    identity, served = log.database.identity, log.served()
    return {
        "name": log.name,
        "origin": identity.origin,
        "vkey": identity.vkey,
        "state": log.state(),
        "first_position": identity.first_position,
        "last_position": identity.last_position,
        "size": served[0].size if served else 0,
        "abandoned_size": abandoned_size(identity),
    }
