"""`traceability vocabulary …`: master data, stated from files and shown."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.context import (
    EXIT_FALSE,
    JSON,
    As,
    LedgerName,
    counted,
    group,
    note,
    print_json,
    print_table,
    progress_bar,
)
from api.cli.item import AsOf, KnownAt
from api.cli.opening import opened
from api.codes import read_code
from api.provenance import microseconds_of
from api.vocabularies import state, withdraw
from api.vocabulary_answers import describe_element, list_elements
from api.vocabulary_files import read_file
from traceability.errors import NotFoundError
from traceability.gs1.epcis.master_data import VocabularyElement, vocabulary_type
from traceability.gs1.epcis.strict_json import dumps
from traceability.gs1.epcis.times import utc
from traceability.ledger.event import microseconds

app = group("vocabulary")

_PAGE = 500
Type = Annotated[str, typer.Argument(metavar="TYPE", help="BusinessLocation, ReadPoint, EPCClass …, or a whole URI.")]
Identified = Annotated[str, typer.Argument(metavar="ID", help="A Digital Link, URN, (414)… or another URI.")]
From = Annotated[
    datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"], help="What began then; a day begins in UTC."),
]


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON, XML or CSV; - is stdin.")],
    *,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Of every line of a table without a column of types.")
    ] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """State what a file says of places, products and parties. What is said already adds nothing.

    A file is an EPCIS document in JSON or XML with master data in its header, or a table whose first line names the
    columns: `type`, `id`, `children`, `valid_from`, `valid_until` and attributes. A bad element is left out and told
    of; exit 1.

    For example:

    - `traceability vocabulary import places.csv --as dairy.example`
    - `traceability vocabulary import shipment.json`
    - `traceability vocabulary import products.csv --type EPCClass --json`
    """
    read, created = read_file(_read(file), vocabulary=type_)
    new = known = 0
    with opened(ledger, as_) as engine, progress_bar("Stating elements") as advance:
        time = utc(created) if type(created) is str else None
        stated_at = engine.clock.now_us() if time is None else microseconds(time)
        for stated in state(engine, engine.settings.organisation, read.elements, stated_at=stated_at):
            new += sum(one.new for one in stated)
            known += sum(not one.new for one in stated)
            advance(new + known, len(read.elements))
    if json:
        print_json({"recorded": new, "unchanged": known, "malformed": read.malformed, "problems": read.problems})
    else:
        for problem in read.problems:
            typer.echo(f"{file}: {problem.path}: {problem.severity} {problem.code}: {problem.message}")
    note(f"{counted(new, 'element')} recorded, {known} unchanged, {read.malformed} left out.")
    if read.malformed:
        raise typer.Exit(EXIT_FALSE)


@app.command("list")
def list_(
    type_: Annotated[
        str | None, typer.Argument(metavar="TYPE", help="BusinessLocation, EPCClass …, or a whole URI; all without it.")
    ] = None,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """List the elements of a vocabulary, or of all, as the organisation of `--as` believes them.

    For example:

    - `traceability vocabulary list`
    - `traceability vocabulary list BusinessLocation`
    - `traceability vocabulary list EPCClass --json`
    """
    found: list[dict[str, Any]] = []
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        at = None if as_of is None else microseconds_of(as_of)
        kind = None if type_ is None else vocabulary_type(type_)
        after: int | None = 0
        while after is not None:
            page = list_elements(engine, reader, kind, as_of=at, known_at=known_at, after=after, size=_PAGE)
            found += page.elements
            after = page.next
    if json:
        _print(found)
    else:
        rows = [(one["id"], one["name"] or "", one["stated_by"], one["vocabulary"]) for one in found]
        print_table(("id", "name", "stated by", "type"), rows)


@app.command()
def show(
    identifier: Identified,
    *,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Show what a thing is taken to be, and all that was ever said of it.

    For example:

    - `traceability vocabulary show https://id.gs1.org/414/9521234000006`
    - `traceability vocabulary show '(01)09521234000013' --json`
    """
    with opened(ledger, as_) as engine:
        reader = engine.organisations.reader(engine.settings.organisation)
        subject = read_code(identifier).subject
        at = None if as_of is None else microseconds_of(as_of)
        found = describe_element(engine, reader, subject, as_of=at, known_at=known_at)
    if json:
        _print(found)
        return
    typer.echo(found["name"] or found["id"])
    for one in found["believed"]:
        typer.echo(f"{one['vocabulary']} by {one['stated_by']}, position {one['position']}")
        for name, value in one["attributes"].items():
            typer.echo(f"  {name}: {value if isinstance(value, str) else dumps(value).decode()}")
        for child in one["children"]:
            typer.echo(f"  above {child}")
    rows = [(one["position"], one["stated_at"], one["stated_by"], _about(one)) for one in found["history"]]
    print_table(("position", "stated at", "stated by", "what"), rows)


@app.command("withdraw")
def withdraw_(
    type_: Type,
    identifier: Identified,
    *,
    since: From = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Withdraw what an organisation said of a thing. It stays in the history.

    Example: `traceability vocabulary withdraw BusinessLocation https://id.gs1.org/414/9521234000006 --as dairy.example`
    """
    with opened(ledger, as_) as engine:
        valid_from = None if since is None else microseconds_of(since if since.tzinfo else since.replace(tzinfo=UTC))
        gone = VocabularyElement(
            vocabulary_type(type_), read_code(identifier).uri, valid_from=valid_from, withdrawn=True
        )
        stated = withdraw(engine, engine.settings.organisation, gone)
    if json:
        print_json({"id": gone.id, "vocabulary": gone.vocabulary, "position": stated.position})
    note(f"Withdrawn at position {stated.position}.")


def _read(file: Path) -> bytes:
    if file == Path("-"):
        return sys.stdin.buffer.read()
    try:
        return file.read_bytes()
    except OSError as error:
        raise NotFoundError(
            f"Cannot read {file}: {error.strerror or error}", code="feed.file", hint="Give the path of a file, or -."
        ) from error


def _about(one: dict[str, Any]) -> str:
    words = [one["name"] or "", f"from {one['valid_from']}" if one["valid_from"] else ""]
    words += [f"until {one['valid_until']}" if one["valid_until"] else "", "withdrawn" if one["withdrawn"] else ""]
    return ", ".join(filter(None, [*words, "replaced" if one["replaced"] else ""]))


def _print(data: object) -> None:
    typer.echo(dumps(data))  # numbers in attributes as they were stated
