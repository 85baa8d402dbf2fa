"""What the commands share: their common options, the engine, and how they print.

Data go to stdout, everything said about them to stderr. With `--json` stdout is one JSON document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, ClassVar, TypeVar

import orjson
import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from typer.core import TyperGroup

from api.cli.nouns import NOUNS
from api.settings import Settings, read_settings
from api.validation import sentence

_Body = TypeVar("_Body", bound=BaseModel)
EXIT_OK = 0
EXIT_FALSE = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4

JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
As = Annotated[
    str | None,
    typer.Option(
        "--as",
        metavar="ORGANISATION",
        help="Act as this organisation.",
        show_default="TRACEABILITY_ORGANISATION or local",
    ),
]
LedgerName = Annotated[
    str | None,
    typer.Option("--ledger", metavar="NAME", help="Work on this ledger.", show_default="TRACEABILITY_LEDGER or main"),
]
LogName = Annotated[
    str | None,
    typer.Option("--log", metavar="NAME", help="Of this log of the ledger.", show_default="the one that is added to"),
]

talk = Console(stderr=True, highlight=False)
"""Where progress, notes and errors go; colours end at a pipe and with NO_COLOR."""


def group(noun: str, *, cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    """Return the group of a noun's commands, which is empty."""
    return typer.Typer(name=noun, help=NOUNS[noun], no_args_is_help=True, rich_markup_mode="markdown", cls=cls)


class OrThings(TyperGroup):
    """A group to which what is no verb is a thing: `traceability recall ID` is `traceability recall start ID`."""

    otherwise: ClassVar[str]

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Put the verb before a thing."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = [self.otherwise, *args]
        return super().parse_args(ctx, args)


def settings_for(*, ledger: str | None = None, as_: str | None = None, **overrides: object) -> Settings:
    """Return the settings with what the command line says about them."""
    return read_settings(ledger=ledger, organisation=as_, **overrides)


def body_of(model: type[_Body], **members: object) -> _Body:
    """Return what options say as the body that HTTP takes; raises `typer.BadParameter` for what that refuses."""
    try:
        return model.model_validate(members)
    except ValidationError as error:
        raise typer.BadParameter(sentence(error.errors()[0])) from error


def print_json(data: object) -> None:
    """Print one JSON document on stdout; dataclasses, UUIDs and enums are understood."""
    typer.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print aligned columns on stdout; on a pipe, one tab-separated line a row without a title."""
    out = Console(highlight=False)
    if not out.is_terminal:
        for row in rows:
            typer.echo("\t".join(str(cell) for cell in row))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")  # an identifier that is cut short cannot be copied
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))  # an identifier may look like markup
    out.print(table)


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal's stderr, nothing elsewhere; the function given takes what is done and the whole."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=talk, transient=True, disable=not talk.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, whole: progress.update(task, completed=done, total=whole)


def note(text: str) -> None:
    """Say something to the person, on stderr."""
    talk.print(text, markup=False, soft_wrap=True)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun, whose plural ends in s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
