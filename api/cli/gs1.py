"""`traceability gs1`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer

from adapters.company_prefixes import company_prefixes
from api.cli.context import EXIT_FALSE, group, note, settings_for
from traceability.gs1.application_identifiers import Association, associations
from traceability.gs1.company_prefixes import CompanyPrefixes
from traceability.gs1.digital_link import RESOLVER
from traceability.gs1.element_strings import bracketed, element_string
from traceability.gs1.errors import IdentifierError
from traceability.gs1.links import link_of
from traceability.gs1.reading import Reading, read_value, urn
from traceability.gs1.scan_data import Symbology, scan_data

app = group("gs1")

_STDIN = "-"

Values = Annotated[
    list[str], typer.Argument(metavar="VALUE…", help="Values; `-` reads one a line from standard input.")
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict", help="Refuse links as versions 1.0 and 1.1 had them: /gtin/ for /01/, GTINs without zeros."
    ),
]
Prefixes = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Lengths of company prefixes, before GS1's own list: lines such as 9521234,7, or GS1's file.",
        show_default="TRACEABILITY_COMPANY_PREFIXES",
    ),
]
JSONLines = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


class Form(StrEnum):
    """What an identifier is written as."""

    DIGITAL_LINK = "digital-link"
    ELEMENT_STRING = "element-string"
    BRACKETED = "bracketed"
    URN = "urn"
    SCAN = "scan"


@app.command()
def parse(
    values: Values,
    *,
    strict: Strict = False,
    whole: Annotated[
        bool, typer.Option("--whole", help="Each value is all that an item carries: what it needs must be there.")
    ] = False,
    prefixes: Prefixes = None,
    json: JSONLines = True,  # noqa: ARG001 - other commands have it, so it is understood here
) -> None:
    """Say what each value is: one JSON object a line, in the order of the values.

    A Digital Link, an EPC URN, an element string (`(01)…` or `^01…`, where `^` stands for FNC1), what a reader sends
    (`]C1…`, `]Q1https://…`, `]E0…`) or the digits of a GTIN or SSCC. What is wrong has `"ok":false`, a `code` and the
    place `at` which it is, counted from 0. Exits 1 when one of them is wrong.

    For example:

    - `traceability gs1 parse '(01)09521234000013(21)1001'`
    - `traceability gs1 parse - < codes.txt`
    """
    lengths = _lengths(prefixes)
    _print_lines(values, lambda text: described(text, lengths, strict=strict, whole=whole))


@app.command()
def convert(
    values: Values,
    *,
    to: Annotated[Form, typer.Option("--to", help="Write each value as this.")] = Form.DIGITAL_LINK,
    base: Annotated[str, typer.Option(metavar="URL", help="Where Digital Links lead.")] = RESOLVER,
    symbology: Annotated[Symbology, typer.Option(help="The bar code of `--to scan`.")] = Symbology.DATA_MATRIX,
    strict: Strict = False,
    prefixes: Prefixes = None,
    json: JSONLines = False,
) -> None:
    """Write each value in another form, one a line; a value that cannot be gives an empty line and a note.

    Digital Links and element strings say all of each other. A URN has no place for lots beside a serial, for variants
    and for attributes, and needs the length of the company prefix: GS1's list is used, and none is guessed.

    For example:

    - `traceability gs1 convert '(01)09521234000013(21)1001'`
    - `traceability gs1 convert --to urn https://id.gs1.org/01/09521234000013/21/1001`
    - `traceability gs1 convert --to scan --symbology gs1-128 - < codes.txt`
    """
    lengths = _lengths(prefixes)

    def written(text: str) -> str:
        return _written(read_value(text, strict=strict), to, base, symbology, lengths)

    if json:
        _print_lines(values, lambda text: {"ok": True, "value": written(text)})
        return
    failed = False
    for number, text in enumerate(_texts(values), start=1):
        try:
            typer.echo(written(_utf8(text)))
        except IdentifierError as error:
            failed = True
            typer.echo()
            note(f"{number}: {error.diagnostics()}")
    if failed:
        raise typer.Exit(EXIT_FALSE)


def described(text: str, prefixes: CompanyPrefixes, *, strict: bool = False, whole: bool = False) -> dict[str, object]:
    """Return what a text is, as `gs1 parse` prints it; raises `IdentifierError`."""
    reading = read_value(text, strict=strict)
    ais = reading.ais
    broken = [_association(rule) for rule in associations(tuple(ais))]
    if broken and whole:
        raise IdentifierError(broken[0], code="gs1.association", at=0)
    found: dict[str, object] = {"ok": True, "kind": reading.kind, "ais": ais}
    found["element_string"] = element_string(ais) if ais else None
    found["bracketed"] = bracketed(ais) if ais else None
    found["digital_link"] = link = _or_none(lambda: link_of(ais))
    found["id"] = None if link is None else link.partition("?")[0]
    found["epc_urn"] = _or_none(lambda: urn(reading, prefixes))
    if reading.symbology is not None:
        found |= {"symbology": reading.symbology, "message": reading.message}
    if broken:
        found["associations"] = broken
    return found


def _or_none(write: Callable[[], str]) -> str | None:
    try:
        return write()
    except IdentifierError:
        return None


def _association(rule: Association) -> str:
    if rule.excluded:
        return f"({rule.code}) does not go with ({') ('.join(rule.excluded)})"
    alternatives = " or ".join("+".join(f"({code})" for code in group) for group in rule.needed)
    return f"({rule.code}) needs {alternatives}"


def _written(reading: Reading, to: Form, base: str, symbology: Symbology, prefixes: CompanyPrefixes) -> str:
    if to is Form.URN:
        return urn(reading, prefixes)
    if to is Form.DIGITAL_LINK:
        return link_of(reading.ais, base)
    if not reading.ais:
        raise IdentifierError("No Application Identifier says this.", code="gs1.no_elements")
    if to is Form.BRACKETED:
        return bracketed(reading.ais)
    return (
        element_string(reading.ais) if to is Form.ELEMENT_STRING else scan_data(symbology, element_string(reading.ais))
    )


def _lengths(file: Path | None) -> CompanyPrefixes:
    return company_prefixes(file or settings_for().company_prefixes)


def _texts(values: Iterable[str]) -> Iterator[str | bytes]:
    for value in values:
        if value != _STDIN:
            yield value
            continue
        for line in sys.stdin.buffer:
            yield line.rstrip(b"\r\n")


def _utf8(text: str | bytes) -> str:
    try:
        if isinstance(text, bytes):
            return text.decode()
        text.encode()  # an argument that is not UTF-8 comes as half surrogate pairs
    except (UnicodeDecodeError, UnicodeEncodeError) as error:
        raise IdentifierError("This is not UTF-8.", code="gs1.encoding", at=error.start) from None
    return text


def _print_lines(values: Iterable[str], describe: Callable[[str], dict[str, object]]) -> None:
    out = sys.stdout.buffer
    failed = False
    for text in _texts(values):
        try:
            line = orjson.dumps(describe(_utf8(text)))
        except IdentifierError as error:
            failed = True
            refusal: dict[str, object] = {"ok": False, "code": error.code, "at": error.at, "message": error.message}
            if error.fault:
                refusal["fault"] = error.fault
            line = orjson.dumps(refusal)
        out.write(line + b"\n")
        out.flush()  # who writes a line may wait for its answer
    if failed:
        raise typer.Exit(EXIT_FALSE)
