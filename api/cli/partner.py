"""`traceability partner …`: where the events of organisations come from, and how far each source was read."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Annotated, Any

import typer

from adapters.feeds.csv_file import write_csv_events
from adapters.system import SystemClock
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
from api.cli.opening import opened, operated
from api.partners.define import define
from api.partners.reading import partners_of
from api.partners.run import read
from api.partners.told import PartnerOut, StatusOut, status, told
from traceability.errors import NotFoundError
from traceability.gs1.epcis.csv_mapping import read_mapping
from traceability.ledger.capture import Counts
from traceability.ledger.partners import OVERLAP_US, Accept, Kind

app = group("partner")

_STDIN = Path("-")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The partner.")]
_MOST_TEXT = 1 << 17


@app.command()
def add(
    name: Name,
    *,
    kind: Annotated[Kind, typer.Option("--kind", help="How its events come.")] = Kind.EPCIS,
    url: Annotated[str | None, typer.Option("--url", help="Of the repository's events: …/epcis/events.")] = None,
    path: Annotated[Path | None, typer.Option("--path", help="Of the folder that is watched.")] = None,
    secret_file: Annotated[
        Path | None,
        typer.Option(
            "--secret-file",
            metavar="FILE",
            help="Holds the header that is sent to a repository, `Name: value`, or a webhook's token; - is stdin.",
        ),
    ] = None,
    accept: Annotated[Accept, typer.Option("--accept", help="What a repository is asked for.")] = Accept.JSON,
    overlap: Annotated[
        int, typer.Option("--overlap", metavar="SECONDS", min=0, max=86_400, help="How far back it is asked again.")
    ] = OVERLAP_US // 1_000_000,
    mapping: Annotated[
        Path | None,
        typer.Option("--mapping", metavar="FILE", help="What the columns of its CSV are, in TOML or JSON."),
    ] = None,
    as_: As = None,
    ledger: LedgerName = None,
    json: JSON = False,
) -> None:
    """Add a partner. What comes from it is captured as the organisation that `--as` names.

    A server reads repositories and folders by itself; `traceability partner pull` does so now. A webhook's deliveries
    are posted to `/partners/NAME/webhook`, signed with its token, which is shown here once.

    For example:

    - `traceability partner add dairy --url https://dairy.example/epcis/events --secret-file key.txt --as dairy.example`
    - `traceability partner add carrier --kind webhook --as carrier.example`
    - `traceability partner add store --kind folder --path inbox --mapping columns.toml --as store.example`

    A mapping of CSV is shown by `traceability partner preview --help`, which also tries it.
    """
    for option, given, of in (("--url", url, Kind.EPCIS), ("--path", path, Kind.FOLDER)):
        if (given is not None) != (kind is of):
            raise typer.BadParameter(f"it is what a partner of kind {of} has", param_hint=option)
    secret = None if secret_file is None else _text(secret_file)
    with opened(ledger, as_) as engine:
        partner, token = define(
            engine,
            name,
            engine.settings.organisation,
            kind,
            address=url or ("" if path is None else str(path)),
            secret=secret,
            accept=accept,
            overlap_us=overlap * 1_000_000,
            mapping=None if mapping is None else _text(mapping),
        )
        added = told(*partners_of(engine).get(partner.name))
    if json:
        print_json({**_document(added), "token": token})
    elif token is not None:
        typer.echo(token)
    if token is not None:
        note(f"Deliveries to /partners/{name}/webhook are signed with this token. It is not shown again.")
    note(f"Added {name}.")


@app.command("list")
def list_partners(*, ledger: LedgerName = None, json: JSON = False) -> None:
    """List the partners of the ledger.

    For example:

    - `traceability partner list`
    """
    with operated(ledger) as engine:
        found = [told(*one) for one in partners_of(engine).all()]
    if json:
        print_json([_document(one) for one in found])
        return
    rows = ((p.name, p.organisation, p.kind, p.received, p.last_success or "never", _trouble(p)) for p in found)
    print_table(("name", "organisation", "kind", "received", "last success", "error"), rows)


@app.command("status")
def show(name: Name, *, ledger: LedgerName = None, json: JSON = False) -> None:
    """Show how a partner stands: its cursor, its rate, its newest captures, what went wrong. Exit 1 if it fails.

    What was wrong with single events is in the findings of its captures: `traceability finding list`.

    For example:

    - `traceability partner status dairy`
    """
    with operated(ledger) as engine:
        found = status(engine, name)
    if json:
        print_json(_document(found))
    else:
        print_table(("", ""), _lines(found))
    if found.failures:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def pull(name: Name, *, ledger: LedgerName = None, json: JSON = False) -> None:
    """Read a partner's repository or folder now, to its end. Exit 1 if an event was bad or in conflict.

    Should this be killed, the next reading goes on where it was.

    For example:

    - `traceability partner pull dairy`
    """
    with operated(ledger) as engine, progress_bar(f"Reading {name}") as advance:
        held = partners_of(engine).claim(name)
        was_read = read(engine, held, told=lambda events: advance(events, events))
    counts = was_read.counts
    if json:
        print_json({"name": name, "events": was_read.events, "captures": was_read.captures, **_counts(counts)})
    words = [f"{n} {what}" for what, n in _counts(counts).items() if n or what == "recorded"]
    seconds = was_read.took_us / 1_000_000
    note(f"{counted(was_read.events, 'event')} came in {seconds:.1f} s: {', '.join(words)}.")
    if counts.conflicts or counts.malformed:
        raise typer.Exit(EXIT_FALSE)


@app.command()
def remove(name: Name, *, ledger: LedgerName = None) -> None:
    """Forget a partner, its cursor and its secret. What it sent stays.

    For example:

    - `traceability partner remove dairy`
    """
    with operated(ledger) as engine:
        partners_of(engine).remove(name)
    note(f"Removed {name}.")


@app.command()
def preview(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of CSV; - is stdin.")],
    *,
    mapping: Annotated[Path, typer.Option("--mapping", metavar="FILE", help="The mapping, in TOML or JSON.")],
) -> None:
    """Print the EPCIS document that a mapping makes of a CSV file; record nothing, need no database.

    Columns that no field is made of are named on stderr.

    A mapping gives each field of an event a template, in which `{Column}` stands for the column's value. A row is an
    event, and in a field that is a list a column may hold several values:

    ```toml
    delimiter = ";"                    # default: a comma
    list_separator = "|"               # between several values of one column; this is the default
    decimal_separator = ","            # default: a full stop
    encoding = "cp1252"                # default: utf-8
    time_format = "%d.%m.%Y %H:%M"     # as in strptime; default: ISO 8601 with an offset
    time_zone_offset = "+01:00"        # of times without one
    [context]
    dairy = "https://dairy.example/ns#"
    [fields]
    type = "ObjectEvent"
    action = "OBSERVE"
    bizStep = "shipping"
    eventTime = "{Shipped at}"
    epcList = "https://id.gs1.org/01/{GTIN}/21/{Serials}"
    readPoint.id = "https://id.gs1.org/414/{From}"
    quantityList.epcClass = "https://id.gs1.org/01/{GTIN}/10/{Lot}"
    quantityList.quantity = "{Kilos}"
    quantityList.uom = "KGM"
    "dairy:truck" = "{Truck}"
    ```

    For example:

    - `traceability partner preview shipments.csv --mapping columns.toml | traceability feed check -`
    """
    read_by = read_mapping(_text(mapping))
    with nullcontext(sys.stdin.buffer) if file == _STDIN else _opened(file) as stream:
        found = write_csv_events(stream, read_by, sys.stdout.buffer.write, created_at=SystemClock().now_us())
    sys.stdout.buffer.write(b"\n")
    sys.stdout.buffer.flush()
    if found.unmapped:
        note(f"No field is made of the columns {', '.join(found.unmapped)}.")
    note(f"{counted(found.events, 'event')}.")


def _opened(file: Path) -> IO[bytes]:
    try:
        return file.open("rb")
    except OSError as error:
        raise NotFoundError(
            f"Cannot read {file}: {error.strerror or error}", code="feed.file", hint="Give the path of a file, or -."
        ) from error


def _text(file: Path) -> str:
    with nullcontext(sys.stdin.buffer) if file == _STDIN else _opened(file) as stream:
        return stream.read(_MOST_TEXT).decode("utf-8", "replace")


def _document(found: PartnerOut) -> dict[str, Any]:
    return found.model_dump(mode="json")


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "recorded": counts.recorded,
        "duplicates": counts.duplicates,
        "conflicts": counts.conflicts,
        "malformed": counts.malformed,
    }


def _trouble(partner: PartnerOut) -> str:
    failure = partner.last_error
    return f"{failure.message} ({failure.code})" if failure is not None and partner.failures else ""


def _lines(found: StatusOut) -> Iterator[tuple[str, object]]:
    yield "organisation", found.organisation
    yield found.kind, found.address or f"/partners/{found.name}/webhook"
    yield "received", f"{found.received} events, {found.known} of them known"
    yield (
        "captured",
        ", ".join(
            f"{n} {what}"
            for what, n in (
                ("recorded", found.recorded),
                ("duplicates", found.duplicates),
                ("conflicts", found.conflicts),
                ("malformed", found.malformed),
            )
        ),
    )
    yield "open findings", found.open_findings
    if found.cursor is not None:
        yield "cursor", found.cursor
    if found.rate is not None:
        yield "rate", f"{found.rate} events/s"
    yield "last success", found.last_success or "never"
    if found.last_error is not None:
        yield "last error", f"{found.last_error.at}: {found.last_error.message} ({found.last_error.code})"
    if found.next_attempt is not None:
        yield "next attempt", "now" if found.working else found.next_attempt
    for capture in found.captures:
        wrong = capture.conflicts + capture.malformed
        yield "capture", f"{capture.capture_id}: {capture.recorded} recorded, {wrong} wrong"
    for file in found.files:
        yield "file", f"{file.name}: {file.message} ({file.code})"
