"""`traceability key …`: API keys of the organisation that the command acts as."""

from __future__ import annotations

from typing import Annotated

import typer

from api.cli.context import JSON, As, LedgerName, group, note, print_json, print_table
from api.cli.opening import opened
from traceability.ledger.event import utc_text
from traceability.ledger.organisations import ApiKey, Scope

app = group("key")


@app.command()
def create(
    *,
    scope: Annotated[list[Scope], typer.Option("--scope", help="What it is for; may be repeated.")],
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Create a key and print it, this once: only its hash is kept.

    Example: `traceability key create --as dairy.example --scope query --scope capture`
    """
    with opened(ledger, as_) as engine:
        key, text = engine.organisations.create_key(engine.settings.organisation, scope)
    if json:
        print_json({**_document(key), "key": text})
    else:
        typer.echo(text)
    note(f"Key {key.key_id} of {key.organisation}. Keep it now; it cannot be shown again.")
    note("Send it as: Authorization: Bearer <key>")


@app.command("list")
def list_keys(*, as_: As = None, ledger: LedgerName = None, json: JSON = False) -> None:
    """List an organisation's keys by their public ids, revoked ones too."""
    with opened(ledger, as_) as engine:
        keys = engine.organisations.keys(engine.settings.organisation)
    if json:
        print_json([_document(key) for key in keys])
    else:
        rows = ((k.key_id, ",".join(sorted(k.scopes)), utc_text(k.created_at), _revoked(k)) for k in keys)
        print_table(("key", "scopes", "created", "revoked"), rows)


@app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The public id, as `key list` shows it.")],
    *,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """End a key at once, for good.

    Example: `traceability key revoke 1f2e3d4c5b6a --as dairy.example`
    """
    with opened(ledger, as_) as engine:
        key = engine.organisations.revoke_key(engine.settings.organisation, key_id)
    if json:
        print_json(_document(key))
    note(f"Key {key_id} of {key.organisation} is revoked.")


def _document(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "organisation": key.organisation,
        "scopes": [scope.value for scope in sorted(key.scopes)],
        "created_at": utc_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else utc_text(key.revoked_at),
    }


def _revoked(key: ApiKey) -> str:
    return "in force" if key.revoked_at is None else utc_text(key.revoked_at)
