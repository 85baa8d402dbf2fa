"""The command line: nouns, then verbs.

Exit codes: 0 ok, 1 checked and false, 2 usage, 3 something cannot be reached, 4 not found.
"""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from psycopg import OperationalError, errors
from psycopg_pool import PoolTimeout

from adapters.postgres.connection import unreachable
from api.cli import (
    audit,
    clock,
    cold_chain,
    command,
    db,
    demo,
    drug,
    evaluation,
    evidence,
    feed,
    feed_convert,
    feed_hash,
    finding,
    gs1,
    item,
    key,
    label,
    ledger,
    log_chain,
    lot,
    monitoring,
    organisation,
    part,
    partner,
    recall,
    register,
    serve,
    shipment,
    subscription,
    trace,
    vocabulary,
    witness,
)
from api.cli.context import exit_code, note, report
from traceability.errors import TraceabilityError, UnavailableError

_INTERRUPTED = 130

app = typer.Typer(
    name="traceability",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("item")(item.item)
app.command("trace")(trace.trace)
app.command("lot")(lot.lot)
app.command("cold-chain")(cold_chain.cold_chain)
app.command("label")(label.label)
feed.app.command("convert")(feed_convert.convert)
feed.app.command("hash")(feed_hash.hash_)
app.add_typer(feed.app)
app.add_typer(command.app)
app.add_typer(finding.app)
app.add_typer(subscription.app)
app.add_typer(gs1.app)
app.add_typer(db.app)
app.add_typer(ledger.app)
app.add_typer(log_chain.app)
app.add_typer(audit.app)
app.add_typer(evidence.app)
app.add_typer(witness.app)
app.add_typer(organisation.app)
app.add_typer(register.app)
app.add_typer(evaluation.app)
app.add_typer(recall.app)
app.add_typer(part.app)
app.add_typer(drug.app)
app.add_typer(monitoring.app)
app.add_typer(clock.app)
app.add_typer(shipment.app)
app.add_typer(partner.app)
app.add_typer(vocabulary.app)
app.add_typer(key.app)


def _version(wanted: bool) -> None:  # noqa: FBT001 - a callback of Typer
    if wanted:
        typer.echo(version("traceability"))
        raise typer.Exit


@app.callback()
def root(
    *,
    _: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Supply-chain traceability that anyone can check.

    Without `TRACEABILITY_DATABASE_URL`, commands use a private PostgreSQL in `./.traceability`, started when needed.

    For example:

    - `traceability feed import shipment.json` records what a partner sent
    - `traceability item https://id.gs1.org/01/09521234000013/21/1001` shows where a thing has been
    - `traceability serve` answers on http://127.0.0.1:8000

    Exit codes: 0 ok, 1 checked and false, 2 usage, 3 cannot reach something, 4 not found.
    """


def main() -> NoReturn:
    """Run the command of the process's arguments and exit."""
    # Termination unwinds like Ctrl-C, so that connections close and a private server loses its user in good order.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
        sys.exit(0)
    except TraceabilityError as error:
        _leave(error)
    except (OperationalError, PoolTimeout) as error:
        _leave(unreachable(error))
    except errors.InsufficientPrivilege as error:
        _leave(
            UnavailableError(
                f"The database role may not do this: {error.diag.message_primary}",
                code="postgres.privileges",
                hint="Migrating states anew what the runtime role may do: traceability db migrate",
            )
        )
    except OSError as error:  # a full disk, files of another account: where they are used nothing better can be said
        _leave(
            UnavailableError(
                f"Cannot use {error.filename or 'a file'}: {error.strerror or error}",
                code="system.file",
                hint="The files in TRACEABILITY_DATA belong to the account that made them: run as that account."
                if isinstance(error, PermissionError)
                else "",
            )
        )
    except KeyboardInterrupt:
        note("Interrupted.")
        sys.exit(_INTERRUPTED)


def _leave(error: TraceabilityError) -> NoReturn:
    # Looked for by hand: an error may come before, or instead of, a parsed command.
    report(error, json="--json" in sys.argv)
    sys.exit(exit_code(error))


def _terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt
