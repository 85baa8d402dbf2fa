"""How the command line tells what went wrong, and with which exit code it ends. Imported when something did."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from psycopg import OperationalError, errors
from psycopg_pool import PoolTimeout
from rich.markup import escape

from adapters.postgres.connection import unreachable
from api.cli.context import EXIT_FALSE, EXIT_NOT_FOUND, EXIT_UNREACHABLE, EXIT_USAGE, note, print_json, talk
from api.problem_models import RuleOut
from traceability.errors import InvalidInputError, NotFoundError, TraceabilityError, UnavailableError
from traceability.supply_chain.commands.refusal import CommandRefusedError

_INTERRUPTED: Final = 130
_NAMED: Final = 5


def leave(error: BaseException) -> NoReturn:
    """Tell an error and exit; raises it again when nobody foresaw it."""
    if isinstance(error, KeyboardInterrupt):
        note("Interrupted.")
        sys.exit(_INTERRUPTED)
    told = _foreseen(error)
    if told is None:
        raise error
    # Looked for by hand: an error may come before, or instead of, a parsed command.
    report(told, json="--json" in sys.argv)
    sys.exit(exit_code(told))


def _foreseen(error: BaseException) -> TraceabilityError | None:
    if isinstance(error, TraceabilityError):
        return error
    if isinstance(error, errors.InsufficientPrivilege):
        return UnavailableError(
            f"The database role may not do this: {error.diag.message_primary}",
            code="postgres.privileges",
            hint="Migrating states anew what the runtime role may do: traceability db migrate",
        )
    if isinstance(error, (OperationalError, PoolTimeout)):
        return unreachable(error)
    if isinstance(error, OSError):  # a full disk, files of another account: where they are used nothing better is known
        return UnavailableError(
            f"Cannot use {error.filename or 'a file'}: {error.strerror or error}",
            code="system.file",
            hint="The files in TRACEABILITY_DATA belong to the account that made them: run as that account."
            if isinstance(error, PermissionError)
            else "",
        )
    return None


def report(error: TraceabilityError, *, json: bool) -> None:
    """Say what went wrong, where and how to fix it; with `--json` as data, for the program that asked."""
    refused = [RuleOut.of(broken) for broken in error.rules] if isinstance(error, CommandRefusedError) else []
    if json:
        rules = {"rules": [one.model_dump(mode="json") for one in refused]} if refused else {}
        print_json({"error": {"code": error.code, "message": error.message, "hint": error.hint, **rules}})
        return
    talk.print(f"[bold red]error:[/] {escape(error.message)} [dim]({error.code})[/]", soft_wrap=True)
    for one in refused:
        named = ", ".join(one.things[:_NAMED]) + (f" and {one.count - _NAMED} more" if one.count > _NAMED else "")
        for line in (f"{one.requires} Not so: {named}", *(fact.sentence for fact in one.facts[:_NAMED]), one.remedy):
            talk.print(f"  {line}", markup=False, soft_wrap=True)
    if error.hint and not refused:
        talk.print(f"  {error.hint}", markup=False, soft_wrap=True)


def exit_code(error: TraceabilityError) -> int:
    """Return the exit code that stands for an error."""
    if isinstance(error, InvalidInputError) and error.code.startswith("settings."):
        return EXIT_USAGE
    if isinstance(error, UnavailableError):
        return EXIT_UNREACHABLE
    return EXIT_NOT_FOUND if isinstance(error, NotFoundError) else EXIT_FALSE
