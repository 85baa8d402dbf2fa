"""`traceability feed convert`: a document of events in another format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from adapters.company_prefixes import company_prefixes
from adapters.system import SystemClock
from api.cli.context import EXIT_FALSE, JSON, counted, note, print_json, progress_bar, settings_for
from api.cli.documents import documents_of
from api.cli.output import STDOUT, writing
from traceability.gs1.epcis.convert import EpcFormat, EventConverter, UrnSpelling, around_of
from traceability.gs1.epcis.document_writer import DocumentWriter, Format
from traceability.gs1.epcis.envelope import Envelope, open_envelope
from traceability.gs1.epcis.problems import Problem
from traceability.gs1.epcis.xml.names import NotInXmlError
from traceability.ledger.event import utc_text

_SHOWN: Final = 1_000


def convert(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One document in JSON, JSON-LD or XML, plain or packed; - is stdin.")
    ],
    *,
    to: Annotated[Format, typer.Option("--to", help="EPCIS 2.0 JSON-LD, EPCIS 2.0 XML, or EPCIS 1.2 XML.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Write here.", show_default="- for standard output")
    ] = STDOUT,
    epc_format: Annotated[
        EpcFormat,
        typer.Option("--epc-format", help="Identifiers as written, as GS1 Digital Links, or as URNs."),
    ] = EpcFormat.NEVER_TRANSLATES,
    proceed: Annotated[bool, typer.Option("--proceed", help="Write the other events although some are bad.")] = False,
    json: JSON = False,
) -> None:
    """Write a document in another format, without loss; record nothing, need no database.

    Every event is checked as by `feed check`. One that is bad, or says what the format cannot say, keeps everything
    out, unless `--proceed`. Master data and extensions of the header are carried over. Exit 1 if an event was left out.

    For example:

    - `traceability feed convert shipment.xml --to json -o shipment.jsonld`
    - `traceability feed convert shipment.jsonld --to xml-1.2 | less`
    """
    if json and output == STDOUT:
        raise typer.BadParameter("with --json the document needs a file of its own: give --output")
    problems: list[Problem] = []
    left_out: list[str] = []
    written, failed = 0, False
    settings = settings_for()
    urns = UrnSpelling(company_prefixes(settings.company_prefixes))
    with ExitStack() as stack:
        documents = list(documents_of([file], settings, stack))
        if len(documents) != 1:
            raise typer.BadParameter(f"one document is converted at a time, and {file} holds {len(documents)}")
        name, path = documents[0]
        source = stack.enter_context(path.open("rb"))
        envelope = open_envelope(source)
        problems += envelope.problems
        written_to = stack.enter_context(writing(output, code="feed.output"))
        out = written_to.file
        if not _failed(problems):
            advance = stack.enter_context(progress_bar("Converting events"))
            around, left_out = around_of(envelope, created=utc_text(SystemClock().now_us()))
            writer = DocumentWriter(to, around)
            problems += _begin(writer, out)
            converter = EventConverter(envelope, writer, epc_format=epc_format, urns=urns)
            for event, found in _events(converter, envelope, source, advance):
                out.write(event)
                written += bool(event)
                failed = failed or not event
                problems += found[: max(0, _SHOWN - len(problems))]
            out.write(writer.end())
        failed = failed or _failed(problems)
        written_to.kept = not failed or (proceed and written > 0)
    _tell(name, left_out, urns, problems)
    if json:
        print_json({"file": name, "to": to, "events": written, "not_carried_over": left_out, "problems": problems})
    kept = not failed or proceed
    note(f"{counted(written, 'event')} {'converted' if kept else 'could be converted, but none is written'}.")
    if failed:
        raise typer.Exit(EXIT_FALSE)


def _tell(name: str, left_out: list[str], urns: UrnSpelling, problems: list[Problem]) -> None:
    """Say what is not as it was, and what is wrong."""
    for member in left_out:
        note(f"{name}: {member} is not carried over.")
    if urns.unknown:
        note(f"{name}: {counted(urns.unknown, 'identifier')} stayed as Digital Links: no URN says the same.")
    for problem in problems:
        note(f"{name}: {problem.path}: {problem.severity} {problem.code}: {problem.message}")


def _begin(writer: DocumentWriter, out: IO[bytes]) -> list[Problem]:
    try:
        out.write(writer.beginning())
    except NotInXmlError as error:
        return [Problem(None, "$.epcisHeader", error.code, "error", f"{error.message}.")]
    return []


def _events(
    converter: EventConverter, envelope: Envelope, source: IO[bytes], advance: Callable[[int, int], None]
) -> Iterator[tuple[bytes, list[Problem]]]:
    done = 0
    for number, block in enumerate(converter.blocks):
        source.seek(block.offset)
        yield from converter.converted(number, source.read(block.size) if not block.too_long else b"")
        done += block.events
        advance(done, envelope.events)


def _failed(problems: list[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)
