"""The command line: nouns, then verbs.

Exit codes: 0 ok, 1 checked and false, 2 usage, 3 something cannot be reached, 4 not found.
"""

from __future__ import annotations

import signal
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer

from api.cli.nouns import Nouns

app = typer.Typer(
    name="traceability",
    cls=Nouns,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - raised again when nobody foresaw it
        from api.cli.failures import leave  # noqa: PLC0415 - what it takes to tell of errors is rarely needed

        leave(error)
    raise SystemExit


def _terminate(*_: object) -> NoReturn:
    raise KeyboardInterrupt
